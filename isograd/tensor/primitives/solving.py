"""Linear systems and inverses: solve, solve_triangular, inv, and solving by a Cholesky factor.

Three primitives, each with the rule of dX = A^-1 (dB - dA X).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.matrices import (
    LinAlgError,
    batched,
    checked,
    eye_like,
    lapack,
    matrix_cuts,
    need_matrix,
    need_same_dtype,
    need_square,
    on_host,
    transposed,
)
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.shape import squeeze, transpose, tril, triu, unsqueeze
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result

__all__ = ["linalg_inv", "linalg_solve", "linalg_solve_triangular", "solve_lower", "solve_system"]


def _conditioned(make: Any, *shape: int) -> Any:
    return make(*shape) + 4 * np.eye(shape[-1])


def _solve_cuts(params: Any, x: Any, y: Any) -> Iterable[Cut]:
    """Matrices of the batch, which broadcasts, and the right sides' columns."""
    rank = max(len(x), len(y)) - 2
    for d in range(rank):
        i, j = d - rank + len(x) - 2, d - rank + len(y) - 2
        n = max(x[i] if i >= 0 else 1, y[j] if j >= 0 else 1)
        a = i if i >= 0 and x[i] == n else None
        b = j if j >= 0 and y[j] == n else None
        yield Cut((a, b), (d,), empties=True)
    yield Cut((None, len(y) - 1), (rank + 1,), empties=True)
    yield Cut((None, "sum"), ("sum",))


def _solve_forward(xp: Any, x: Any, y: Any) -> Any:
    with checked(xp):
        return xp.linalg.solve(*batched(xp, x, y))


_solve = Primitive(
    "linalg_solve",
    _solve_forward,
    vjp={"x": lambda g, out, x: -matmul(solve_system(transposed(x), g), transposed(out)),
         "y": lambda g, x: solve_system(transposed(x), g)},
    samples=lambda make: [
        ((_conditioned(make, 3, 3), make(3, 2)), {}),
        ((_conditioned(make, 2, 3, 3), make(3, 2)), {}),
    ],
    cuts=_solve_cuts,
    doc="X of A X = B for matrices A (..., n, n) and B (..., n, k).",
)  # fmt: skip


def solve_system(A: Tensor, B: Tensor) -> Tensor:
    """X of ``A X = B``, B a batch of matrices."""
    out: Tensor = lapack(
        "torch.linalg.solve", "The solver failed because the input matrix is singular.",
        apply, _solve, A, B,
    )  # fmt: skip
    return out


