"""LU factorization with row exchanges, and what its factors solve.

NumPy has none, so the elimination is ours: column by column, all matrices of a batch at once. The
gradient is the rule of the square factorization without exchanges, of the rows already exchanged;
parts beyond the square follow from ``L2 = A2 U^-1`` and ``U2 = L^-1 A2``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply
from isograd.tensor.inplace import recording
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.matrices import (
    LinAlgError,
    eye_like,
    matrix_cuts,
    need_matrix,
    need_same_dtype,
    need_square,
    transposed,
)
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.shape import cat, narrow, tril, triu
from isograd.tensor.primitives.solving import linalg_solve_triangular
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result
from isograd.tensor.spread import whole

__all__ = ["linalg_lu", "linalg_lu_factor", "linalg_lu_solve", "lu_unpack"]


def _magnitude(xp: Any, x: Any) -> Any:
    """What LAPACK compares pivots by."""
    return xp.abs(x.real) + xp.abs(x.imag) if x.dtype.kind == "c" else xp.abs(x)


def _eliminate(xp: Any, x: Any, exchange: bool) -> tuple[Any, Any]:
    """The compact LU (..., n, m) and, for each step, the row taken as pivot (..., min(n, m))."""
    n, m = x.shape[-2:]
    a = x.reshape(math.prod(x.shape[:-2]), n, m).copy()
    batch = xp.arange(a.shape[0])
    pivots = xp.zeros((a.shape[0], min(n, m)), np.int64)
    for k in range(min(n, m)):
        if exchange:
            chosen = k + xp.argmax(_magnitude(xp, a[:, k:, k]), axis=1)
            pivots[:, k] = chosen
            held = a[:, k].copy()
            a[:, k] = a[batch, chosen]
            a[batch, chosen] = held
        pivot = a[:, k, k][:, None]
        a[:, k + 1 :, k] /= xp.where(pivot == 0, pivot.dtype.type(1), pivot)
        a[:, k + 1 :, k + 1 :] -= a[:, k + 1 :, k, None] * a[:, k, None, k + 1 :]
    return a.reshape(x.shape), pivots.reshape(*x.shape[:-2], min(n, m))


_exchanged = Primitive(
    "lu_exchanged",
    lambda xp, x: _eliminate(xp, x, True),
    outputs=2,
    nondifferentiable=True,
    samples=lambda make: [((make(2, 3, 4),), {})],
    cuts=matrix_cuts(2),
    doc="Compact LU with row exchanges, and the row exchanged at each step.",
)


def _plain_vjp(g: Tensor, out: Tensor) -> Tensor:
    """L^-H [tril(L^H gL, -1) + triu(gU U^H)] U^-H."""
    lower = tril(out, -1) + eye_like(out)
    upper = triu(out)
    inner = tril(matmul(transposed(lower), tril(g, -1)), -1)
    inner = inner + triu(matmul(triu(g), transposed(upper)))
    left = linalg_solve_triangular(transposed(lower), inner, upper=True, unitriangular=True)
    return linalg_solve_triangular(transposed(upper), left, upper=False, left=False)


_plain = Primitive(
    "lu_plain",
    lambda xp, x: _eliminate(xp, x, False)[0],
    vjp={"x": _plain_vjp},
    samples=lambda make: [((make(2, 3, 3) + 4 * np.eye(3),), {})],
    cuts=matrix_cuts(),
    doc="Compact LU of a square matrix without row exchanges.",
)


def _order(xp: Any, pivots: Any, n: int) -> Any:
    """The order of rows that the exchanges lead to, (..., n)."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    order = xp.broadcast_to(xp.arange(n), (flat.shape[0], n)).copy()
    batch = xp.arange(flat.shape[0])
    for k in range(flat.shape[1]):
        held = order[:, k].copy()
        order[:, k] = order[batch, flat[:, k]]
        order[batch, flat[:, k]] = held
    return order.reshape(*pivots.shape[:-1], n)


