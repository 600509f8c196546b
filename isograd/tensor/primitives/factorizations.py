"""Cholesky, QR, singular value and eigenvalue factorizations of (batches of) matrices.

The forwards are LAPACK's, by ``numpy.linalg`` or ``cupy.linalg``. Factors are unique only up to
signs or phases; their gradients are those of functions that do not depend on the choice.
Source of the rules: M. Giles, "An extended collection of matrix derivative results" (2008); for
complex matrices Z.-Q. Wan and S.-X. Zhang, arXiv:1909.02659.

Hermitian inputs: torch reads one triangle and gives the gradient of the whole matrix. ``part`` says
what a forward reads: ``"L"``, ``"U"``, or ``"both"``, the mean of the triangles, of which the
gradient is the exact derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.matrices import (
    LinAlgError,
    checked,
    eye_like,
    lapack,
    matrix_cuts,
    need_matrix,
    need_square,
    on_host,
    real,
    transposed,
)
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.shape import cat, narrow, tril, unsqueeze
from isograd.tensor.primitives.solving import solve_lower, solve_system
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result

__all__ = [
    "linalg_cholesky",
    "linalg_eig",
    "linalg_eigh",
    "linalg_eigvals",
    "linalg_eigvalsh",
    "linalg_qr",
    "linalg_svd",
    "linalg_svdvals",
]


def _hermitian(xp: Any, x: Any, part: str) -> Any:
    """The Hermitian matrix that a part of ``x`` stands for, for a library that reads "L"."""
    if part == "L":
        return x
    flipped = xp.conj(xp.swapaxes(x, -1, -2))
    return flipped if part == "U" else (x + flipped) / x.dtype.type(2)


def _half_sum(x: Tensor) -> Tensor:
    """(x + x^H) / 2."""
    return (x + transposed(x)) / 2


def _diagonal(x: Tensor) -> Tensor:
    return x.diagonal(0, -2, -1)


def _columns(x: Tensor) -> Tensor:
    """A batch of vectors as rows to scale matrices' columns by: (..., n) -> (..., 1, n)."""
    return unsqueeze(x, -2)


# -- Cholesky


def _cholesky_forward(xp: Any, x: Any, *, part: str) -> Any:
    with checked(xp):
        return xp.linalg.cholesky(_hermitian(xp, x, part))


def _cholesky_vjp(g: Tensor, out: Tensor) -> Tensor:
    """L^-H phi(L^H g) L^-1 made Hermitian, phi taking the lower triangle with half its diagonal."""
    inner = tril(matmul(transposed(out), g))
    inner = inner - _diagonal(inner).diag_embed() / 2
    whole = inner + transposed(inner)
    right = solve_lower(out, transposed(whole / 2), adjoint=True)  # (X L^-1)^H
    return solve_lower(out, transposed(right), adjoint=True)


_cholesky = Primitive(
    "linalg_cholesky",
    _cholesky_forward,
    vjp={"x": _cholesky_vjp},
    samples=lambda make: [((_positive(make(2, 3, 3)),), {"part": "both"})],
    cuts=matrix_cuts(),
    doc="Lower triangular factor L of a positive-definite matrix L L^H.",
)


def _positive(x: Any) -> Any:
    return x @ x.swapaxes(-1, -2) + np.eye(x.shape[-1])


def _failed_minor(a: Any) -> tuple[int, int]:
    """Batch element and order of the first leading minor that is not positive."""
    for i, matrix in enumerate(a.reshape(-1, *a.shape[-2:])):
        for order in range(1, matrix.shape[-1] + 1):
            try:
                np.linalg.cholesky(matrix[:order, :order])
            except np.linalg.LinAlgError:
                return i, order
    return 0, 1


