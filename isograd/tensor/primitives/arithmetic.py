"""Sums, products, quotients, powers, absolute value and sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.primitives.elementwise import Function, binary, conj, need_tensors, unary
from isograd.tensor.primitives.selection import where
from isograd.tensor.public import public

__all__ = [
    "abs", "add", "div", "floor_divide", "fmod", "mul", "neg", "positive", "pow", "reciprocal",
    "remainder", "rsub", "sgn", "sign", "square", "sub",
]  # fmt: skip

_add = binary(
    "add",
    "add",
    {"x": lambda g: g, "y": lambda g: g},
    "``input + other``.",
    register=False,
    sums=[(0, 1)],
)
mul = binary(
    "mul",
    "multiply",
    {"x": lambda g, y: g * conj(y), "y": lambda g, x: g * conj(x)},
    "``input * other``.",
    aliases=("multiply",),
    sums=[(0,), (1,)],
)


def _subtract(xp: Any, x: Any, y: Any) -> Any:
    if getattr(x, "dtype", None) == np.bool_ and getattr(y, "dtype", None) == np.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    return xp.subtract(x, y)


_sub = binary(
    "sub",
    _subtract,
    {"x": lambda g: g, "y": lambda g: -g},
    "``input - other``.",
    register=False,
    sums=[(0, 1)],
)
_true_divide = binary(
    "true_divide",
    "true_divide",
    {"x": lambda g, y: g / conj(y), "y": lambda g, out, y: -g * conj(out / y)},
    "``input / other``; integers give the default floating dtype.",
    promotion="float",
    domain=(0.5, 2.0),
    register=False,
    sums=[(0,)],
)


def _scaled(other: Any, alpha: Any) -> Any:
    if not isinstance(alpha, (bool, int, float, complex)):
        alpha = alpha.item()
    return mul(other, alpha) if isinstance(other, Tensor) else other * alpha


def _check_alpha(name: str, input: Any, other: Any, alpha: Any) -> None:
    if isinstance(alpha, float) and not any(
        (t.dtype.category > 1 if isinstance(t, Tensor) else isinstance(t, (float, complex)))
        for t in (input, other)
    ):
        raise RuntimeError(f"{name}: For integral input tensors, argument alpha must not be a "
                           f"floating point number, got {alpha}")  # fmt: skip


@public(inplace=True, out=True)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``input + alpha * other``, broadcast and promoted."""
    if alpha != 1:
        _check_alpha("add", input, other, alpha)
        other = _scaled(other, alpha)
    return _add(input, other)


@public("subtract", inplace=True, out=True)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``input - alpha * other``, broadcast and promoted."""
    if alpha != 1:
        _check_alpha("sub", input, other, alpha)
        other = _scaled(other, alpha)
    return _sub(input, other)


@public(inplace=True, out=True)
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``."""
    need_tensors("rsub", input=input)
    return sub(other, input, alpha=alpha)


