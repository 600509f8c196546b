"""Norms of vectors and matrices, and distances measured by them.

One primitive, `linalg_vector_norm`; matrix norms are made of it and of singular values. Where a
norm has no gradient (at 0, or where several elements are the largest), it is the subgradient torch
gives: 0 at 0, shared among equal largest elements.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, reduction
from isograd.tensor.door import apply
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.arithmetic import abs as absolute
from isograd.tensor.primitives.arithmetic import pow, sgn
from isograd.tensor.primitives.extremes import amax, amin
from isograd.tensor.primitives.factorizations import linalg_svdvals
from isograd.tensor.primitives.matrices import need_floating
from isograd.tensor.primitives.reduction import dims_of, keep_shape
from isograd.tensor.primitives.reduction import sum as total
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import permute, reshape, unsqueeze, wrap_dim
from isograd.tensor.public import public

__all__ = [
    "linalg_matrix_norm", "linalg_norm", "linalg_vector_norm", "norm", "renorm",
]  # fmt: skip

Dims = Any  # None, an int, or a sequence of ints


def _norm_forward(xp: Any, x: Any, *, p: float, dims: Any, keepdim: bool) -> Any:
    size = xp.abs(x)
    options = {"axis": dims, "keepdims": keepdim}
    if p == math.inf:
        return xp.max(size, **options)
    if p == -math.inf:
        return xp.min(size, **options)
    if p == 0:
        return xp.sum(size != 0, **options).astype(size.dtype)
    if p == 1:
        return xp.sum(size, **options)
    if p == 2:
        return xp.sqrt(xp.sum(size * size, **options))
    kind = size.dtype.type
    return xp.power(xp.sum(xp.power(size, kind(p)), **options), kind(1 / p))


def _norm_vjp(g: Tensor, out: Tensor, x: Tensor, p: float, dims: Any, keepdim: bool) -> Tensor:
    """x |x|^(p-2) / out^(p-1), 0 where that is no number."""
    if not keepdim:
        kept = keep_shape(x.shape, dims)
        g, out = reshape(g, kept), reshape(out, kept)
    if p == 0:
        return x * 0
    if p == 1:
        return sgn(x) * g
    if p == 2:
        return x * where(out == 0, 0.0, g / where(out == 0, 1.0, out))
    size = absolute(x)
    if math.isinf(p):
        hit = ((size == out) | (size.isnan() & out.isnan())).to(g.dtype)
        return sgn(x) * (g * hit / (total(hit, dims, True) if dims else hit))
    safe = where(out == 0, 1.0, out)
    scale = where(out == 0, 0.0, g / pow(safe, p - 1))
    if p < 2:
        zero = size == 0
        return sgn(x) * where(zero, 0.0, pow(where(zero, 1.0, size), p - 1)) * scale
    return x * pow(size, p - 2) * scale


_COMBINED = {math.inf: "max", -math.inf: "min", 1.0: "sum", 0.0: "sum"}


def _norm_cuts(params: Any, x: Any) -> Iterable[Cut]:
    """Norms of parts combine for some p; parts of a sum have no norm of their own."""
    for cut in reduction(_COMBINED.get(params["p"]))(params, x):
        if cut.ins != ("sum",):
            yield cut


_vector_norm = Primitive(
    "linalg_vector_norm",
    _norm_forward,
    vjp={"x": _norm_vjp},
    low_precision=True,
    samples=lambda make: [
        ((make(2, 3, 4, low=0.5),), {"p": p, "dims": (0, 2), "keepdim": keepdim})
        for p, keepdim in ((2.0, False), (1.0, True), (3.0, False), (1.5, True), (math.inf, False))
    ],
    cuts=_norm_cuts,
    doc="The p-norm over dimensions: (sum |x|^p)^(1/p).",
)


@public(method=False, out=True)
def linalg_vector_norm(
    x: Tensor, ord: Any = 2, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The vector norm ``(sum |x|^ord)^(1/ord)`` over ``dim`` (all dimensions by default).

    Args:
        ord: any number; inf and -inf are the largest and smallest magnitude, 0 counts non-zeros.
        dtype: compute in it.

    Raises:
        RuntimeError: for integers, or an empty reduction that has no value (``ord`` < 0 or inf).
    """
    need_floating("linalg.vector_norm", x, low=True)
    if isinstance(ord, Tensor):
        ord = ord.item()
    if isinstance(ord, (str, complex)) or ord is None:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a non-complex scalar as the order of norm, got {ord!r}"
        )
    if dtype is not None:
        _check_dtype("linalg.vector_norm", x, dtype)
        x = x.to(dtype)
    dims = dims_of(dim, x.ndim, "linalg.vector_norm")
    p = float(ord)
    if (p < 0 or p == math.inf) and x.numel() == 0 and (
        dim is None or any(x._array.shape[d] == 0 for d in dims)
    ):  # fmt: skip
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the "
            "operation does not have an identity"
        )
    return apply(_vector_norm, x, p=p, dims=dims, keepdim=keepdim)


