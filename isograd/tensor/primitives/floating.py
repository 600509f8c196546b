"""The parts of floating-point numbers, neighbours, steps and degrees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.inplace import write_into
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.arithmetic import pow
from isograd.tensor.primitives.elementwise import binary, need_tensors, unary
from isograd.tensor.primitives.selection import where
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result

__all__ = [
    "copysign", "deg2rad", "float_power", "frexp", "heaviside", "ldexp", "nextafter", "rad2deg",
]  # fmt: skip


def _copysign_vjp(g: Any, out: Any, x: Any) -> Any:
    return where(x == 0, 0.0, g * out / x)


copysign = binary(
    "copysign", "copysign", {"x": _copysign_vjp, "y": lambda g: g * 0},
    "The size of ``input`` with the sign of ``other``.", promotion="float", domain=(0.5, 2.0),
    numbers="other",
)  # fmt: skip
deg2rad = unary("deg2rad", lambda xp, x: x * (math.pi / 180), lambda g: g * (math.pi / 180),
                "Degrees to radians.", linear=True)  # fmt: skip
rad2deg = unary("rad2deg", lambda xp, x: x * (180 / math.pi), lambda g: g * (180 / math.pi),
                "Radians to degrees.", linear=True)  # fmt: skip

_heaviside = Primitive(
    "heaviside",
    lambda xp, x, y: xp.where(x == 0, y, (x > 0).astype(x.dtype)),
    nondifferentiable=True,
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4), make(4)), {})],
    doc="The step function, with its value at 0.",
)


@public(inplace=True, out=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 where ``input`` < 0 (or nan), 1 where > 0, ``values`` where 0.

    Raises:
        RuntimeError: for different dtypes, or complex tensors.
    """
    need_tensors("heaviside", input=input, values=values)
    if input.dtype is not values.dtype or input.is_complex():
        raise RuntimeError(
            "heaviside is not yet implemented for tensors with different dtypes, or complex ones; "
            f"got {input.dtype} and {values.dtype}"
        )
    return apply(_heaviside, input, values)


_nextafter = Primitive(
    "nextafter",
    lambda xp, x, y: xp.nextafter(x, y),
    vjp={"x": lambda g, x, y: where(x == y, 0.0, g), "y": lambda g: g * 0},
    promotion="same",
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4), make(4)), {})],
    doc="The next number of the dtype in the direction of another.",
)


@public(inplace=True, out=True)
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next representable number after ``input`` towards ``other``.

    Raises:
        NotImplementedError: for integers.
    """
    need_tensors("nextafter", input=input, other=other)
    if input.dtype.category != 2:
        raise NotImplementedError(f"nextafter: expected floating-point tensors, got {input.dtype}")
    return apply(_nextafter, input, other)


@public(inplace=True, out=True)
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """``input * 2 ** other``."""
    need_tensors("ldexp", input=input, other=other)
    return input * pow(2.0, other)


def _frexp_forward(xp: Any, x: Any) -> Any:
    mantissa, exponent = xp.frexp(x)
    return mantissa, xp.where(xp.isfinite(x), exponent, 0).astype(np.int32)


_frexp = Primitive(
    "frexp", _frexp_forward, outputs=2, low_precision=True, cuts=elementwise(outputs=2),
    vjp={"x": lambda gs, out1: gs[0] / pow(2.0, out1)},
    samples=lambda make: [((make(3, 4, low=0.3),), {})],
    doc="Mantissa and exponent.",
)  # fmt: skip


@public(out=True)
def frexp(input: Tensor) -> Any:
    """Mantissa in [0.5, 1) and int32 exponent, with ``input = mantissa * 2 ** exponent``.

    Raises:
        RuntimeError: if the dtype is not floating-point.
    """
    if input.dtype.category != 2:
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes, got {input.dtype}")
    return named_result("frexp", ("mantissa", "exponent"), apply(_frexp, input))


@public(out=True)
def float_power(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent`` in float64 (complex128 for complex operands)."""
    if not isinstance(exponent, Tensor):
        need_tensors("float_power", input=input)
    operands = [_double(v) for v in (input, exponent)]
    return pow(*operands)


def _double(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtypes.complex128 if value.is_complex() else dtypes.float64)
    return value if isinstance(value, complex) else float(value)


def _float_power_(self: Tensor, exponent: Any) -> Tensor:
    """In-place form of :func:`float_power`."""
    wide = dtypes.complex128 if self.is_complex() else dtypes.float64
    if self.dtype is not wide:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {self.dtype} but the operation's result "
            f"requires dtype {wide}"
        )
    return write_into(self, float_power, (exponent,), None, "float_power_")


Tensor.float_power_ = _float_power_  # type: ignore[attr-defined]
