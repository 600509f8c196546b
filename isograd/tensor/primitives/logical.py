"""Logic on truth values (``logical_*``) and on the bits of integers (``bitwise_*``, shifts).

``logical_*`` read any dtype as true or false and give bool. ``bitwise_*`` take integers and bools
and are the operators ``& | ^ ~ << >>``. None has a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.inplace import write_out
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.primitives.comparison import as_operand
from isograd.tensor.primitives.elementwise import need_tensors
from isograd.tensor.public import public

__all__ = [
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "logical_and", "logical_not", "logical_or", "logical_xor",
]  # fmt: skip

Make = Callable[..., Any]


def _integers(make: Make, *shape: int) -> Any:
    return (make(*shape) * 4).astype(np.int64)


# -- truth values


def _logical(name: str, doc: str) -> Callable[..., Any]:
    record = Primitive(
        name, lambda xp, x, y: getattr(xp, name)(x, y), low_precision=True, nondifferentiable=True,
        cuts=elementwise(),
        samples=lambda make: [((_integers(make, 3, 4), _integers(make, 4)), {})], doc=doc,
    )  # fmt: skip

    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        need_tensors(name, input=input, other=other)
        result: Tensor = apply(record, input, other)
        return result if out is None else write_out(name, out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return public(inplace=True)(function)


logical_and = _logical("logical_and", "Whether both are true (nonzero).")
logical_or = _logical("logical_or", "Whether one or both are true (nonzero).")
logical_xor = _logical("logical_xor", "Whether exactly one is true (nonzero).")

_logical_not = Primitive(
    "logical_not", lambda xp, x: xp.logical_not(x), low_precision=True, nondifferentiable=True,
    cuts=elementwise(),
    samples=lambda make: [((_integers(make, 3, 4),), {})], doc="Whether false (zero).",
)  # fmt: skip


@public(inplace=True, out=True)
def logical_not(input: Tensor) -> Tensor:
    """Whether each element is false (zero)."""
    result: Tensor = apply(_logical_not, input)
    return result


# -- bits


def _need_integers(name: str, x: Any, kinds: str) -> None:
    if x.dtype.kind not in kinds:
        wanted = "integers or bools" if "b" in kinds else "integers"
        raise NotImplementedError(f"{name}: expected {wanted}, got {x.dtype}; convert with .long()")


def _bitwise(
    name: str, ufunc: str, operator: str, doc: str, kinds: str = "iub"
) -> Callable[..., Any]:
    def forward(xp: Any, x: Any, y: Any) -> Any:
        _need_integers(name, x, kinds)
        return getattr(xp, ufunc)(x, y)

    def samples(make: Make) -> list[Sample]:
        return [((_integers(make, 3, 4), abs(_integers(make, 4))), {})]

    record = Primitive(
        name,
        forward,
        promotion="same",
        nondifferentiable=True,
        samples=samples,
        doc=doc,
        cuts=elementwise(),
    )

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(other, Tensor):
            need_tensors(name, input=input)
        result: Tensor = apply(record, input, other)
        return result if out is None else write_out(name, out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    public(inplace=True)(function)

    def forwards(self: Tensor, other: Any) -> Any:
        other = as_operand(other)
        return other if other is NotImplemented else function(self, other)

    def reflected(self: Tensor, other: Any) -> Any:
        other = as_operand(other)
        return other if other is NotImplemented else function(other, self)

    setattr(Tensor, f"__{operator}__", forwards)
    setattr(Tensor, f"__r{operator}__", reflected)
    setattr(Tensor, f"__i{operator}__", getattr(Tensor, name + "_"))
    return function


def _bitwise_not_forward(xp: Any, x: Any) -> Any:
    _need_integers("bitwise_not", x, "iub")
    return xp.invert(x)


bitwise_and = _bitwise("bitwise_and", "bitwise_and", "and", "``input & other``.")
bitwise_or = _bitwise("bitwise_or", "bitwise_or", "or", "``input | other``.")
bitwise_xor = _bitwise("bitwise_xor", "bitwise_xor", "xor", "``input ^ other``.")
bitwise_left_shift = _bitwise(
    "bitwise_left_shift", "left_shift", "lshift", "``input << other``; 0 beyond the width.", "iu"
)
bitwise_right_shift = _bitwise(
    "bitwise_right_shift", "right_shift", "rshift", "``input >> other``, keeping the sign.", "iu"
)

_bitwise_not = Primitive(
    "bitwise_not", _bitwise_not_forward, nondifferentiable=True, cuts=elementwise(),
    samples=lambda make: [((_integers(make, 3, 4),), {})], doc="All bits flipped.",
)  # fmt: skip


@public(inplace=True, out=True)
def bitwise_not(input: Tensor) -> Tensor:
    """All bits flipped; ``logical_not`` of bools."""
    result: Tensor = apply(_bitwise_not, input)
    return result


def _invert(self: Tensor) -> Tensor:
    """``~self``."""
    if self._array.dtype.kind not in "iub":
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return bitwise_not(self)


Tensor.__invert__ = _invert