def _factor(A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compact LU, exchanges and the order of rows (both counted from 0)."""
    compact, pivots = apply(_exchanged, A)
    order = wrap(_order(backend_of(A._array).xp, whole(pivots._array), A.shape[-2]))
    if not recording(A):
        return compact, pivots, order
    n, m = A.shape[-2:]
    k = min(n, m)
    rows = A.gather(-2, order.unsqueeze(-1).expand(A.shape))
    square = apply(_plain, narrow(narrow(rows, -2, 0, k), -1, 0, k))
    if n > m:
        below = linalg_solve_triangular(square, narrow(rows, -2, k, n - k), upper=True, left=False)
        return cat([square, below], -2), pivots, order
    if m > n:
        right = linalg_solve_triangular(
            square, narrow(rows, -1, k, m - k), upper=False, unitriangular=True
        )
        return cat([square, right], -1), pivots, order
    return square, pivots, order


def _failed(compact: Tensor) -> Tensor:
    """Per matrix the first step (from 1) whose pivot is 0, or 0."""
    xp = backend_of(compact._array).xp
    zero = xp.diagonal(whole(compact._array), 0, -2, -1) == 0
    if zero.shape[-1] == 0:
        return wrap(xp.zeros(zero.shape[:-1], np.int32))
    first = xp.where(xp.any(zero, axis=-1), xp.argmax(zero, axis=-1) + 1, 0)
    return wrap(xp.asarray(first).astype(np.int32))


@public(method=False, out=True)
def linalg_lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """`linalg.lu_factor` and, in ``info``, the first step whose pivot is 0 (0: none)."""
    need_matrix("linalg.lu_factor_ex", A)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    compact, pivots, _ = _factor(A)
    info = _failed(compact)
    if check_errors and bool((info > 0).any()):
        raise LinAlgError(
            f"linalg.lu_factor_ex: U[{int(info.max())},{int(info.max())}] is zero and using it on "
            "lu_solve would result in a division by zero."
        )
    return named_result("linalg_lu_factor_ex", ("LU", "pivots", "info"),
                        (compact, (pivots + 1).int(), info))  # fmt: skip


@public(method=False, out=True)
def linalg_lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """L and U in one matrix, and the rows exchanged at each step (counted from 1)."""
    return named_result("linalg_lu_factor", ("LU", "pivots"),
                        linalg_lu_factor_ex(A, pivot=pivot)[:2])  # fmt: skip


@public()
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """`linalg.lu_factor` in its former form, with infos if ``get_infos``."""
    compact, pivots, info = linalg_lu_factor_ex(A, pivot=pivot)
    if not get_infos:
        return compact, pivots
    return named_result("_lu_with_info", ("LU", "pivots", "info"), (compact, pivots, info))


@public(method=False, out=True)
def linalg_lu(A: Tensor, *, pivot: bool = True) -> Any:
    """``A = P L U``: a permutation, unit lower triangular and upper triangular matrices."""
    compact, pivots, _ = linalg_lu_factor_ex(A, pivot=pivot)
    return named_result("linalg_lu", ("P", "L", "U"), lu_unpack(compact, pivots))


@public(method=False, out=True)
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """P, L and U of what `linalg.lu_factor` returns; empty where not asked for."""
    n, m = LU_data.shape[-2:]
    k = min(n, m)
    permutation = lower = upper = LU_data.new_empty(0)
    if LU_pivots.dtype.name != "int32":
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
            f"dtype. Got {LU_pivots.dtype}"
        )
    if unpack_pivots:
        xp = backend_of(LU_data._array).xp
        order = _order(xp, whole(LU_pivots._array).astype(np.int64) - 1, n)
        permutation = wrap(xp.swapaxes(xp.eye(n, dtype=LU_data._array.dtype)[order], -1, -2))
    if unpack_data:
        lower = tril(narrow(LU_data, -1, 0, k), -1) + eye_like(LU_data, n)[:, :k]
        upper = triu(narrow(LU_data, -2, 0, k))
    return named_result("lu_unpack", ("P", "L", "U"), (permutation, lower, upper))


@public(method=False, out=True)
def linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """X of ``A X = B`` from `linalg.lu_factor`'s result.

    Args:
        left: else X of ``X A = B``.
        adjoint: with ``A^H`` in A's place.
    """
    need_square("linalg.lu_solve", LU, "LU")
    need_matrix("linalg.lu_solve", B, "B")
    need_same_dtype("linalg.lu_solve", LU, B)
    if LU.shape[-1] != B.shape[-2 if left else -1]:
        raise RuntimeError(
            f"linalg.lu_solve: Incompatible shapes of A and B: {LU.shape[-1]}x{LU.shape[-1]} and "
            f"{B.shape[-2]}x{B.shape[-1]}"
        )
    if not left:
        turned = linalg_lu_solve(LU, pivots, transposed(B), adjoint=not adjoint)
        return transposed(turned)
    permutation = lu_unpack(LU, pivots, unpack_data=False).P
    if adjoint:
        y = linalg_solve_triangular(transposed(LU), B, upper=False)
        z = linalg_solve_triangular(transposed(LU), y, upper=True, unitriangular=True)
        return matmul(permutation, z)
    y = linalg_solve_triangular(LU, matmul(permutation.mT, B), upper=False, unitriangular=True)
    return linalg_solve_triangular(LU, y, upper=True)


@public(out=True)
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """`linalg.lu_solve` with its former order of arguments."""
    return linalg_lu_solve(LU_data, LU_pivots, b)
