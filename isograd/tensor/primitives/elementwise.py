"""Makers of elementwise operations: one call gives the record, the function and the methods.

Gradients of complex functions follow torch's convention: the conjugate of the derivative times the
incoming gradient, hence :func:`conj` in the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.inplace import write_out
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.public import public

__all__ = ["Function", "binary", "conj", "need_tensors", "unary"]

Function = Callable[..., Any]


def need_tensors(name: str, **operands: Any) -> None:
    """Raise TypeError for the first operand that is no tensor."""
    for position, (operand, value) in enumerate(operands.items(), 1):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}(): argument '{operand}' (position {position}) must be Tensor, not "
                f"{type(value).__name__}"
            )


def unary(
    name: str,
    forward: str | Function,
    vjp: Function | None,
    doc: str,
    *,
    promotion: str | None = "float",
    domain: tuple[float, float] = (-2.0, 2.0),
    aliases: tuple[str, ...] = (),
    register: bool = True,
    inplace: bool = True,
    samples: Callable[..., list[Sample]] | None = None,
    reference: Function | None = None,
    linear: bool = False,
) -> Function:
    """A primitive of one input, and its public function, method and in-place method.

    Args:
        linear: parts of a sum of the input give parts of the output.
    """

    def drawn(make: Function) -> list[Sample]:
        return [((make(3, 4, low=domain[0], high=domain[1]),), {})]

    record = Primitive(
        name,
        forward,
        vjp=None if vjp is None else {"x": vjp},
        promotion=promotion,
        low_precision=True,
        samples=samples or drawn,
        reference=reference,
        nondifferentiable=vjp is None,
        cuts=elementwise(sums=[(0,)] if linear else ()),
        doc=doc,
    )

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        result: Tensor = apply(record, input)
        return result if out is None else write_out(name, out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return public(*aliases, inplace=inplace)(function) if register else function


def binary(
    name: str,
    forward: str | Function,
    vjp: dict[str, Function] | None,
    doc: str,
    *,
    promotion: str | None = "same",
    domain: tuple[float, float] = (-2.0, 2.0),
    aliases: tuple[str, ...] = (),
    register: bool = True,
    inplace: bool = True,
    samples: Callable[..., list[Sample]] | None = None,
    reference: Function | None = None,
    numbers: str = "either",
    sums: Sequence[tuple[int, ...]] = (),
) -> Function:
    """A primitive of two inputs that broadcast, and its public function and methods.

    Args:
        numbers: which operands of the public function may be Python numbers: ``"either"`` (but
            not both), ``"other"`` or ``"none"``.
        sums: the sets of inputs in which it is linear together (see `cuts.elementwise`).
    """

    def drawn(make: Function) -> list[Sample]:
        low, high = domain
        return [
            ((make(3, 4, low=low, high=high), make(3, 4, low=low, high=high)), {}),
            ((make(3, 1, low=low, high=high), make(4, low=low, high=high)), {}),
        ]

    record = Primitive(
        name,
        forward,
        vjp=vjp,
        promotion=promotion,
        low_precision=True,
        samples=samples or drawn,
        reference=reference,
        nondifferentiable=vjp is None,
        cuts=elementwise(sums=sums),
        doc=doc,
    )

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor) and not (
            numbers == "either" and isinstance(other, Tensor)
        ):
            need_tensors(name, input=input)
        if numbers == "none":
            need_tensors(name, input=input, other=other)
        result: Tensor = apply(record, input, other)
        return result if out is None else write_out(name, out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return public(*aliases, inplace=inplace)(function) if register else function


def conj(x: Any) -> Any:
    """The complex conjugate; real tensors and numbers come back as they are."""
    if isinstance(x, Tensor):
        return apply(_conj, x) if x._array.dtype.kind == "c" else x
    return x.conjugate() if isinstance(x, complex) else x


_conj = Primitive(
    "conj", lambda xp, x: xp.conj(x), vjp={"x": lambda g: conj(g)}, doc="Complex conjugate.",
    cuts=elementwise(sums=[(0,)]), samples=lambda make: [((make(3, 4) + 1j * make(3, 4),), {})],
)  # fmt: skip
public()(conj)
public("conj_physical", inplace=True)(conj)