@public(method=False, out=True)
def linalg_solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X of ``A X = B``, or of ``X A = B`` with ``left=False``.

    Shape:
        A (..., n, n); B (..., n, k), or (..., n) where it has A's batch dimensions or is 1-d.

    Raises:
        LinAlgError: if a matrix is singular.
    """
    need_square("linalg.solve", A)
    need_same_dtype("linalg.solve", A, B)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    if B.ndim == 0:
        raise RuntimeError("linalg.solve: The input tensor B must have at least 1 dimension.")
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for "
            "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    b = unsqueeze(B, -1) if vector else B
    n, rows = A.shape[-1], b.shape[-2 if left else -1]
    if n != rows:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {equation} "
            f"({n}x{n} and {b.shape[-2]}x{b.shape[-1]})"
        )
    if not left:
        return transpose(solve_system(transpose(A, -2, -1), transpose(b, -2, -1)), -2, -1)
    out = solve_system(A, b)
    return squeeze(out, -1) if vector else out


@public(method=False, out=True)
def linalg_solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """`linalg.solve` that reports singular matrices in ``info`` (1) with nan as their result."""
    names = ("result", "info")
    try:
        result = linalg_solve(A, B, left=left)
    except LinAlgError:
        if check_errors:
            raise
        healthy, bad = _without_singular(A)
        result = linalg_solve(healthy, B, left=left)
        lost = bad.reshape((*bad.shape, *(1,) * (result.ndim - bad.ndim)))
        result = result.masked_fill(lost, float("nan"))
        return named_result("linalg_solve_ex", names, (result, bad.int()))
    info = A.new_zeros(A.shape[:-2]).int()
    return named_result("linalg_solve_ex", names, (result, info))


def _without_singular(A: Tensor) -> tuple[Tensor, Tensor]:
    """The matrices with the identity in the place of singular ones, and which these are."""
    bad = [_singular(matrix) for matrix in A.detach().reshape(-1, *A.shape[-2:])]
    found = wrap(np.array(bad).reshape(A.shape[:-2])).to(A.device)
    lost = found.reshape((*found.shape, 1, 1))
    return A.masked_fill(lost, 0) + eye_like(A) * lost.to(A.dtype), found


def _singular(matrix: Tensor) -> bool:
    try:
        solve_system(matrix, eye_like(matrix))
    except LinAlgError:
        return True
    return False


# -- triangular systems


def _triangle(xp: Any, x: Any, upper: bool, unit: bool) -> Any:
    part = xp.triu(x) if upper else xp.tril(x)
    if unit:
        part = part - part * xp.eye(x.shape[-1], dtype=x.dtype) + xp.eye(x.shape[-1], dtype=x.dtype)
    return part


def _triangular_left(g: Tensor, out: Tensor, x: Tensor, upper: bool, unit: bool) -> Tensor:
    g_y = apply(_solve_triangular, transposed(x), g, upper=not upper, unit=unit)
    whole = -matmul(g_y, transposed(out))
    return triu(whole, int(unit)) if upper else tril(whole, -int(unit))


_solve_triangular: Primitive = Primitive(
    "linalg_solve_triangular",
    lambda xp, x, y, *, upper, unit: xp.linalg.solve(
        *batched(xp, _triangle(xp, x, upper, unit), y)
    ),
    vjp={"x": _triangular_left,
         "y": lambda g, x, upper, unit: apply(
             _solve_triangular, transposed(x), g, upper=not upper, unit=unit)},
    samples=lambda make: [
        ((_conditioned(make, 2, 3, 3), make(2, 3, 2)), {"upper": True, "unit": False}),
        ((make(3, 3), make(3, 2)), {"upper": False, "unit": True}),
    ],
    cuts=_solve_cuts,
    doc="X of A X = B that reads one triangle of A.",
)  # fmt: skip


def solve_lower(L: Tensor, B: Tensor, adjoint: bool = False) -> Tensor:
    """``L^-1 B`` for lower triangular L, or ``L^-H B`` with ``adjoint``."""
    if adjoint:
        return apply(_solve_triangular, transposed(L), B, upper=True, unit=False)
    return apply(_solve_triangular, L, B, upper=False, unit=False)


@public(method=False, out=True)
def linalg_solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X of ``A X = B`` (``X A = B`` with ``left=False``) for triangular A.

    Args:
        upper: A's upper triangle is read, else the lower one.
        unitriangular: the diagonal is taken as ones and not read.

    Raises:
        LinAlgError: if a diagonal element is 0.
    """
    name = "linalg.solve_triangular"
    need_square(name, A)
    need_matrix(name, B, "B")
    need_same_dtype(name, A, B)
    if A.shape[-1] != B.shape[-2 if left else -1]:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    a, b = (A, B) if left else (transpose(A, -2, -1), transpose(B, -2, -1))
    out: Tensor = lapack(
        name, "the matrix is singular: it has a 0 on its diagonal", apply, _solve_triangular, a, b,
        upper=upper is left, unit=unitriangular,
    )  # fmt: skip
    return out if left else transpose(out, -2, -1)


