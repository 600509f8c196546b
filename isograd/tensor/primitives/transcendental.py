"""Exponentials, logarithms, roots, trigonometric and hyperbolic functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.primitives.elementwise import Function, binary, conj, unary

__all__ = [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "exp", "exp2",
    "expm1", "hypot", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "rsqrt",
    "sigmoid", "sin", "sinh", "sqrt", "tan", "tanh",
]  # fmt: skip

# -- exponentials and logarithms

exp = unary("exp", "exp", lambda g, out: g * conj(out), "``e ** input``.")
exp2 = unary("exp2", "exp2", lambda g, out: g * conj(out) * float(np.log(2)), "``2 ** input``.")
expm1 = unary("expm1", "expm1", lambda g, out: g * conj(out + 1), "``e ** input - 1``.")
log = unary("log", "log", lambda g, x: g / conj(x), "Natural logarithm.", domain=(0.3, 3.0))
log2 = unary("log2", "log2", lambda g, x: g / conj(x * float(np.log(2))), "Logarithm to base 2.",
             domain=(0.3, 3.0))  # fmt: skip
log10 = unary("log10", "log10", lambda g, x: g / conj(x * float(np.log(10))),
              "Logarithm to base 10.", domain=(0.3, 3.0))  # fmt: skip
log1p = unary("log1p", "log1p", lambda g, x: g / conj(x + 1), "``log(1 + input)``, exact near 0.",
              domain=(-0.7, 3.0))  # fmt: skip
sqrt = unary("sqrt", "sqrt", lambda g, out: g / conj(2 * out), "Square root.", domain=(0.3, 3.0))
rsqrt = unary("rsqrt", lambda xp, x: xp.true_divide(1, xp.sqrt(x)).astype(x.dtype, copy=False),
              lambda g, out: g * conj(-0.5 * out * out * out), "``1 / sqrt(input)``.",
              domain=(0.3, 3.0))  # fmt: skip

# -- trigonometric and hyperbolic

sin = unary("sin", "sin", lambda g, x: g * conj(cos(x)), "Sine of radians.")
cos: Function = unary("cos", "cos", lambda g, x: -g * conj(sin(x)), "Cosine of radians.")
tan = unary(
    "tan", "tan", lambda g, out: g * conj(1 + out * out), "Tangent of radians.", domain=(-1.2, 1.2)
)
asin = unary("asin", "arcsin", lambda g, x: g / conj(sqrt(1 - x * x)), "Inverse sine, in radians.",
             domain=(-0.8, 0.8), aliases=("arcsin",))  # fmt: skip
acos = unary("acos", "arccos", lambda g, x: -g / conj(sqrt(1 - x * x)),
             "Inverse cosine, in radians.", domain=(-0.8, 0.8), aliases=("arccos",))  # fmt: skip
atan = unary("atan", "arctan", lambda g, x: g / conj(1 + x * x), "Inverse tangent, in radians.",
             aliases=("arctan",))  # fmt: skip
sinh = unary("sinh", "sinh", lambda g, x: g * conj(cosh(x)), "Hyperbolic sine.")
cosh: Function = unary("cosh", "cosh", lambda g, x: g * conj(sinh(x)), "Hyperbolic cosine.")
tanh = unary("tanh", "tanh", lambda g, out: g * conj(1 - out * out), "Hyperbolic tangent.")
asinh = unary("asinh", "arcsinh", lambda g, x: g / conj(sqrt(1 + x * x)),
              "Inverse hyperbolic sine.", aliases=("arcsinh",))  # fmt: skip
acosh = unary("acosh", "arccosh", lambda g, x: g / conj(sqrt(x - 1) * sqrt(x + 1)),
              "Inverse hyperbolic cosine.", domain=(1.3, 3.0), aliases=("arccosh",))  # fmt: skip
atanh = unary("atanh", "arctanh", lambda g, x: g / conj(1 - x * x), "Inverse hyperbolic tangent.",
              domain=(-0.8, 0.8), aliases=("arctanh",))  # fmt: skip


def _sum_of_squares(x: Any, y: Any) -> Any:
    return x * x + y * y


atan2 = binary(
    "atan2",
    "arctan2",
    {"x": lambda g, x, y: g * y / _sum_of_squares(x, y),
     "y": lambda g, x, y: -g * x / _sum_of_squares(x, y)},
    "Angle of the point (other, input), in radians.",
    promotion="float",
    domain=(0.5, 2.0),
    aliases=("arctan2",),
    numbers="none",
)  # fmt: skip
hypot = binary(
    "hypot",
    "hypot",
    {"x": lambda g, out, x: g * x / out, "y": lambda g, out, y: g * y / out},
    "``sqrt(input**2 + other**2)`` without overflow.",
    domain=(0.5, 2.0),
    numbers="none",
)


def _logaddexp(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind != "c":
        return xp.logaddexp(x, y)
    first = x.real >= xp.asarray(y).real
    high, low = xp.where(first, x, y), xp.where(first, y, x)
    return high + xp.log(1 + xp.exp(low - high))


logaddexp = binary(
    "logaddexp",
    _logaddexp,
    {"x": lambda g, out, x: g * conj(exp(x - out)), "y": lambda g, out, y: g * conj(exp(y - out))},
    "``log(exp(input) + exp(other))`` without overflow.",
    promotion="float",
    numbers="none",
)
logaddexp2 = binary(
    "logaddexp2",
    "logaddexp2",
    {"x": lambda g, out, x: g * exp2(x - out), "y": lambda g, out, y: g * exp2(y - out)},
    "``log2(2**input + 2**other)`` without overflow.",
    promotion="float",
    numbers="none",
)

# -- sigmoid


def _sigmoid(xp: Any, x: Any) -> Any:
    out = xp.negative(x, out=xp.empty_like(x))
    with np.errstate(over="ignore"):
        xp.exp(out, out=out)
        out += 1
        return xp.reciprocal(out, out=out)


sigmoid = unary("sigmoid", _sigmoid, lambda g, out: g * conj(out * (1 - out)),
                "``1 / (1 + exp(-input))``.")  # fmt: skip
