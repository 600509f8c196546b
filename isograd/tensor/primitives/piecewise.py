"""Activation functions made of straight lines (and one parabola).

For straight lines the gradient is the incoming one where a line rises, times its slope; the slope
does not depend on the input, so there is no second derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.selection import where

__all__ = [
    "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "softshrink", "threshold",
]  # fmt: skip

Function = Callable[..., Any]


def _lines(
    name: str, forward: Function, derivative: Function, doc: str, **params: float
) -> Function:
    """A function with parameters of which ``derivative(xp, x, **params)`` is the derivative."""

    def gradient(xp: Any, dy: Any, x: Any, *, params: Any) -> Any:
        return (dy * derivative(xp, x, **params)).astype(dy.dtype, copy=False)

    backward = Primitive(
        name + "_backward",
        gradient,
        vjp={"dy": lambda g, x, params: apply(backward, g, x, params=params)},
        low_precision=True,
        cuts=elementwise(sums=[(0,)]),
        samples=lambda make: [((make(3, 4), make(3, 4)), {"params": params})],
        doc=f"The gradient of {name}.",
    )
    record = Primitive(
        name,
        lambda xp, x, *, params: forward(xp, x, **params).astype(x.dtype, copy=False),
        vjp={"x": lambda g, x, params: apply(backward, g, x, params=params)},
        low_precision=True,
        cuts=elementwise(),
        samples=lambda make: [((make(3, 4),), {"params": params})],
        doc=doc,
    )

    def function(x: Tensor, **given: float) -> Tensor:
        return apply(record, x, params=given)

    function.__name__ = name
    function.__doc__ = doc
    return function


leaky_relu = _lines(
    "leaky_relu",
    lambda xp, x, slope: xp.where(x > 0, x, x * slope),
    lambda xp, x, slope: xp.where(x > 0, x.dtype.type(1), x.dtype.type(slope)),
    "``x``, below 0 ``slope * x``.",
    slope=0.1,
)
hardtanh = _lines(
    "hardtanh",
    lambda xp, x, low, high: xp.clip(x, low, high),
    lambda xp, x, low, high: (x > low) & (x < high),
    "``x`` cut off at ``low`` and ``high``.",
    low=-0.7,
    high=1.1,
)
hardsigmoid = _lines(
    "hardsigmoid",
    lambda xp, x: xp.clip(x / 6 + 0.5, 0, 1),
    lambda xp, x: ((x > -3) & (x < 3)) * x.dtype.type(1 / 6),
    "``x / 6 + 1/2`` cut off at 0 and 1.",
)
hardshrink = _lines(
    "hardshrink",
    lambda xp, x, bound: xp.where((x >= -bound) & (x <= bound), 0, x),
    lambda xp, x, bound: (x < -bound) | (x > bound),
    "``x``, but 0 in ``[-bound, bound]``.",
    bound=0.5,
)
softshrink = _lines(
    "softshrink",
    lambda xp, x, bound: x - xp.clip(x, -bound, bound),
    lambda xp, x, bound: (x < -bound) | (x > bound),
    "``x`` moved towards 0 by ``bound``.",
    bound=0.5,
)
threshold = _lines(
    "threshold",
    lambda xp, x, bound, value: xp.where(x <= bound, x.dtype.type(value), x),
    lambda xp, x, bound, value: ~(x <= bound),
    "``x``, but ``value`` up to ``bound``.",
    bound=0.3,
    value=5.0,
)


def _hardswish_vjp(g: Tensor, x: Tensor) -> Tensor:
    inner = where(x <= 3, g * (x / 3 + 0.5), g)
    return where(x < -3, 0.0, inner)


_hardswish: Primitive = Primitive(
    "hardswish",
    lambda xp, x: x * (xp.clip(x + 3, 0, 6) / 6),
    vjp={"x": _hardswish_vjp},
    low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4, low=-4.0, high=4.0),), {})],
    doc="``x * clip(x + 3, 0, 6) / 6``.",
)


def hardswish(x: Tensor) -> Tensor:
    """``x * clip(x + 3, 0, 6) / 6``."""
    return apply(_hardswish, x)
