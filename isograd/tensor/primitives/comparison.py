"""Comparisons: of two tensors, of a tensor with a number, and tests of single values.

All give bool tensors and have no gradient. The operands of a comparison are promoted to one dtype
first; complex numbers have no order, so only ``eq`` and ``ne`` take them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.inplace import write_out
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import need_tensors, unary
from isograd.tensor.public import public

__all__ = [
    "allclose", "as_operand", "eq", "equal", "ge", "gt", "isclose", "isfinite", "isinf", "isnan",
    "isneginf", "isposinf", "isreal", "le", "lt", "ne", "signbit",
]  # fmt: skip

_DIRECT = (Tensor, int, float, complex)  # taken as they are
_BOUNDS = {d: (np.iinfo(d).min, np.iinfo(d).max) for d in (np.dtype(c) for c in "bBhHiIlL")}


def _comparison(ufunc: str, name: str, alias: str, doc: str) -> Callable[..., Any]:
    """A comparison; ``name`` is also the name of Python's operator."""

    ordered = name not in ("eq", "ne")
    host_ufunc = getattr(np, ufunc)

    def forward(xp: Any, x: Any, y: Any) -> Any:
        if ordered and x.dtype.kind == "c":
            raise NotImplementedError(
                f"{name}: complex numbers have no order, got {x.dtype}; compare .abs() or .real"
            )
        return host_ufunc(x, y) if xp is np else getattr(xp, ufunc)(x, y)

    record = Primitive(
        name, forward, promotion="same", low_precision=True, nondifferentiable=True, doc=doc,
        cuts=elementwise(),
        samples=lambda make: [
            ((make(3, 4), make(4)), {}),
            (((make(3, 4) * 2).round(), 1.0), {}),
        ],
    )  # fmt: skip
    python = getattr(operator, name)

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            need_tensors(name, input=input)
        if other.__class__ is int:
            other = _fitting(other, input._array.dtype)
        result: Tensor = apply(record, input, other)
        return result if out is None else write_out(name, out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    public(alias, inplace=True)(function)

    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, _DIRECT):
            other = as_operand(other)
            if other is NotImplemented:
                return other
        return function(self, other)

    method.__name__ = method.__qualname__ = f"__{python.__name__}__"
    method.__doc__ = doc
    setattr(Tensor, method.__name__, method)
    return function


def _fitting(value: int, target: Any) -> float:
    """A float for floats, which NumPy compares faster; an int wrapped to the width of integers."""
    if target.kind == "f":
        return float(value)
    if target.kind not in "iu":
        return value
    low, high = _BOUNDS[target]
    if low <= value <= high:
        return value
    value &= (1 << target.itemsize * 8) - 1
    return value - (1 << target.itemsize * 8) if value > high else value


def as_operand(value: Any) -> Any:
    """A tensor or Python number for an operator, or NotImplemented."""
    if isinstance(value, _DIRECT):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return wrap(value)
    return NotImplemented


eq = _comparison("equal", "eq", "eq", "``input == other``, element by element.")
ne = _comparison("not_equal", "ne", "not_equal", "``input != other``, element by element.")
lt = _comparison("less", "lt", "less", "``input < other``, element by element.")
le = _comparison("less_equal", "le", "less_equal", "``input <= other``, element by element.")
gt = _comparison("greater", "gt", "greater", "``input > other``, element by element.")
ge = _comparison("greater_equal", "ge", "greater_equal", "``input >= other``, element by element.")


# -- nearly equal


def _isclose_forward(xp: Any, x: Any, y: Any, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    same = xp.equal(x, y)
    if equal_nan and x.dtype.kind in "fc":
        same |= xp.isnan(x) & xp.isnan(y)
    if rtol == 0 and atol == 0:
        return same
    if x.dtype.kind in "iub":
        x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        near = xp.abs(x - y) <= atol + xp.abs(rtol * y)
    return same | (near & xp.isfinite(x) & xp.isfinite(y))


_isclose = Primitive(
    "isclose", _isclose_forward, low_precision=True, nondifferentiable=True, cuts=elementwise(),
    samples=lambda make: [
        ((make(3, 4), make(3, 4)), {"rtol": 0.5, "atol": 0.1, "equal_nan": False})
    ],
    doc="Whether two values agree within a tolerance.",
)  # fmt: skip


@public()
def isclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> Tensor:
    """``|input - other| <= atol + rtol * |other|``, element by element.

    Args:
        equal_nan: nan is close to nan.

    Raises:
        RuntimeError: for different dtypes or a negative tolerance.
    """
    need_tensors("isclose", input=input, other=other)
    if input._array.dtype != other._array.dtype:
        raise RuntimeError(
            f"isclose: expected tensors of one dtype, got {input.dtype} and {other.dtype}"
        )
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    result: Tensor = apply(_isclose, input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)
    return result


@public()
def allclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> bool:
    """Whether all elements are close, see :func:`isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@public()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same values (nan equals nothing).

    Raises:
        TypeError: if ``other`` is not a tensor.
    """
    need_tensors("equal", input=input, other=other)
    return input._array.shape == other._array.shape and bool(eq(input, other).all())


# -- tests of single values


def _test(
    name: str, forward: Callable[..., Any], doc: str, *, real: bool = False
) -> Callable[..., Any]:
    """A test of each element; ``real``: complex numbers are refused."""

    def checked(xp: Any, x: Any) -> Any:
        if real and x.dtype.kind == "c":
            raise RuntimeError(f"{name} does not support complex inputs.")
        return forward(xp, x)

    return unary(name, checked, None, doc, promotion="same", aliases=(), inplace=False)


def _only_floats(ufunc: str, otherwise: bool) -> Callable[..., Any]:
    def forward(xp: Any, x: Any) -> Any:
        if x.dtype.kind in "iub":
            return xp.full(x.shape, otherwise, dtype=np.bool_)
        return getattr(xp, ufunc)(x)

    return forward


def _signed_infinity(sign: float) -> Callable[..., Any]:
    def forward(xp: Any, x: Any) -> Any:
        if x.dtype.kind in "iub":
            return xp.zeros(x.shape, dtype=np.bool_)
        return xp.equal(x, sign * np.inf)

    return forward


def _signbit(xp: Any, x: Any) -> Any:
    return xp.signbit(x) if x.dtype.kind == "f" else xp.less(x, 0)


isnan = _test("isnan", _only_floats("isnan", False), "Whether a value is nan.")
isinf = _test("isinf", _only_floats("isinf", False), "Whether a value is infinite.")
isfinite = _test("isfinite", _only_floats("isfinite", True), "Neither infinite nor nan.")
isposinf = _test("isposinf", _signed_infinity(1.0), "Whether a value is +inf.", real=True)
isneginf = _test("isneginf", _signed_infinity(-1.0), "Whether a value is -inf.", real=True)
isreal = _test("isreal", lambda xp, x: xp.equal(x.imag, 0), "Whether the imaginary part is 0.")
signbit = _test("signbit", _signbit, "Whether the sign is minus, also of -0.0.", real=True)