@public(method=False, out=True)
def linalg_cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The triangular factor L of Hermitian positive-definite matrices ``A = L L^H``.

    Args:
        upper: return ``L^H``.

    Raises:
        LinAlgError: if a matrix is not positive-definite.
    """
    need_square("linalg.cholesky", A)
    try:
        out: Tensor = apply(_cholesky, A, part="U" if upper else "L")
    except np.linalg.LinAlgError as error:
        element, order = _failed_minor(on_host(A))
        batch = f"(Batch element {element}): " if A.ndim > 2 else ""
        raise LinAlgError(
            f"linalg.cholesky: {batch}The factorization could not be completed because the input "
            f"is not positive-definite (the leading minor of order {order} is not "
            "positive-definite)."
        ) from error
    return transposed(out) if upper else out


@public(out=True)
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """`linalg.cholesky` under its former name."""
    return linalg_cholesky(input, upper=upper)


@public(method=False)
def linalg_cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """`linalg.cholesky` that reports in ``info`` the order of the first minor that failed, or 0."""
    need_square("linalg.cholesky_ex", A)
    names = ("L", "info")
    if check_errors or _all_positive(A):
        info = A.new_zeros(A.shape[:-2]).int()
        return named_result("linalg_cholesky_ex", names, (linalg_cholesky(A, upper=upper), info))
    factors, orders = [], []
    for matrix in A.reshape(-1, *A.shape[-2:]):
        good = _all_positive(matrix)
        orders.append(0 if good else _failed_minor(on_host(matrix))[1])
        factors.append(linalg_cholesky(matrix, upper=upper) if good else tril(matrix))
    info = wrap(np.array(orders, np.int32).reshape(A.shape[:-2])).to(A.device)
    made = cat([unsqueeze(f, 0) for f in factors]).reshape(A.shape)
    return named_result("linalg_cholesky_ex", names, (made, info))


def _all_positive(A: Tensor) -> bool:
    try:
        _cholesky_forward(np, on_host(A), part="L")
    except np.linalg.LinAlgError:
        return False
    return True


# -- QR


def _qr_vjp(gs: Any, outs: Any, mode: str) -> Tensor:
    """A = Q R with R (k, m): (gQ + Q h(M)) R^-H with M = R gR^H - gQ^H Q (k, k).

    h takes the lower triangle, and its conjugate for the upper one. Where A is wide, its right part
    is Q times R's right part and only the left, square part is factored.
    """
    if mode == "r":
        raise RuntimeError(
            "linalg.qr: The derivative is not implemented when mode='r': use mode='reduced'"
        )
    q, r = outs
    g_q, g_r = gs
    g_q = q * 0 if g_q is None else g_q
    g_r = r * 0 if g_r is None else g_r
    n, k, m = q.shape[-2], r.shape[-2], r.shape[-1]
    if mode == "complete" and n > m:
        raise RuntimeError(
            "linalg.qr: The derivative is not implemented when mode='complete' and A has more "
            "rows than columns: use mode='reduced'"
        )
    wide = m > k
    g_right = matmul(q, narrow(g_r, -1, k, m - k)) if wide else None
    if wide:
        rest = matmul(q, narrow(r, -1, k, m - k))  # A's right part
        g_q = g_q + matmul(rest, transposed(narrow(g_r, -1, k, m - k)))
        r, g_r = narrow(r, -1, 0, k), narrow(g_r, -1, 0, k)
    inner = matmul(r, transposed(g_r)) - matmul(transposed(g_q), q)
    below = tril(inner, -1)
    whole = below + transposed(below) + real(_diagonal(inner)).diag_embed().to(inner.dtype)
    left = g_q + matmul(q, whole)
    g_left = transposed(solve_system(r, transposed(left)))  # X R^-H
    return g_left if g_right is None else cat([g_left, g_right], -1)


_qr = Primitive(
    "linalg_qr",
    lambda xp, x, *, mode: tuple(xp.linalg.qr(x, mode=mode)),
    vjp_all=lambda gs, outs, mode: (_qr_vjp(gs, outs, mode),),
    outputs=2,
    samples=lambda make: [
        ((make(2, 4, 3),), {"mode": "reduced"}),
        ((make(3, 5),), {"mode": "complete"}),
    ],
    cuts=matrix_cuts(2),
    doc="Orthonormal columns Q and upper triangular R with A = Q R.",
)


@public(method=False, out=True)
def linalg_qr(A: Tensor, mode: str = "reduced") -> Any:
    """``A = Q R`` with orthonormal columns in Q and upper triangular R.

    Args:
        mode: ``"reduced"``, ``"complete"`` (square Q) or ``"r"`` (an empty Q).
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    need_matrix("linalg.qr", A)
    q, r = apply(_qr, A, mode="reduced" if mode == "r" else mode)
    return named_result("linalg_qr", ("Q", "R"), (A.new_empty(0) if mode == "r" else q, r))


@public(out=True)
def qr(input: Tensor, some: bool = True) -> Any:
    """`linalg.qr` under its former name; ``some`` means the reduced one."""
    return named_result("qr", ("Q", "R"), linalg_qr(input, "reduced" if some else "complete"))


