"""Pseudo-inverse, rank, condition number and least squares.

Source of the pseudo-inverse's rule: G. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973); it
holds where the rank is locally constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.factorizations import linalg_eigvalsh, linalg_svdvals
from isograd.tensor.primitives.matrices import (
    lapack,
    need_matrix,
    need_same_dtype,
    need_square,
    transposed,
)
from isograd.tensor.primitives.norms import linalg_matrix_norm
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import squeeze, unsqueeze
from isograd.tensor.primitives.solving import linalg_inv_ex
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result
from isograd.tensor.spread import whole

__all__ = ["linalg_cond", "linalg_lstsq", "linalg_matrix_rank", "linalg_pinv"]


def _pinv_forward(xp: Any, x: Any, cutoff: Any, *, hermitian: bool) -> Any:
    """Invert the singular values above the cutoff, which has shape (...,) or is a number."""
    bound = xp.asarray(cutoff)[..., None]
    if hermitian:
        s, u = xp.linalg.eigh(x)
        return (u * _reciprocals(xp, s, bound)[..., None, :]) @ xp.conj(xp.swapaxes(u, -1, -2))
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    back = xp.conj(xp.swapaxes(vh, -1, -2)) * _reciprocals(xp, s, bound)[..., None, :]
    return back @ xp.conj(xp.swapaxes(u, -1, -2))


def _reciprocals(xp: Any, s: Any, bound: Any) -> Any:
    kept = xp.abs(s) > bound
    return xp.where(kept, 1 / xp.where(kept, s, s.dtype.type(1)), s.dtype.type(0))


def _pinv_vjp(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
    """-P^H g P^H + (I - A P) g^H P P^H + P^H P g^H (I - P A)."""
    p, ph, gh = out, transposed(out), transposed(g)
    first = gh - matmul(x, matmul(p, gh))  # (I - A P) g^H
    second = gh - matmul(matmul(gh, p), x)  # g^H (I - P A)
    return matmul(matmul(first, p), ph) + matmul(ph, matmul(p, second)) - matmul(ph, matmul(g, ph))


def _pinv_cuts(params: Any, x: Any, cutoff: Any) -> Iterable[Cut]:
    for d in range(len(x) - 2):
        yield Cut((d, d if cutoff else None), (d,), empties=True)


_pinv = Primitive(
    "linalg_pinv",
    _pinv_forward,
    vjp={"x": _pinv_vjp},
    samples=lambda make: [
        ((make(2, 4, 3), 1e-6), {"hermitian": False}),
        ((make(2, 3), 1e-6), {"hermitian": False}),
    ],
    cuts=_pinv_cuts,
    doc="Moore-Penrose pseudo-inverse.",
)


def _values(x: Any) -> Any:
    return whole(x._array) if isinstance(x, Tensor) else x


def _cutoff(x: Tensor, s: Any, atol: Any, rtol: Any) -> Any:
    """The singular values at or below it count as 0: an array of shape (...,)."""
    xp = backend_of(x._array).xp
    if rtol is None:
        eps = float(np.finfo(x._array.dtype).eps)
        default = max(x.shape[-2:]) * eps
        if atol is None:
            rtol = default
        elif isinstance(atol, Tensor):
            rtol = xp.where(_values(atol) > 0, 0.0, default)
        else:
            rtol = default if atol == 0 else 0.0
    absolute = 0.0 if atol is None else _values(atol)
    relative = _values(rtol)
    top = xp.max(s, axis=-1) if s.shape[-1] else xp.zeros(s.shape[:-1], s.dtype)
    return xp.maximum(absolute, relative * top)


@public("pinverse", method=False, out=True)
def linalg_pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """The Moore-Penrose pseudo-inverse of matrices.

    Args:
        hermitian: A is Hermitian; its lower triangle is read.
        atol: singular values up to ``max(atol, rtol * largest)`` count as 0.
        rtol: default ``max(n, m) * eps``, or 0 if ``atol > 0`` is given (``rcond``: older name).
    """
    (need_square if hermitian else need_matrix)("linalg.pinv", A)
    if A.numel() == 0:
        return A.mT * 1
    x = A.detach()
    s = linalg_eigvalsh(x).abs() if hermitian else linalg_svdvals(x)
    cutoff = _cutoff(A, whole(s._array), atol, rcond if rtol is None else rtol)
    out: Tensor = lapack(
        "linalg.pinv", "The algorithm failed to converge.", apply, _pinv, A, wrap(cutoff),
        hermitian=hermitian,
    )  # fmt: skip
    return out


@public(method=False, out=True)
def linalg_matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values are above ``max(atol, rtol * largest)``; see `linalg.pinv`.

    Args:
        tol: absolute tolerance (older name).
    """
    (need_square if hermitian else need_matrix)("linalg.matrix_rank", A)
    x = A.detach()
    s = linalg_eigvalsh(x).abs() if hermitian else linalg_svdvals(x)
    absolute = tol if atol is None else atol
    xp = backend_of(A._array).xp
    values = whole(s._array)
    bound = xp.asarray(_cutoff(A, values, absolute, 0.0 if tol is not None else rtol))
    return wrap(xp.asarray(xp.sum(values > bound[..., None], axis=-1, dtype=np.int64)))


