"""Activation functions: the smooth ones and their gradients.

Each gradient is a primitive of its own where a composite would take many passes; second derivatives
come from their rules, which are made of Tensor operations. The pieces of straight lines are in
`piecewise`.
"""

from __future__ import annotations

import math
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.primitive import PRIMITIVES, Primitive
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.special import erf  # noqa: F401 (its record is used)
from isograd.tensor.primitives.transcendental import exp, sigmoid, tanh

__all__ = ["elu", "gelu", "log_sigmoid", "mish", "silu", "softplus"]

_ROOT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)
_K = math.sqrt(2 / math.pi)
_CUBE = 0.044715

_sigmoid = PRIMITIVES["sigmoid"].forward
_erf = PRIMITIVES["erf"].forward

# -- silu: x * sigmoid(x)


def _silu_forward(xp: Any, x: Any) -> Any:
    out = _sigmoid(xp, x)
    out *= x
    return out


def _silu_backward_forward(xp: Any, dy: Any, x: Any) -> Any:
    """dy * s * (1 + x * (1 - s))"""
    s = _sigmoid(xp, x)
    out = 1 - s
    out *= x
    out += 1
    out *= s
    out *= dy
    return out


def _silu_second(g: Tensor, dy: Tensor, x: Tensor) -> Tensor:
    s = sigmoid(x)
    slope = s * (1 - s)
    return g * dy * slope * (2 + x * (1 - 2 * s))


def _pair(make: Any) -> Any:
    return [((make(3, 4), make(3, 4)), {})]


_silu_backward: Primitive = Primitive(
    "silu_backward",
    _silu_backward_forward,
    vjp={"dy": lambda g, x: apply(_silu_backward, g, x), "x": _silu_second},
    low_precision=True,
    cuts=elementwise(sums=[(0,)]),
    samples=_pair,
    doc="The gradient of silu.",
)
_silu: Primitive = Primitive(
    "silu",
    _silu_forward,
    vjp={"x": lambda g, x: apply(_silu_backward, g, x)},
    low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4),), {})],
    doc="``x * sigmoid(x)``.",
)

# -- gelu: x * Phi(x), Phi the normal distribution function (Hendrycks and Gimpel 2016)


def _tanh_inner(xp: Any, x: Any) -> Any:
    """tanh(K (x + 0.044715 x^3)), in one buffer."""
    out = x * x
    out *= _CUBE
    out += 1
    out *= x
    out *= _K
    return xp.tanh(out, out=out)


def _gelu_forward(xp: Any, x: Any, *, approximate: bool) -> Any:
    out = _tanh_inner(xp, x) if approximate else _erf(xp, x * x.dtype.type(_ROOT_HALF))
    out += 1
    out *= x
    out *= 0.5
    return out


def _gelu_backward_forward(xp: Any, dy: Any, x: Any, *, approximate: bool) -> Any:
    slope = x * x
    if approximate:
        out = _tanh_inner(xp, x)
        slope *= 3 * _CUBE * _K
        slope += _K
        slope *= x
        slope *= 1 - out * out
        out += slope
        out += 1
        out *= 0.5
    else:
        out = _erf(xp, x * x.dtype.type(_ROOT_HALF))
        out += 1
        out *= 0.5
        slope *= -0.5
        xp.exp(slope, out=slope)
        slope *= x
        slope *= _DENSITY
        out += slope
    out *= dy
    return out


def _gelu_second(g: Tensor, dy: Tensor, x: Tensor, approximate: bool) -> Tensor:
    if not approximate:
        return g * dy * exp(-0.5 * x * x) * (_DENSITY * (2 - x * x))
    t = tanh(_K * (x + _CUBE * x * x * x))
    slope = _K * (1 + 3 * _CUBE * x * x)
    bend = _K * 6 * _CUBE * x
    return g * dy * (1 - t * t) * (slope + 0.5 * x * (bend - 2 * t * slope * slope))