# -- singular values


def _svd_vjp(gs: Any, outs: Any) -> Tensor:
    """U [(skew(U^H gU) / E) S + S (skew(V^H gV) / E) + diag(gS)] V^H and parts outside the spans.

    E[i, j] = s_j^2 - s_i^2, skew(X) = X - X^H. Columns of U and V beyond min(n, m) are arbitrary
    and give no gradient.
    """
    u, s, vh = outs
    g_u, g_s, g_vh = gs
    k = s.shape[-1]
    n, m = u.shape[-2], vh.shape[-1]
    u, vh = narrow(u, -1, 0, k), narrow(vh, -2, 0, k)
    v = transposed(vh)
    scale = s.to(u.dtype)
    inner = _diagonal(u).diag_embed() * 0 if g_s is None else g_s.to(u.dtype).diag_embed()
    squares = s * s
    gaps = _columns(squares) - unsqueeze(squares, -1) + eye_like(s)
    outside = None
    if g_u is not None:
        g_u = narrow(g_u, -1, 0, k)
        skew, phases = _skew(matmul(transposed(u), g_u))
        inner = inner + skew / gaps * _columns(scale)
        if phases is not None:
            inner = inner + (phases / (2 * scale)).diag_embed()
        if n > k:
            apart = g_u - matmul(u, matmul(transposed(u), g_u))
            outside = matmul(apart / _columns(scale), vh)
    if g_vh is not None:
        g_v = transposed(narrow(g_vh, -2, 0, k))
        skew, _ = _skew(matmul(vh, g_v))
        inner = inner + unsqueeze(scale, -1) * (skew / gaps)
        if m > k:
            apart = transposed(g_v) - matmul(matmul(transposed(g_v), v), vh)
            second = matmul(u / _columns(scale), apart)
            outside = second if outside is None else outside + second
    grad = matmul(matmul(u, inner), vh)
    return grad if outside is None else grad + outside


def _skew(x: Tensor) -> tuple[Tensor, Tensor | None]:
    """``x - x^H`` without its diagonal, and the diagonal where it is not 0."""
    skew = x - transposed(x)
    if not x.is_complex():
        return skew, None
    return skew - _diagonal(skew).diag_embed(), _diagonal(skew)


def _svd_forward(xp: Any, x: Any, *, full: bool) -> Any:
    with checked(xp):
        return tuple(xp.linalg.svd(x, full_matrices=full))


_svd = Primitive(
    "linalg_svd",
    _svd_forward,
    vjp_all=lambda gs, outs: (_svd_vjp(gs, outs),),
    outputs=3,
    samples=lambda make: [
        ((make(2, 3, 3),), {"full": False}),
        ((make(4, 2),), {"full": False}),
        ((make(2, 4),), {"full": False}),
    ],
    cuts=matrix_cuts(3),
    doc="Singular values, with left and right singular vectors.",
)


@public(method=False, out=True)
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """``A = U diag(S) Vh`` with orthonormal columns in U, rows in Vh, and S descending.

    Args:
        full_matrices: U and Vh square; their surplus columns and rows give no gradient.
        driver: must be None: the library chooses.

    Raises:
        LinAlgError: if the iteration does not converge.
    """
    if driver is not None:
        raise RuntimeError(
            "linalg.svd: keyword argument `driver=` is only supported on CUDA inputs"
        )
    need_matrix("linalg.svd", A)
    made = lapack(
        "linalg.svd", "The algorithm failed to converge.", apply, _svd, A, full=full_matrices
    )
    return named_result("linalg_svd", ("U", "S", "Vh"), made)


