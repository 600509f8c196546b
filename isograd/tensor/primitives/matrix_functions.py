"""Powers, exponential and products of matrices, and products of vectors: all made of primitives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.primitives.cumulative import cumprod
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.factorizations import linalg_qr, linalg_svd
from isograd.tensor.primitives.matrices import (
    eye_like,
    need_matrix,
    need_same_dtype,
    need_square,
    on_host,
    transposed,
    zeros_of,
)
from isograd.tensor.primitives.products import chain_matmul, matmul
from isograd.tensor.primitives.reduction import sum as total
from isograd.tensor.primitives.shape import (
    cat,
    diagonal,
    narrow,
    roll,
    squeeze,
    unsqueeze,
    wrap_dim,
)
from isograd.tensor.primitives.solving import linalg_inv, solve_system
from isograd.tensor.public import public
from isograd.tensor.random import randn
from isograd.tensor.return_types import named_result

__all__ = [
    "linalg_cross", "linalg_householder_product", "linalg_matrix_exp", "linalg_matrix_power",
    "linalg_multi_dot", "linalg_vander", "linalg_vecdot",
]  # fmt: skip


@public("matrix_power", method=False, out=True)
def linalg_matrix_power(A: Tensor, n: int) -> Tensor:
    """``A @ A @ ... @ A`` by repeated squaring; negative ``n`` takes the inverse."""
    need_square("linalg.matrix_power", A)
    if n == 0:
        return zeros_of(A) + eye_like(A)
    base = linalg_inv(A) if n < 0 else A
    left = abs(n)
    if left == 1:
        return base * 1
    factors = []
    while left:
        if left & 1:
            factors.append(base)
        left >>= 1
        if left:
            base = matmul(base, base)
    out = factors[0]
    for factor in factors[1:]:
        out = matmul(out, factor)
    return out


Tensor.matrix_power = linalg_matrix_power  # type: ignore[attr-defined]

# Padé coefficients of exp, degree 13: N. Higham, "The scaling and squaring method for the matrix
# exponential revisited", SIAM J. Matrix Anal. Appl. 26 (2005)
_DEGREE, _REACH = 13, 4.25
_PADE = [
    math.factorial(2 * _DEGREE - i) * math.factorial(_DEGREE)
    / (math.factorial(2 * _DEGREE) * math.factorial(i) * math.factorial(_DEGREE - i))
    for i in range(_DEGREE + 1)
]  # fmt: skip


@public("matrix_exp", method=False)
def linalg_matrix_exp(A: Tensor) -> Tensor:
    """``exp(A) = sum A^k / k!`` by scaling and squaring with a Padé approximation."""
    need_square("linalg.matrix_exp", A)
    if A.numel() == 0:
        return A.clone()
    size = float(A.detach().abs().sum(-2).max().item())
    if not math.isfinite(size):
        return A * float("nan")
    squarings = max(0, math.ceil(math.log2(size / _REACH))) if size > 0 else 0
    x = A / 2.0**squarings if squarings else A
    square = matmul(x, x)
    even = odd = eye_like(A) * 0
    power = eye_like(A)
    for i in range(0, _DEGREE + 1, 2):
        even = even + power * _PADE[i]
        odd = odd + power * _PADE[i + 1]
        if i + 2 <= _DEGREE:
            power = matmul(power, square)
    odd = matmul(x, odd)
    out = solve_system(even - odd, even + odd)
    for _ in range(squarings):
        out = matmul(out, out)
    return out


Tensor.matrix_exp = linalg_matrix_exp  # type: ignore[attr-defined]


@public(method=False, out=True)
def linalg_multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Product of two or more matrices in the cheapest order; the first and last may be vectors."""
    listed = list(tensors)
    if len(listed) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(listed)}")
    for i, x in enumerate(listed):
        ends = i in (0, len(listed) - 1)
        if x.ndim != 2 and not (ends and x.ndim == 1):
            kind = "1D or 2D" if ends else "2D"
            raise RuntimeError(f"multi_dot(): tensor {i} must be {kind} but got {x.ndim}D")
        need_same_dtype("multi_dot", listed[0], x)
    row, column = listed[0].ndim == 1, listed[-1].ndim == 1
    if row:
        listed[0] = unsqueeze(listed[0], 0)
    if column:
        listed[-1] = unsqueeze(listed[-1], 1)
    for i, (a, b) in enumerate(zip(listed[:-1], listed[1:], strict=True)):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and "
                f"{list(b.shape)} cannot be multiplied"
            )
    out = chain_matmul(*listed)
    if row:
        out = squeeze(out, 0)
    return squeeze(out, -1) if column else out