_gelu_backward: Primitive = Primitive(
    "gelu_backward",
    _gelu_backward_forward,
    vjp={
        "dy": lambda g, x, approximate: apply(_gelu_backward, g, x, approximate=approximate),
        "x": _gelu_second,
    },
    low_precision=True,
    cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [
        ((make(3, 4), make(3, 4)), {"approximate": False}),
        ((make(3, 4), make(3, 4)), {"approximate": True}),
    ],
    doc="The gradient of gelu.",
)
_gelu: Primitive = Primitive(
    "gelu",
    _gelu_forward,
    vjp={"x": lambda g, x, approximate: apply(_gelu_backward, g, x, approximate=approximate)},
    low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [
        ((make(3, 4),), {"approximate": False}),
        ((make(3, 4),), {"approximate": True}),
    ],
    doc="``x`` times the normal distribution function of x, or its tanh approximation.",
)

# -- softplus, its tanh (mish), its negative mirror (log_sigmoid)


def _softplus_forward(xp: Any, x: Any, *, beta: float, threshold: float) -> Any:
    z = x * x.dtype.type(beta)
    out = xp.logaddexp(z, x.dtype.type(0))
    if beta != 1:
        out /= beta
    return xp.where(z > threshold, x, out)


def _softplus_vjp(g: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
    z = x * beta
    return where(z > threshold, g, g * sigmoid(z))


_softplus: Primitive = Primitive(
    "softplus",
    _softplus_forward,
    vjp={"x": _softplus_vjp},
    low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [
        ((make(3, 4),), {"beta": 1.0, "threshold": 20.0}),
        ((make(3, 4),), {"beta": 2.0, "threshold": 1.0}),
    ],
    doc="``log(1 + exp(beta * x)) / beta``, x itself above the threshold.",
)


def _mish_vjp(g: Tensor, x: Tensor) -> Tensor:
    t = tanh(softplus(x))
    return g * (t + x * sigmoid(x) * (1 - t * t))


_mish: Primitive = Primitive(
    "mish",
    lambda xp, x: x * xp.tanh(xp.logaddexp(x, x.dtype.type(0))),
    vjp={"x": _mish_vjp},
    low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4),), {})],
    doc="``x * tanh(softplus(x))``.",
)
_log_sigmoid: Primitive = Primitive(
    "log_sigmoid",
    lambda xp, x: -xp.logaddexp(-x, x.dtype.type(0)),
    vjp={"x": lambda g, x: g * sigmoid(-x)},
    low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4),), {})],
    doc="``log(sigmoid(x))``.",
)

# -- elu and its relatives


def _elu_forward(xp: Any, x: Any, *, alpha: float, scale: float, input_scale: float) -> Any:
    low = xp.expm1(xp.minimum(x, 0) * x.dtype.type(input_scale))
    low *= alpha * scale
    return xp.where(x > 0, x * x.dtype.type(scale), low)


def _elu_vjp(
    g: Tensor, x: Tensor, out: Tensor, alpha: float, scale: float, input_scale: float
) -> Tensor:
    low = g * ((out + alpha * scale) * input_scale)
    return where(x > 0, g * scale, low)


_elu: Primitive = Primitive(
    "elu",
    _elu_forward,
    vjp={"x": _elu_vjp},
    low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [
        ((make(3, 4),), {"alpha": 1.0, "scale": 1.0, "input_scale": 1.0}),
        ((make(3, 4),), {"alpha": 1.5, "scale": 1.1, "input_scale": 0.5}),
    ],
    doc="``scale * x``, below 0 ``scale * alpha * (exp(input_scale * x) - 1)``.",
)


def silu(x: Tensor) -> Tensor:
    """``x * sigmoid(x)``."""
    return apply(_silu, x)


def gelu(x: Tensor, approximate: bool) -> Tensor:
    """``x * Phi(x)``; with ``approximate`` Phi by a tanh."""
    return apply(_gelu, x, approximate=approximate)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``; x itself where ``beta * x > threshold``."""
    return apply(_softplus, x, beta=beta, threshold=threshold)


def mish(x: Tensor) -> Tensor:
    """``x * tanh(softplus(x))``."""
    return apply(_mish, x)


def log_sigmoid(x: Tensor) -> Tensor:
    """``log(sigmoid(x))``, without underflow."""
    return apply(_log_sigmoid, x)


def elu(x: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    """``scale * x``, below 0 ``scale * alpha * (exp(input_scale * x) - 1)``."""
    return apply(_elu, x, alpha=alpha, scale=scale, input_scale=input_scale)