@public(method=False, out=True)
def linalg_svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, descending."""
    need_matrix("linalg.svdvals", A)
    out: Tensor = linalg_svd(A, False, driver=driver).S
    return out


@public(out=True)
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """`linalg.svd` in its former form: ``(U, S, V)``, reduced if ``some``."""
    need_matrix("linalg.svd", input)
    u, s, vh = linalg_svd(input, not some)
    if not compute_uv:  # torch gives zeros of the full shapes
        n, m = input.shape[-2:]
        u, vh = (input.new_zeros(*input.shape[:-2], side, side) for side in (n, m))
        return named_result("svd", ("U", "S", "V"), (u, s, vh))
    return named_result("svd", ("U", "S", "V"), (u, s, transposed(vh)))


# -- eigenvalues


def _eigh_forward(xp: Any, x: Any, *, part: str) -> Any:
    with checked(xp):
        return tuple(xp.linalg.eigh(_hermitian(xp, x, part)))


def _eigh_vjp(gs: Any, outs: Any) -> Tensor:
    """V (diag(gL) + (V^H gV) / E) V^H made Hermitian, with E[i, j] = l_j - l_i."""
    values, v = outs
    g_values, g_v = gs
    inner: Any = None if g_values is None else g_values.to(v.dtype).diag_embed()
    if g_v is not None:
        gaps = _columns(values) - unsqueeze(values, -1) + eye_like(values)
        turned = matmul(transposed(v), g_v)
        turned = (turned - _diagonal(turned).diag_embed()) / gaps
        inner = turned if inner is None else inner + turned
    return _half_sum(matmul(matmul(v, inner), transposed(v)))


_eigh = Primitive(
    "linalg_eigh",
    _eigh_forward,
    vjp_all=lambda gs, outs: (_eigh_vjp(gs, outs),),
    outputs=2,
    samples=lambda make: [((make(2, 3, 3) + np.diag([0.0, 5.0, 10.0]),), {"part": "both"})],
    cuts=matrix_cuts(2),
    doc="Eigenvalues, ascending, and eigenvectors of a Hermitian matrix.",
)


@public(method=False, out=True)
def linalg_eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues (real, ascending) and orthonormal eigenvectors of Hermitian matrices.

    Args:
        UPLO: which triangle is read, ``"L"`` or ``"U"``.

    Raises:
        LinAlgError: if the iteration does not converge.
    """
    need_square("linalg.eigh", A)
    part = str(UPLO).upper()
    if part not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    made = lapack("linalg.eigh", "The algorithm failed to converge.", apply, _eigh, A, part=part)
    return named_result("linalg_eigh", ("eigenvalues", "eigenvectors"), made)


@public(method=False, out=True)
def linalg_eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of Hermitian matrices, ascending."""
    out: Tensor = linalg_eigh(A, UPLO).eigenvalues
    return out


def _eig_forward(xp: Any, x: Any) -> Any:
    kind = np.complex64 if x.dtype.itemsize == 4 or x.dtype == np.complex64 else np.complex128
    values, vectors = xp.linalg.eig(x)
    return values.astype(kind, copy=False), vectors.astype(kind, copy=False)


def _eig_vjp(gs: Any, outs: Any) -> Tensor:
    """V^-H (diag(gL) + (V^H gV - V^H V diag(Re V^H gV)) / conj(E)) V^H; vectors have length 1."""
    values, v = outs
    g_values, g_v = gs
    inner: Any = None if g_values is None else g_values.diag_embed()
    if g_v is not None:
        gaps = conj(_columns(values) - unsqueeze(values, -1)) + eye_like(values)
        turned = matmul(transposed(v), g_v)
        own = real(_diagonal(turned)).to(v.dtype)
        turned = turned - matmul(transposed(v), v * _columns(own))
        turned = (turned - _diagonal(turned).diag_embed()) / gaps
        inner = turned if inner is None else inner + turned
    return solve_system(transposed(v), matmul(inner, transposed(v)))


_eig = Primitive(
    "linalg_eig",
    _eig_forward,
    vjp_all=lambda gs, outs: (_eig_vjp(gs, outs),),
    outputs=2,
    samples=lambda make: [((0.3 * make(2, 3, 3) + np.diag([1.0, 4.0, 8.0]),), {})],
    cuts=matrix_cuts(2),
    doc="Eigenvalues and eigenvectors of a square matrix, both complex.",
)


@public(method=False, out=True)
def linalg_eig(A: Tensor) -> Any:
    """Eigenvalues and eigenvectors (columns of length 1) of square matrices, always complex.

    Raises:
        LinAlgError: if the iteration does not converge.
        RuntimeError: for inf or nan in ``A``.
    """
    need_square("linalg.eig", A)
    if not bool(A.detach().isfinite().all()):
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    made = lapack("linalg.eig", "The algorithm failed to converge.", apply, _eig, A)
    return named_result("linalg_eig", ("eigenvalues", "eigenvectors"), made)


@public(method=False, out=True)
def linalg_eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of square matrices, complex."""
    need_square("linalg.eigvals", A)
    out: Tensor = linalg_eig(A).eigenvalues
    return out