def _floor_divide_forward(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and xp is np and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: integer division by zero")
    return xp.floor_divide(x, y)


def _trunc_divide_forward(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iu":
        return xp.trunc(xp.true_divide(x, y))
    if xp is np and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: integer division by zero")
    quotient = xp.floor_divide(x, y)
    return quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)


floor_divide = binary("floor_divide", _floor_divide_forward, None, "``floor(input / other)``.",
                      domain=(0.5, 2.0))  # fmt: skip
_no_slope = {"x": lambda g: g * 0, "y": lambda g: g * 0}
_div_floor = binary("div_floor", _floor_divide_forward, _no_slope, "``floor(input / other)``.",
                    domain=(0.5, 2.0), register=False)  # fmt: skip
_div_trunc = binary("div_trunc", _trunc_divide_forward, _no_slope, "``trunc(input / other)``.",
                    domain=(0.5, 2.0), register=False)  # fmt: skip


@public("divide", inplace=True, out=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``; ``rounding_mode`` is None, ``"floor"`` or ``"trunc"``.

    Raises:
        RuntimeError: for another rounding mode, or integers divided by zero with rounding.
    """
    if rounding_mode is None:
        return _true_divide(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )
    rounded = _div_floor if rounding_mode == "floor" else _div_trunc
    return rounded(input, other)


public("true_divide", inplace=True, out=True)(div)


def _python_remainder(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and xp is np and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: integer modulo by zero")
    return xp.remainder(x, y)


def _c_remainder(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and xp is np and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: integer modulo by zero")
    return xp.fmod(x, y)


remainder = binary(
    "remainder",
    _python_remainder,
    {"x": lambda g: g, "y": lambda g, x, y: -g * floor_divide(x, y)},
    "Remainder with the divisor's sign, as Python's ``%``.",
    domain=(0.5, 2.0),
)
fmod = binary(
    "fmod",
    _c_remainder,
    {"x": lambda g: g, "y": lambda g, x, y: -g * _div_trunc(x, y)},
    "Remainder with the dividend's sign, as C's ``fmod``.",
    domain=(0.5, 2.0),
    numbers="other",
)


def _power(xp: Any, x: Any, y: Any) -> Any:
    dtype = getattr(x, "dtype", None)
    if dtype is not None and dtype.kind in "iu" and hasattr(y, "dtype"):
        return _integer_power(xp, x, y)
    if isinstance(y, (int, float)) and y in _SHORT_POWERS and dtype is not None:
        return _SHORT_POWERS[y](xp, x)
    return xp.power(x, y)


_SHORT_POWERS: dict[float, Callable[[Any, Any], Any]] = {  # much faster than the general power
    0.5: lambda xp, x: xp.sqrt(x),
    1: lambda xp, x: x.copy(),
    3: lambda xp, x: x * x * x,
    -0.5: lambda xp, x: 1 / xp.sqrt(x),
    -1: lambda xp, x: 1 / x,
    -2: lambda xp, x: 1 / (x * x),
}


def _integer_power(xp: Any, x: Any, y: Any) -> Any:
    """Negative exponents give 0, or the base itself for 1 and -1."""
    if y.dtype.kind == "u" or (xp is np and not bool((y < 0).any())):
        return xp.power(x, y)
    safe = xp.where(y < 0, xp.zeros_like(y), y)
    inverse = xp.where(x == 1, 1, xp.where(x == -1, xp.where(y % 2 == 0, 1, -1), 0))
    return xp.where(y < 0, inverse.astype(x.dtype), xp.power(x, safe))


def _pow_x(g: Any, x: Any, y: Any) -> Any:
    if isinstance(y, (int, float)) and not isinstance(y, bool):
        if y == 0:
            return g * 0
        return g * conj(y * pow(x, y - 1))
    return where(y == 0, 0.0, g * conj(y * pow(x, where(y == 0, 1.0, y - 1))))


def _pow_y(g: Any, out: Any, x: Any, y: Any) -> Any:
    base = x if isinstance(x, Tensor) else wrap(np.asarray(x, dtype=out._array.dtype))
    zero = (base == 0) & ((y >= 0) if not y.is_complex() else (y == 0))
    return where(zero, 0.0, g * conj(out * where(zero, 1.0, base).log()))


_pow = binary(
    "pow", _power, {"x": _pow_x, "y": _pow_y}, "``input ** exponent``.", domain=(0.5, 2.0),
    register=False,
)  # fmt: skip


@public(inplace=True, out=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``.

    Raises:
        RuntimeError: for an integer tensor and a negative integer exponent.
    """
    if not isinstance(exponent, Tensor):
        need_tensors("pow", input=input)
    if isinstance(exponent, int) and exponent < 0 and isinstance(input, Tensor):
        if input.dtype.category < 2:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
    if isinstance(exponent, (int, float)) and exponent == 2 and isinstance(input, Tensor):
        if input.dtype.category >= 2 or exponent.__class__ is int:
            return square(input)
    return _pow(input, exponent)


def _square(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "b":
        return x.astype(np.int64)
    return xp.multiply(x, x)


neg = unary("neg", "negative", lambda g: -g, "``-input``.", promotion="same",
            aliases=("negative",), linear=True)  # fmt: skip
square = unary("square", _square, lambda g, x: g * conj(2 * x), "``input ** 2``.",
               promotion="same")  # fmt: skip
reciprocal = unary("reciprocal", lambda xp, x: xp.true_divide(1, x).astype(x.dtype, copy=False),
                   lambda g, out: -g * conj(out * out), "``1 / input``.",
                   domain=(0.5, 2.0))  # fmt: skip


@public()
def positive(input: Tensor) -> Tensor:
    """``+input``: the tensor itself.

    Raises:
        RuntimeError: for a bool tensor.
    """
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# -- absolute value, sign


def _absolute(xp: Any, x: Any) -> Any:
    return xp.abs(x)


abs = unary("abs", _absolute, lambda g, x: g * sgn(x),
            "Absolute value, or a complex number's length.", promotion="same",
            aliases=("absolute",))  # fmt: skip


def _sgn(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return xp.sign(x)
    length = xp.abs(x)
    return xp.where(length == 0, 0, x / xp.where(length == 0, 1, length)).astype(x.dtype)


def _sgn_vjp(g: Any, out: Any, x: Any) -> Any:
    if not x.is_complex():
        return g * 0
    length = abs(x)
    safe = where(length == 0, 1.0, length)
    return where(length == 0, 0.0, (g - (conj(out) * g).real * out) / safe)


sign = unary("sign", lambda xp, x: x.copy() if x.dtype == np.bool_ else xp.sign(x), lambda g: g * 0,
             "-1, 0 or 1.", promotion="same")  # fmt: skip
sgn: Function = unary(
    "sgn", lambda xp, x: x.copy() if x.dtype == np.bool_ else _sgn(xp, x), _sgn_vjp,
    "The sign; of a complex number, the point of length 1 in its direction.", promotion="same",
)  # fmt: skip
