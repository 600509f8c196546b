"""Reductions and running reductions along dimensions.

float16 and bfloat16 are summed in float32 and rounded once. Sums of float32 use NumPy's pairwise
summation along the innermost axis.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

from isograd.tensor import dtypes
from isograd.tensor.core import Tensor
from isograd.tensor.cuts import reduction
from isograd.tensor.door import apply
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.dtypes import get_default_dtype
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import expand, reshape, wrap_dim
from isograd.tensor.primitives.transcendental import exp
from isograd.tensor.public import public

__all__ = [
    "Dims", "accumulated", "count_along", "dims_of", "keep_shape", "logsumexp", "mean", "sum",
    "two_samples",
]  # fmt: skip

Dims = Any  # None, an int, or a sequence of ints


def dims_of(dim: Dims, ndim: int, name: str) -> tuple[int, ...]:
    """The dimensions to reduce, counted from the front; None and () mean all.

    Raises:
        IndexError: if one is out of range.
        RuntimeError: if one appears twice.
    """
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    out = tuple(wrap_dim(d, ndim, name) for d in given)
    if len(set(out)) != len(out):
        raise RuntimeError(f"{name}: dim {out[0]} appears multiple times in the list of dims")
    return out if ndim else ()


def keep_shape(shape: Sequence[int], dims: Sequence[int]) -> tuple[int, ...]:
    """The shape with the reduced dimensions kept as 1."""
    return tuple(1 if i in dims else s for i, s in enumerate(shape))


def _spread(g: Tensor, x_shape: Any, dims: Any, keepdim: bool) -> Tensor:
    """A reduction's gradient expanded back over the reduced dimensions."""
    if not keepdim:
        g = reshape(g, keep_shape(x_shape, dims))
    return expand(g, x_shape)


def two_samples(make: Callable[..., Any]) -> list[Sample]:
    """Samples of a record with params ``dims`` and ``keepdim``."""
    return [
        ((make(3, 4),), {"dims": (1,), "keepdim": False}),
        ((make(2, 3, 4),), {"dims": (0, 2), "keepdim": True}),
    ]


_sum = Primitive(
    "sum",
    lambda xp, x, *, dims, keepdim: xp.sum(x, axis=dims, keepdims=keepdim),
    vjp={"x": _spread},
    low_precision=True,
    cuts=reduction(),
    samples=two_samples,
    doc="Sum over dimensions.",
)


def accumulated(x: Tensor, dtype: DType | None) -> Tensor:
    """Sums and products of bools and integers are int64."""
    if dtype is None:
        dtype = dtypes.int64 if x.dtype.category < 2 else x.dtype
    return x if x.dtype is dtype else x.to(dtype)


@public(out=True)
def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Sum over ``dim`` (all dimensions by default); integers are summed as int64."""
    x = accumulated(input, dtype)
    return apply(_sum, x, dims=dims_of(dim, x.ndim, "sum"), keepdim=keepdim)


@public(out=True)
def nansum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Sum that takes nan as 0."""
    return sum(where(input.isnan(), 0, input) if input.dtype.category > 1 else input, dim, keepdim,
               dtype=dtype)  # fmt: skip


@public(out=True)
def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Mean over ``dim`` (all dimensions by default).

    Raises:
        RuntimeError: for integers, unless ``dtype`` is a floating one.
    """
    x = input if dtype is None or dtype is input.dtype else input.to(dtype)
    if x.dtype.category < 2:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {x.dtype.name}"
        )
    dims = dims_of(dim, x.ndim, "mean")
    return apply(_mean, x, dims=dims, keepdim=keepdim)


def count_along(shape: Sequence[int], dims: Sequence[int]) -> int:
    """How many elements each result is made of."""
    return math.prod(shape[d] for d in dims)


_mean = Primitive(
    "mean",
    lambda xp, x, *, dims, keepdim, count=None: _mean_forward(xp, x, dims, keepdim, count),
    vjp={"x": lambda g, x_shape, dims, keepdim: _spread(
        g / builtins.max(1, count_along(x_shape, dims)), x_shape, dims, keepdim)},
    low_precision=True,
    cuts=reduction(localize=lambda params, shapes, place: {
        **params, "count": count_along(place.shapes[0], params["dims"])}),
    samples=two_samples,
    doc="Mean over dimensions.",
)  # fmt: skip


def _mean_forward(xp: Any, x: Any, dims: Any, keepdim: bool, count: int | None) -> Any:
    """``count``: of how many elements the mean is, if this is only a part of them."""
    count = count_along(x.shape, dims) if count is None else count
    total = xp.sum(x, axis=dims, keepdims=keepdim)
    return xp.true_divide(total, x.dtype.type(count))


@public(out=True)
def nanmean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Mean of the numbers, without the nans."""
    counts = sum(~input.isnan(), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / counts


# -- logarithm of sums


@public("special_logsumexp", out=True)
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(input)))`` over ``dim`` without overflow."""
    x = input if input.dtype.category > 1 else input.to(get_default_dtype())
    dims = dims_of(dim, x.ndim, "logsumexp")
    return apply(_logsumexp, x, dims=dims, keepdim=keepdim)


def _logsumexp_forward(xp: Any, x: Any, *, dims: Any, keepdim: bool) -> Any:
    if x.size == 0:
        return xp.log(xp.sum(x, axis=dims, keepdims=keepdim))
    real = x.real if x.dtype.kind == "c" else x
    top = xp.max(real, axis=dims, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    total = xp.log(xp.sum(xp.exp(x - top), axis=dims, keepdims=True)) + top
    return total if keepdim else total.reshape([s for i, s in enumerate(x.shape) if i not in dims])


def _logsumexp_vjp(g: Tensor, out: Tensor, x: Tensor, dims: Any, keepdim: bool) -> Tensor:
    if not keepdim:
        kept = keep_shape(x.shape, dims)
        g, out = reshape(g, kept), reshape(out, kept)
    return g * conj(exp(x - out))


_logsumexp = Primitive(
    "logsumexp", _logsumexp_forward, vjp={"x": _logsumexp_vjp}, low_precision=True,
    cuts=reduction(None), samples=two_samples, doc="Logarithm of a sum of exponentials.",
)  # fmt: skip
