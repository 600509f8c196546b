"""Bring values into a range: ``clamp`` between numbers or tensors, ``nan_to_num``.

A gradient passes where the value lies in the range, bounds included; what was moved to a bound
sends its gradient to that bound, if the bound is a tensor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.dtypes import finfo
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import need_tensors
from isograd.tensor.primitives.selection import where
from isograd.tensor.promotion import result_dtype
from isograd.tensor.public import public

__all__ = ["clamp", "clamp_max", "clamp_min", "nan_to_num"]

Number = int | float | bool


def _clamp_forward(xp: Any, x: Any, *, low: Number | None, high: Number | None) -> Any:
    if low is None:
        return xp.minimum(x, high)
    return xp.maximum(x, low) if high is None else xp.clip(x, low, high)


def _clamp_vjp(g: Any, x: Any, low: Number | None, high: Number | None) -> Any:
    if low is None:
        return where(x <= high, g, 0.0)
    inside = x >= low
    return where(inside if high is None else inside & (x <= high), g, 0.0)


_clamp = Primitive(
    "clamp", _clamp_forward, vjp={"x": _clamp_vjp}, low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4),), {"low": -0.7, "high": 0.9}),
                          ((make(3, 4),), {"low": 0.1, "high": None}),
                          ((make(3, 4),), {"low": None, "high": 0.2})],
    doc="Values brought between two numbers; None leaves a side open.",
)  # fmt: skip
_clamp_min = Primitive(
    "clamp_min", lambda xp, x, low: xp.maximum(x, low),
    vjp={"x": lambda g, x, low: where(x >= low, g, 0.0),
         "low": lambda g, x, low: where(x < low, g, 0.0)},
    promotion="same", low_precision=True, cuts=elementwise(),
    samples=lambda make: [((make(3, 4), make(4)), {})],
    doc="Values not below those of another tensor.",
)  # fmt: skip
_clamp_max = Primitive(
    "clamp_max", lambda xp, x, high: xp.minimum(x, high),
    vjp={"x": lambda g, x, high: where(x <= high, g, 0.0),
         "high": lambda g, x, high: where(x > high, g, 0.0)},
    promotion="same", low_precision=True, cuts=elementwise(),
    samples=lambda make: [((make(3, 4), make(4)), {})],
    doc="Values not above those of another tensor.",
)  # fmt: skip
_clamp_tensor = Primitive(
    "clamp_tensor", lambda xp, x, low, high: xp.minimum(xp.maximum(x, low), high),
    vjp={"x": lambda g, x, low, high: where((x >= low) & (x <= high), g, 0.0),
         "low": lambda g, x, low, high: where((x < low) & (low < high), g, 0.0),
         "high": lambda g, x, low, high: where((x > high) | (high < low), g, 0.0)},
    promotion="same", low_precision=True, cuts=elementwise(),
    samples=lambda make: [((make(3, 4), make(3, 4, high=-0.5), make(3, 4, low=0.5)), {})],
    doc="Values brought between those of two tensors.",
)  # fmt: skip


def _between_numbers(input: Tensor, low: Any, high: Any) -> Tensor:
    numbers = [b for b in (low, high) if b is not None]
    if input._array.dtype.kind in "iub":
        common = result_dtype([input._array, *numbers])
        if common is not input.dtype:
            input = input.to(common)
        if common.category == 1:
            low, high = (None if b is None else int(b) for b in (low, high))
    return apply(_clamp, input, low=low, high=high)


@public("clip", inplace=True, out=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``minimum(maximum(input, min), max)``; where min > max the result is max. nan stays nan.

    Args:
        min, max: two numbers or two tensors that broadcast; one of them may be None.

    Raises:
        NotImplementedError: for complex tensors.
        RuntimeError: if both bounds are None.
        TypeError: if one bound is a tensor and the other a number.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if input._array.dtype.kind == "c":
        raise NotImplementedError("clamp is not supported for complex types")
    tensors = [isinstance(b, Tensor) for b in (min, max) if b is not None]
    if not any(tensors):
        return _between_numbers(input, min, max)
    if not all(tensors):
        raise TypeError(
            "clamp: expected min and max to be two numbers or two tensors, got "
            f"{type(min).__name__} and {type(max).__name__}"
        )
    if min is None:
        return apply(_clamp_max, input, max)
    if max is None:
        return apply(_clamp_min, input, min)
    return apply(_clamp_tensor, input, min, max)


@public(inplace=True, out=True)
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """``clamp(input, min=min)``."""
    need_tensors("clamp_min", input=input)
    return clamp(input, min)


@public(inplace=True, out=True)
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """``clamp(input, max=max)``."""
    need_tensors("clamp_max", input=input)
    return clamp(input, None, max)


def _nan_to_num_forward(xp: Any, x: Any, *, nan: float, posinf: float, neginf: float) -> Any:
    if x.dtype.kind in "iub":
        return x.copy()
    if x.dtype.kind == "c":
        out = xp.empty_like(x)
        out.real = _nan_to_num_forward(xp, x.real, nan=nan, posinf=posinf, neginf=neginf)
        out.imag = _nan_to_num_forward(xp, x.imag, nan=nan, posinf=posinf, neginf=neginf)
        return out
    out = x.copy()
    for mask, value in ((xp.isnan(x), nan), (x == np.inf, posinf), (x == -np.inf, neginf)):
        out[mask] = value
    return out


_nan_to_num = Primitive(
    "nan_to_num", _nan_to_num_forward,
    vjp={"x": lambda g, x: where(x.isfinite(), g, 0.0)},
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4),), {"nan": 0.0, "posinf": 1.0, "neginf": -1.0})],
    doc="nan and infinities replaced by numbers.",
)  # fmt: skip


@public(inplace=True, out=True)
def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """Replace nan (by 0), inf and -inf (by the largest and smallest number of the dtype)."""
    if input.dtype.category > 1:
        limits = finfo(input.dtype)
        posinf = limits.max if posinf is None else posinf
        neginf = limits.min if neginf is None else neginf
    return apply(_nan_to_num, input, nan=nan or 0.0, posinf=posinf, neginf=neginf)