@public(out=True)
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """The former `linalg.solve_triangular`: ``(solution, cloned_coefficient)``."""
    if b.ndim < 2 or A.ndim < 2:
        raise RuntimeError(
            "torch.triangular_solve: Expected b and A to have at least 2 dimensions, got "
            f"{b.ndim} and {A.ndim}"
        )
    a, up = (A.transpose(-2, -1), not upper) if transpose else (A, upper)
    found = linalg_solve_triangular(a, b, upper=up, unitriangular=unitriangular)
    return named_result("triangular_solve", ("solution", "cloned_coefficient"), (found, A.clone()))


@public(out=True)
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X of ``A X = B`` from A's Cholesky factor L (or ``L^H``, with ``upper``)."""
    need_square("cholesky_solve", L, "L")
    need_matrix("cholesky_solve", B, "B")
    if B.shape[-2] != L.shape[-1]:
        raise RuntimeError(
            f"cholesky_solve: Incompatible matrix sizes: each A matrix is {L.shape[-1]} by "
            f"{L.shape[-1]} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    lower = transposed(L) if upper else L
    lower = lower + (tril(lower) - lower).detach()  # torch's gradient is that of a whole matrix
    return solve_system(transposed(lower), solve_system(lower, B))


@public(out=True)
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A from its Cholesky factor L (or ``L^H``, with ``upper``)."""
    need_square("cholesky_inverse", L, "L")
    return cholesky_solve(eye_like(L), L, upper).expand(L.shape)


# -- inverse


def _inv_forward(xp: Any, x: Any) -> Any:
    with checked(xp):
        return xp.linalg.inv(x)


_inv = Primitive(
    "linalg_inv",
    _inv_forward,
    vjp={"x": lambda g, out: -matmul(matmul(transposed(out), g), transposed(out))},
    samples=lambda make: [((_conditioned(make, 2, 3, 3),), {})],
    cuts=matrix_cuts(),
    doc="Inverse of a square matrix.",
)


def _first_zero_pivot(a: Any) -> int:
    """Batch element of the first singular matrix."""
    for i, matrix in enumerate(a.reshape(-1, *a.shape[-2:])):
        if np.linalg.det(matrix) == 0:
            return i
    return 0


@public("inverse", method=False, out=True)
def linalg_inv(A: Tensor) -> Tensor:
    """The inverse of square matrices.

    Raises:
        LinAlgError: if one is singular.
    """
    need_square("linalg.inv", A)
    try:
        return apply(_inv, A)
    except np.linalg.LinAlgError as error:
        batch = f"(Batch element {_first_zero_pivot(on_host(A))}): " if A.ndim > 2 else ""
        raise LinAlgError(
            f"linalg.inv: {batch}A diagonal element is zero, the inversion could not be completed "
            "because the input matrix is singular."
        ) from error


Tensor.inverse = linalg_inv  # type: ignore[attr-defined]


@public(method=False)
def linalg_inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """`linalg.inv` that reports singular matrices in ``info`` (1) with nan as their result."""
    need_square("linalg.inv_ex", A)
    identity = eye_like(A).expand(A.shape)
    result, info = linalg_solve_ex(A, identity, check_errors=check_errors)
    return named_result("linalg_inv_ex", ("inverse", "info"), (result, info))


@public(method=False, out=True)
def linalg_tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse for `tensordot` over the first ``ind`` dimensions.

    Raises:
        RuntimeError: if the first ``ind`` lengths and the others have not the same product.
    """
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', got {ind}")
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n, m = int(np.prod(first)), int(np.prod(last))
    if n != m:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {m} != {n}"
        )
    return linalg_inv(A.reshape(n, m)).reshape(last + first)


@public(method=False, out=True)
def linalg_tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X of ``tensordot(A, X, X.ndim) = B``.

    Args:
        dims: dimensions of A to move to the end first.

    Raises:
        RuntimeError: if A does not unfold into a square matrix.
    """
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    last = tuple(A.shape[B.ndim :])
    n, m = int(np.prod(A.shape[: B.ndim])), int(np.prod(last))
    if n != m:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {m} != {n}"
        )
    return linalg_solve(A.reshape(n, m), B.reshape(-1)).reshape(last)
