"""Reductions and running reductions along dimensions.

float16 and bfloat16 are summed in float32 and rounded once. Sums of float32 use NumPy's pairwise
summation along the innermost axis.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.dtypes import get_default_dtype
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.selection import maximum, minimum, where
from isograd.tensor.primitives.shape import cat, expand, flip, reshape, wrap_dim
from isograd.tensor.primitives.transcendental import exp
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result
from isograd.tensor.scan import running

__all__ = ["dims_of", "keep_shape", "mean", "safe_sqrt", "sum"]

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


def _two(make: Callable[..., Any]) -> list[Sample]:
    return [
        ((make(3, 4),), {"dims": (1,), "keepdim": False}),
        ((make(2, 3, 4),), {"dims": (0, 2), "keepdim": True}),
    ]


_sum = Primitive(
    "sum",
    lambda xp, x, *, dims, keepdim: xp.sum(x, axis=dims, keepdims=keepdim),
    vjp={"x": _spread},
    low_precision=True,
    samples=_two,
    doc="Sum over dimensions.",
)


def _accumulation_dtype(x: Tensor, dtype: DType | None) -> Tensor:
    """Sums and products of bools and integers are int64."""
    if dtype is None:
        dtype = dtypes.int64 if x.dtype.category < 2 else x.dtype
    return x if x.dtype is dtype else x.to(dtype)


@public(out=True)
def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Sum over ``dim`` (all dimensions by default); integers are summed as int64."""
    x = _accumulation_dtype(input, dtype)
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


def _count(shape: Sequence[int], dims: Sequence[int]) -> int:
    return math.prod(shape[d] for d in dims)


_mean = Primitive(
    "mean",
    lambda xp, x, *, dims, keepdim: _mean_forward(xp, x, dims, keepdim),
    vjp={"x": lambda g, x_shape, dims, keepdim: _spread(
        g / builtins.max(1, _count(x_shape, dims)), x_shape, dims, keepdim)},
    low_precision=True,
    samples=_two,
    doc="Mean over dimensions.",
)  # fmt: skip