@public(method=False, out=True)
def linalg_householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of reflections ``I - tau_i v_i v_i^H``.

    ``v_i`` is column i of A with 1 on and 0 above the diagonal, as `geqrf` stores them.

    Shape:
        A (..., n, m) with n >= m, tau (..., k) with k <= m -> (..., n, m)
    """
    need_matrix("torch.linalg.householder_product", A, "input")
    n, m = A.shape[-2:]
    if n < m or tau.ndim != A.ndim - 1 or tau.shape[-1] > m or tau.shape[:-1] != A.shape[:-2]:
        raise RuntimeError(
            "torch.linalg.householder_product: Expected tau to have one reflection per column "
            f"of an input with as many rows or more, got {list(tau.shape)} and {list(A.shape)}"
        )
    need_same_dtype("torch.linalg.householder_product", A, tau)
    columns = zeros_of(A) + eye_like(A, n)[:, :m]
    return _reflect(A, tau, columns, adjoint=False)


def _reflect(A: Tensor, tau: Tensor, x: Tensor, adjoint: bool) -> Tensor:
    """Q x (or Q^H x) for the product Q of reflections in A and tau."""
    n, k = A.shape[-2], tau.shape[-1]
    v = narrow(A, -1, 0, k).tril(-1) + eye_like(A, n)[:, :k]
    for i in range(k) if adjoint else range(k - 1, -1, -1):
        one = narrow(v, -1, i, 1)
        scale = narrow(tau, -1, i, 1).unsqueeze(-1)
        x = x - (conj(scale) if adjoint else scale) * matmul(one, matmul(transposed(one), x))
    return x


@public(out=True)
def orgqr(input: Tensor, tau: Tensor) -> Tensor:
    """`linalg.householder_product` under its former name."""
    return linalg_householder_product(input, tau)


@public(out=True)
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """``Q other`` (``other Q``) for the product Q of reflections, or with its adjoint."""
    need_matrix("torch.ormqr", input, "input")
    if other.shape[-2 if left else -1] != input.shape[-2]:
        raise RuntimeError(
            f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2], got "
            f"{other.shape[-2 if left else -1]} and {input.shape[-2]}"
        )
    if left:
        return _reflect(input, tau, other, transpose)
    return transposed(_reflect(input, tau, transposed(other), not transpose))


@public(method=False, out=True)
def linalg_vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sums of products ``conj(x) * y`` along ``dim``; the tensors broadcast."""
    need_same_dtype("linalg.vecdot", x, y)
    return total(conj(x) * y, dim)


@public(method=False, out=True)
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Cross products of the vectors of length 3 along ``dim``; the tensors broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = wrap_dim(dim, input.ndim, "linalg.cross")
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and "
            f"{other.shape[axis]}"
        )
    first = roll(input, -1, axis) * roll(other, -2, axis)  # (x2 y3, x3 y1, x1 y2)
    return first - roll(input, -2, axis) * roll(other, -1, axis)


@public(out=True)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """`linalg.cross` along the first dimension of length 3, unless ``dim`` is given."""
    if dim is None:
        found = [d for d, n in enumerate(input.shape) if n == 3]
        if not found:
            raise RuntimeError("no dimension of size 3 in input")
        dim = found[0]
    return linalg_cross(input, other, dim=dim)


@public(method=False)
def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers ``x^0 .. x^(N-1)`` along a new last dimension."""
    if x.ndim < 1:
        x = unsqueeze(x, 0)
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError(f"N must be greater than 1. Got {n}")
    wide = x if x.dtype.category > 1 else x.long()
    factors = unsqueeze(wide, -1).expand(*wide.shape, n - 1)
    return cat([wide.new_ones((*wide.shape, 1)), cumprod(factors, -1)], -1)


@public(method=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of a vector's elements as rows, descending unless ``increasing``."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 2:
        made = x.new_ones((x.shape[0], n))
    else:
        made = linalg_vander(x, N=n)
    return made if increasing else made.flip(-1)


@public(method=False)
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the last two dimensions; a view."""
    return diagonal(A, offset, dim1, dim2)


@public(method=False, out=True)
def linalg_matmul(input: Tensor, other: Tensor) -> Tensor:
    """`matmul`."""
    return matmul(input, other)


@public(out=True)
def geqrf(input: Tensor) -> Any:
    """The QR factorization as reflections below, and R above the diagonal; ``(a, tau)``.

    Raises:
        RuntimeError: if a gradient would be needed.
    """
    need_matrix("geqrf", input)
    if input.requires_grad:
        raise RuntimeError("the derivative for 'geqrf' is not implemented: use linalg.qr")
    host = on_host(input)
    stored, tau = np.linalg.qr(host, mode="raw")
    made = wrap(np.swapaxes(stored, -1, -2)).to(input.device), wrap(tau).to(input.device)
    return named_result("geqrf", ("a", "tau"), made)


def _range_basis(A: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns that nearly span A's leading directions (..., n, q).

    Source: N. Halko, P. Martinsson, J. Tropp, "Finding structure with randomness" (2011), 4.4.
    """
    start = randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    basis = linalg_qr(matmul(A, start)).Q
    for _ in range(niter):
        basis = linalg_qr(matmul(transposed(A), basis)).Q
        basis = linalg_qr(matmul(A, basis)).Q
    return basis


@public(method=False)
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> Any:
    """The leading ``q`` singular values and vectors of ``A - M``, found by random projection.

    Returns:
        ``(U, S, V)`` with shapes (..., n, q), (..., q) and (..., m, q).
    """
    need_matrix("svd_lowrank", A)
    x = A if M is None else A - M.expand(A.shape)
    rank = min(6, *x.shape[-2:]) if q is None else q
    if not 0 <= rank <= min(x.shape[-2:]):
        raise ValueError(
            f"svd_lowrank: q(={rank}) must be non-negative and not greater than min(m, n) = "
            f"{min(x.shape[-2:])}"
        )
    tall = x.shape[-2] >= x.shape[-1]
    work = x if tall else transposed(x)
    basis = _range_basis(work, rank, 2 if niter is None else niter)
    u, s, vh = linalg_svd(matmul(transposed(basis), work), False)
    left, right = matmul(basis, u), transposed(vh)
    return (left, s, right) if tall else (right, s, left)


@public(method=False)
def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """`svd_lowrank` of A with each column's mean taken away (if ``center``)."""
    n, m = A.shape[-2:]
    rank = min(6, n, m) if q is None else q
    if not 0 <= rank <= min(n, m):
        raise ValueError(
            f"q(={rank}) must be non-negative integer and not greater than min(m, n)={min(n, m)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, rank, niter)