def _check_dtype(name: str, x: Tensor, dtype: DType) -> None:
    if dtype.category < 2:
        raise RuntimeError(f"{name}: dtype should be floating point or complex. Got {dtype}")
    if (dtype.category == 3) != x.is_complex():
        raise RuntimeError(
            f"{name}: dtype should be {'complex' if x.is_complex() else 'real'} for "
            f"{'complex' if x.is_complex() else 'real'} inputs, but got {dtype}"
        )
    if dtype.itemsize < x.itemsize:
        raise RuntimeError(f"{name}: the dtype of the input ({x.dtype}) should be convertible "
                           f"without narrowing to the specified dtype ({dtype})")  # fmt: skip


@public(method=False, out=True)
def linalg_matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False, *,
    dtype: DType | None = None,
) -> Tensor:  # fmt: skip
    """A norm of the matrices over two dimensions.

    Args:
        ord: ``"fro"``, ``"nuc"`` (sum of singular values), 2 and -2 (largest, smallest singular
            value), inf and -inf (of the sums of rows), 1 and -1 (of the sums of columns).

    Raises:
        RuntimeError: for another ``ord``, or ``dim`` that is not two different dimensions.
    """
    name = "linalg.matrix_norm"
    need_floating(name, A, low=True)
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    row, column = (wrap_dim(d, A.ndim, name) for d in dim)
    if row == column:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    if dtype is not None:
        _check_dtype(name, A, dtype)
        A = A.to(dtype)
    if ord == "fro":
        return linalg_vector_norm(A, 2, (row, column), keepdim)
    if ord in ("nuc", 2, -2):
        return _spectral(A, ord, row, column, keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    summed, over = (row, column) if ord in (1, -1) else (column, row)
    sums = linalg_vector_norm(A, 1, summed, True)
    out = (amax if ord > 0 else amin)(sums, (over,), True)
    return out if keepdim else out.squeeze((row, column))


def _spectral(A: Tensor, ord: Any, row: int, column: int, keepdim: bool) -> Tensor:
    rest = [d for d in range(A.ndim) if d not in (row, column)]
    s = linalg_svdvals(permute(A, [*rest, row, column]))
    out = total(s, -1) if ord == "nuc" else (amax if ord == 2 else amin)(s, (-1,))
    if keepdim:
        for d in sorted((row, column)):
            out = unsqueeze(out, d)
    return out


@public(method=False, out=True)
def linalg_norm(
    A: Tensor, ord: Any = None, dim: Dims = None, keepdim: bool = False, *,
    dtype: DType | None = None,
) -> Tensor:  # fmt: skip
    """A vector norm, or with two dimensions a matrix norm.

    Without ``ord`` the 2-norm of all elements over ``dim``; with ``ord`` and no ``dim`` the tensor
    must be a vector or a matrix.
    """
    need_floating("linalg.norm", A, low=True)
    if ord is None:
        return linalg_vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None:
        if A.ndim not in (1, 2):
            raise RuntimeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                f"{A.ndim}D."
            )
        dims: tuple[int, ...] = tuple(range(A.ndim))
    else:
        dims = (dim,) if isinstance(dim, int) else tuple(dim)
        if len(dims) not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
            )
    if len(dims) == 2:
        return linalg_matrix_norm(A, ord, dims, keepdim, dtype=dtype)
    return linalg_vector_norm(A, ord, dims, keepdim, dtype=dtype)


@public(out=True)
def norm(
    input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False,
    dtype: DType | None = None,
) -> Tensor:  # fmt: skip
    """The former norm: a vector norm over ``dim`` for a number (and ``"fro"``), or ``"nuc"``.

    Raises:
        ValueError: for another ``p``.
    """
    dims = (dim,) if isinstance(dim, int) else dim
    if p == "nuc":
        if dims is None:
            dims = tuple(range(input.ndim))
        return linalg_matrix_norm(input, "nuc", dims, keepdim, dtype=dtype)
    if p == "fro" or p is None:
        if p == "fro" and dims is not None and len(dims) > 2:
            raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {list(dims)}")
        p = 2
    elif isinstance(p, str):
        raise ValueError(f"norm: only 'fro' and 'nuc' are norms by name, got {p!r}")
    return linalg_vector_norm(input, p, dims, keepdim, dtype=dtype)


@public(inplace=True, out=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along ``dim`` whose p-norm is above ``maxnorm`` are scaled down to it."""
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive norm {p} not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    dim = wrap_dim(dim, input.ndim, "renorm")
    rest = tuple(d for d in range(input.ndim) if d != dim)
    lengths = linalg_vector_norm(input, p, rest, True)
    scale = where(lengths > maxnorm, maxnorm / (lengths + 1e-7), 1.0)
    return input * scale