@public(method=False, out=True)
def linalg_cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number in a matrix norm: ``norm(A, p) * norm(inv(A), p)``.

    Args:
        p: None or 2 (largest over smallest singular value), -2, ``"fro"``, ``"nuc"``, 1, -1, inf,
            -inf.
    """
    if p is None or p in (2, -2):
        need_matrix("linalg.cond", A)
        s = linalg_svdvals(A)
        if s.shape[-1] == 0:
            return s.new_zeros(s.shape[:-1])
        top, bottom = s.select(-1, 0), s.select(-1, s.shape[-1] - 1)
        return bottom / top if p == -2 else top / bottom
    need_square("linalg.cond", A)
    if A.shape[-1] == 0:
        return linalg_matrix_norm(A, p)
    inverse, info = linalg_inv_ex(A)
    product = linalg_matrix_norm(A, p) * linalg_matrix_norm(inverse, p)
    return where(info != 0, float("inf"), product)


@public(method=False, out=True)
def linalg_lstsq(
    A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None
) -> Any:
    """X with the least ``norm(A X - B)`` (of these the one of least norm), by the pseudo-inverse.

    Args:
        rcond: singular values up to ``rcond * largest`` count as 0; default ``max(n, m) * eps``.
        driver: ``gelsy`` (default), ``gels``, ``gelsd`` or ``gelss``: decides, as in torch, whether
            residuals, ranks and singular values are returned.

    Returns:
        ``(solution, residuals, rank, singular_values)``.
    """
    need_matrix("torch.linalg.lstsq", A, "input")
    need_same_dtype("torch.linalg.lstsq", A, B)
    chosen = driver or "gelsy"
    if chosen not in ("gelsy", "gels", "gelsd", "gelss"):
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), "
            f"got {driver}"
        )
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(A.shape[:-1]) == tuple(B.shape))
    b = unsqueeze(B, -1) if vector else B
    if b.ndim < 2 or A.shape[-2] != b.shape[-2]:
        raise RuntimeError(
            "torch.linalg.lstsq: input.size(-2) should match other.size(-2), got "
            f"{A.shape[-2]} and {b.shape[-2] if b.ndim > 1 else b.ndim}"
        )
    solution = matmul(linalg_pinv(A, rtol=rcond), b)
    ranks = linalg_matrix_rank(A, rtol=rcond)
    residuals = _residuals(A, b, solution, ranks, chosen)
    if vector:
        solution = squeeze(solution, -1)
    s = linalg_svdvals(A.detach())
    empty = s.new_empty(0)
    return named_result(
        "linalg_lstsq",
        ("solution", "residuals", "rank", "singular_values"),
        (
            solution,
            residuals,
            empty.long() if chosen == "gels" else ranks,
            s if chosen in ("gelsd", "gelss") else empty,
        ),
    )


def _residuals(A: Tensor, b: Tensor, x: Tensor, ranks: Tensor, driver: str) -> Tensor:
    """Sums of squares where A is tall and of full rank; else empty."""
    n, m = A.shape[-2:]
    full = driver == "gels" or bool((ranks == m).all())
    if n <= m or not full or driver == "gelsy":
        return A.new_empty(0).real if A.is_complex() else A.new_empty(0)
    return (matmul(A, x) - b).abs().square().sum(-2)


Tensor.pinverse = linalg_pinv  # type: ignore[attr-defined]