def _mean_forward(xp: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    count = _count(x.shape, dims)
    total = xp.sum(x, axis=dims, keepdims=keepdim)
    return xp.true_divide(total, x.dtype.type(count))


@public(out=True)
def nanmean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Mean of the numbers, without the nans."""
    counts = sum(~input.isnan(), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / counts


# -- products


def _prod_vjp(g: Tensor, x: Tensor, dims: Any, keepdim: bool) -> Tensor:
    """Product of all others: exclusive running products from both ends."""
    if 0 in x.shape:
        return x * 0
    if not keepdim:
        g = reshape(g, keep_shape(x.shape, dims))
    rest = [d for d in range(x.ndim) if d not in dims]
    order = (*rest, *dims)
    moved = x.permute(order)
    flat = reshape(moved, (*moved.shape[: len(rest)], -1))
    ones = flat.new_ones((*flat.shape[:-1], 1))
    before = cumprod(cat([ones, flat.narrow(-1, 0, flat.shape[-1] - 1)], -1), -1)
    turned = flip(flat, -1)
    after = flip(cumprod(cat([ones, turned.narrow(-1, 0, flat.shape[-1] - 1)], -1), -1), -1)
    others = reshape(before * after, moved.shape)
    back = [0] * x.ndim
    for i, d in enumerate(order):
        back[d] = i
    return g * conj(others.permute(back))


_prod = Primitive(
    "prod",
    lambda xp, x, *, dims, keepdim: xp.prod(x, axis=dims, keepdims=keepdim),
    vjp={"x": _prod_vjp},
    low_precision=True,
    samples=_two,
    doc="Product over dimensions.",
)


@public(out=True)
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Product of all elements, or along ``dim``; integers multiply as int64."""
    x = _accumulation_dtype(input, dtype)
    return apply(_prod, x, dims=dims_of(dim, x.ndim, "prod"), keepdim=keepdim)


# -- extremes


def _extreme_vjp(g: Tensor, out: Tensor, x: Tensor, dims: Any, keepdim: bool) -> Tensor:
    """Equal extremes share the gradient."""
    if not keepdim:
        kept = keep_shape(x.shape, dims)
        g, out = reshape(g, kept), reshape(out, kept)
    hit = (x == out) | (x.isnan() & out.isnan())
    hit = hit.to(g.dtype)
    return g * hit / sum(hit, dims, True) if dims else g * hit


def _empty_check(name: str, x: Tensor, dims: tuple[int, ...]) -> None:
    for d in dims:
        if x._array.shape[d] == 0:
            raise IndexError(
                f"{name}(): Expected reduction dim {d} to have non-zero size. Specify the dim that "
                "has values"
            )


_amax = Primitive(
    "amax",
    lambda xp, x, *, dims, keepdim: xp.max(x, axis=dims, keepdims=keepdim),
    vjp={"x": _extreme_vjp},
    low_precision=True,
    samples=_two,
    doc="Maximum over dimensions.",
)
_amin = Primitive(
    "amin",
    lambda xp, x, *, dims, keepdim: xp.min(x, axis=dims, keepdims=keepdim),
    vjp={"x": _extreme_vjp},
    low_precision=True,
    samples=_two,
    doc="Minimum over dimensions.",
)


@public(out=True)
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Maximum over ``dim``; equal maxima share the gradient."""
    dims = dims_of(dim, input.ndim, "amax")
    _empty_check("amax", input, dims)
    return apply(_amax, input, dims=dims, keepdim=keepdim)


@public(out=True)
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Minimum over ``dim``; equal minima share the gradient."""
    dims = dims_of(dim, input.ndim, "amin")
    _empty_check("amin", input, dims)
    return apply(_amin, input, dims=dims, keepdim=keepdim)


@public(out="strict")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Both extremes, as ``(min, max)``."""
    dims = () if dim is None else dim
    return named_result("aminmax", ("min", "max"),
                        (amin(input, dims, keepdim), amax(input, dims, keepdim)))  # fmt: skip


def _arg_forward(which: str) -> Callable[..., Any]:
    def forward(xp: Any, x: Any, *, dim: Any, keepdim: bool) -> Any:
        if x.dtype.kind == "b":
            x = x.astype(np.uint8)
        found = getattr(xp, which)(
            x.reshape(-1) if dim is None else x, axis=0 if dim is None else dim
        )
        found = xp.asarray(found, dtype=np.int64)
        if keepdim:
            found = xp.expand_dims(found, dim) if dim is not None else found.reshape((1,) * x.ndim)
        return found

    return forward


_argmax = Primitive("argmax", _arg_forward("argmax"), nondifferentiable=True, low_precision=True,
                    doc="Index of the first maximum.")  # fmt: skip
_argmin = Primitive("argmin", _arg_forward("argmin"), nondifferentiable=True, low_precision=True,
                    doc="Index of the first minimum.")  # fmt: skip


def _arg(record: Primitive, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if input.numel() == 0 and (dim is None or input._array.shape[dim] == 0):
        raise IndexError(
            f"{record.name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    if dim is not None:
        dim = wrap_dim(dim, input.ndim, record.name) if input.ndim else None
    return apply(record, input, dim=dim, keepdim=keepdim)


@public(out=True)
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first maximum, of the flattened tensor or along ``dim``."""
    return _arg(_argmax, input, dim, keepdim)


@public(out=True)
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first minimum, of the flattened tensor or along ``dim``."""
    return _arg(_argmin, input, dim, keepdim)


def _along(name: str, record: Primitive, input: Tensor, dim: int, keepdim: bool) -> Any:
    """The extreme along one dimension with its index; the gradient goes to that index alone."""
    dim = wrap_dim(dim, input.ndim, name)
    if input.ndim and input._array.shape[dim] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
    if input.ndim == 0:
        index = wrap(backend_of(input._array).xp.zeros((), np.int64))
        return named_result(name, ("values", "indices"), (input.clone(), index))
    index = apply(record, input, dim=dim, keepdim=True)
    values = input.gather(dim, index)
    if not keepdim:
        values, index = values.squeeze(dim), index.squeeze(dim)
    return named_result(name, ("values", "indices"), (values, index))


def _extreme(name: str, whole: Any, arg: Primitive, pair: Any) -> Any:
    def function(
        input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None
    ) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not "
                f"{type(input).__name__}"
            )
        if isinstance(dim, Tensor) or other is not None:
            return pair(input, dim if other is None else other)
        if dim is None:
            if input.numel() == 0:
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                    "Specify the reduction dim with the 'dim' argument."
                )
            return whole(input)
        return _along(name, arg, input, dim, keepdim)

    function.__name__ = name
    function.__doc__ = (
        f"``{name}(x)``, ``{name}(x, dim)`` with the indices, or ``{name}(x, other)`` elementwise."
    )
    return public(out=True)(function)


max = _extreme("max", amax, _argmax, maximum)
min = _extreme("min", amin, _argmin, minimum)

# -- spread


def _var(
    input: Tensor, dim: Dims, correction: Any, keepdim: bool, name: str
) -> tuple[Tensor, Tensor]:
    if input.dtype.category < 2:
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    dims = dims_of(dim, input.ndim, name)
    middle = mean(input, dims, True) if input.ndim else input
    off = input - middle
    squares = (off * conj(off)).real if input.is_complex() else off * off
    count = _count(input._array.shape, dims)
    freedom = builtins.max(0, count - correction)
    total = sum(squares, dims, keepdim) if input.ndim else squares
    return total / freedom if freedom else total * math.nan, middle


def _correction(unbiased: bool | None, correction: Any) -> Any:
    if correction is not None:
        return correction
    return 1 if unbiased is None or unbiased else 0


def _spread_arguments(dim: Any, unbiased: Any) -> tuple[Any, Any]:
    """``var(x, False)`` means ``unbiased``."""
    return (None, dim) if isinstance(dim, bool) else (dim, unbiased)


@public(out=True)
def var(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: Any = None,
) -> Tensor:  # fmt: skip
    """Variance over ``dim``; divides by ``count - correction`` (1 by default)."""
    dim, unbiased = _spread_arguments(dim, unbiased)
    return _var(input, dim, _correction(unbiased, correction), keepdim, "var")[0]


@public(out=True)
def std(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: Any = None,
) -> Tensor:  # fmt: skip
    """Standard deviation: the square root of `var`."""
    dim, unbiased = _spread_arguments(dim, unbiased)
    variance = _var(input, dim, _correction(unbiased, correction), keepdim, "std")[0]
    return safe_sqrt(variance)


_root = Primitive(
    "std_sqrt",
    lambda xp, x: xp.sqrt(x),
    vjp={"x": lambda g, out: where(out == 0, 0.0, g / (2 * where(out == 0, 1.0, out)))},
    promotion="float",
    low_precision=True,
    samples=lambda make: [((make(3, 4, low=0.3, high=3.0),), {})],
    doc="Square root whose gradient at 0 is 0.",
)


def safe_sqrt(x: Tensor) -> Tensor:
    """The square root, with gradient 0 at 0."""
    return apply(_root, x)


def _pair(name: str, first: Any) -> Any:
    def function(
        input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: Any = None,
    ) -> Any:  # fmt: skip
        dim, unbiased = _spread_arguments(dim, unbiased)
        variance, middle = _var(input, dim, _correction(unbiased, correction), keepdim, name)
        if not keepdim and input.ndim:
            middle = reshape(middle, variance.shape)
        return first(variance), middle

    function.__name__ = name
    function.__doc__ = f"``({name[:3]}, mean)`` over ``dim``."
    return public()(function)


var_mean = _pair("var_mean", lambda v: v)
std_mean = _pair("std_mean", safe_sqrt)

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
    "logsumexp", _logsumexp_forward, vjp={"x": _logsumexp_vjp}, low_precision=True, samples=_two,
    doc="Logarithm of a sum of exponentials.",
)  # fmt: skip

# -- running reductions

_cumsum: Primitive = Primitive(
    "cumsum",
    lambda xp, x, *, dim: xp.cumsum(x, axis=dim, dtype=x.dtype),
    vjp={"x": lambda g, dim: flip(apply(_cumsum, flip(g, dim), dim=dim), dim)},
    low_precision=True,
    samples=lambda make: [((make(3, 4),), {"dim": 1})],
    doc="Running sum.",
)


@public(inplace=True, out=True)
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running sum along ``dim``; integers are summed as int64."""
    x = _accumulation_dtype(input, dtype)
    dim = wrap_dim(dim, x.ndim, "cumsum")
    return apply(_cumsum, x, dim=dim) if x.ndim else x.clone()


def _cumprod_vjp(g: Tensor, out: Tensor, x: Tensor, dim: int) -> Tensor:
    """sum over j >= i of g_j * prod_{k <= j, k != i} x_k; through zeros without dividing."""
    if not bool((x == 0).any()):
        return flip(cumsum(flip(g * conj(out), dim), dim), dim) / conj(x)
    n = x.shape[dim]
    parts = []
    for i in range(n):
        ones = x.narrow(dim, 0, 1) * 0 + 1
        tail = cat([ones, x.narrow(dim, i + 1, n - i - 1)], dim)
        reach = cumprod(tail, dim)
        if i:
            reach = reach * out.narrow(dim, i - 1, 1)
        parts.append(sum(g.narrow(dim, i, n - i) * conj(reach), dim, True))
    return cat(parts, dim)


_cumprod = Primitive(
    "cumprod",
    lambda xp, x, *, dim: xp.cumprod(x, axis=dim, dtype=x.dtype),
    vjp={"x": _cumprod_vjp},
    low_precision=True,
    samples=lambda make: [((make(3, 4, low=0.5, high=2.0),), {"dim": 1})],
    doc="Running product.",
)


@public(inplace=True, out=True)
def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running product along ``dim``; integers multiply as int64."""
    x = _accumulation_dtype(input, dtype)
    dim = wrap_dim(dim, x.ndim, "cumprod")
    return apply(_cumprod, x, dim=dim) if x.ndim else x.clone()


def _running(name: str, larger: bool) -> Any:
    def forward(xp: Any, x: Any, *, dim: int) -> Any:
        if x.dtype.kind == "b":
            x = x.astype(np.uint8)
        best = running(xp, "maximum" if larger else "minimum", x, dim)
        hit = (x == best) | ((x != x) & (best != best))
        places = xp.arange(x.shape[dim]).reshape([-1 if d == dim else 1 for d in range(x.ndim)])
        return running(xp, "maximum", xp.where(hit, places, 0), dim).astype(np.int64)

    record = Primitive(f"{name}_index", forward, nondifferentiable=True, low_precision=True,
                       doc="Index of the running extreme, the latest of equals.")  # fmt: skip

    def function(input: Tensor, dim: int) -> Any:
        dim = wrap_dim(dim, input.ndim, name)
        if input.ndim == 0:
            index = wrap(backend_of(input._array).xp.zeros((), np.int64))
            return named_result(name, ("values", "indices"), (input.clone(), index))
        index = apply(record, input, dim=dim)
        return named_result(name, ("values", "indices"), (input.gather(dim, index), index))

    function.__name__ = name
    function.__doc__ = f"Running {'maximum' if larger else 'minimum'} along ``dim`` and its index."
    return public(out=True)(function)


cummax, cummin = _running("cummax", True), _running("cummin", False)


def _logcumsumexp_forward(xp: Any, x: Any, *, dim: int) -> Any:
    return running(xp, "logaddexp", x, dim)


_logcumsumexp = Primitive(
    "logcumsumexp",
    _logcumsumexp_forward,
    vjp={"x": lambda g, out, x, dim: _logcumsumexp_vjp(g, out, x, dim)},
    low_precision=True,
    samples=lambda make: [((make(3, 4),), {"dim": 1})],
    doc="Running logarithm of a sum of exponentials.",
)


def _logcumsumexp_vjp(g: Tensor, out: Tensor, x: Tensor, dim: int) -> Tensor:
    top = amax(out, dim, True).detach()
    return flip(cumsum(flip(g * exp(top - out), dim), dim), dim) * exp(x - top)


@public(out=True)
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Running ``log(sum(exp(input)))`` along ``dim``."""
    dim = wrap_dim(dim, input.ndim, "logcumsumexp")
    return apply(_logcumsumexp, input, dim=dim) if input.ndim else input.clone()
