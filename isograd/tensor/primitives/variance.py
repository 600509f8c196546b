"""Variance and standard deviation."""

from __future__ import annotations

import builtins
import math
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.reduction import (
    Dims,
    count_along,
    dims_of,
    mean,
    sum,
)
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import reshape
from isograd.tensor.public import public

__all__ = ["safe_sqrt", "std", "var"]


def _var(
    input: Tensor, dim: Dims, correction: Any, keepdim: bool, name: str
) -> tuple[Tensor, Tensor]:
    if input.dtype.category < 2:
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    dims = dims_of(dim, input.ndim, name)
    middle = mean(input, dims, True) if input.ndim else input
    off = input - middle
    squares = (off * conj(off)).real if input.is_complex() else off * off
    count = count_along(input._array.shape, dims)
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
    cuts=elementwise(),
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
