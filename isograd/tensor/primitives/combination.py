"""Three tensors at once: ``lerp``, ``addcmul``, ``addcdiv``."""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.public import public

__all__ = ["addcdiv", "addcmul", "lerp"]


def _lerp_forward(xp: Any, x: Any, end: Any, weight: Any) -> Any:
    """From the nearer end, so that weight 1 gives exactly ``end``."""
    step = xp.asarray(end - x)
    if isinstance(weight, (int, float)):
        near = abs(weight) < 0.5
        step *= weight if near else 1 - weight
        return xp.add(x, step, out=step) if near else xp.subtract(end, step, out=step)
    return xp.where(xp.abs(weight) < 0.5, x + weight * step, end - step * (1 - weight))


_lerp = Primitive(
    "lerp", _lerp_forward,
    vjp={"x": lambda g, weight: g * conj(1 - weight), "end": lambda g, weight: g * conj(weight),
         "weight": lambda g, x, end: g * conj(end - x)},
    promotion="same", low_precision=True, cuts=elementwise(sums=[(0, 1)]),
    samples=lambda make: [((make(3, 4), make(3, 4), make(3, 4)), {}),
                          ((make(3, 4), make(4), make(3, 1)), {}),
                          ((make(3, 4), make(3, 4), 0.3), {})],
    doc="``input + weight * (end - input)``.",
)  # fmt: skip


@public(inplace=True, out=True)
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``input + weight * (end - input)``; ``weight`` is a number or a tensor.

    Raises:
        NotImplementedError: for integers.
        RuntimeError: if ``end`` has another dtype.
    """
    if end.dtype is not input.dtype:
        raise RuntimeError(
            f"lerp: expected dtype {input.dtype} for `end` but got dtype {end.dtype}"
        )
    if input.dtype.category < 2:
        raise NotImplementedError(f"lerp: expected floating-point tensors, got {input.dtype}")
    return apply(_lerp, input, end, weight)


def _scaled(value: Any, array: Any) -> Any:
    return int(value) if array.dtype.kind in "iu" else value


def _addcmul_forward(xp: Any, x: Any, a: Any, b: Any, *, value: Any) -> Any:
    product = xp.asarray(a * b)
    if value != 1:
        product = xp.asarray(product * _scaled(value, x))
    return xp.add(x, product, out=product) if product.shape == x.shape else x + product


_addcmul = Primitive(
    "addcmul", _addcmul_forward,
    vjp={"x": lambda g: g,
         "a": lambda g, b, value: g * conj(b * value),
         "b": lambda g, a, value: g * conj(a * value)},
    promotion="same", low_precision=True, cuts=elementwise(sums=[(0, 1), (0, 2)]),
    samples=lambda make: [((make(3, 4), make(4), make(3, 1)), {"value": 0.7})],
    doc="``input + value * tensor1 * tensor2``.",
)  # fmt: skip
_addcdiv = Primitive(
    "addcdiv", lambda xp, x, a, b, *, value: x + value * a / b,
    vjp={"x": lambda g: g,
         "a": lambda g, b, value: g * conj(value / b),
         "b": lambda g, a, b, value: -g * conj(value * a / (b * b))},
    promotion="same", low_precision=True, cuts=elementwise(sums=[(0, 1)]),
    samples=lambda make: [((make(3, 4), make(4), make(3, 1, low=0.5)), {"value": 0.7})],
    doc="``input + value * tensor1 / tensor2``.",
)  # fmt: skip


@public(inplace=True, out=True)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    return apply(_addcmul, input, tensor1, tensor2, value=value)


@public(inplace=True, out=True)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``.

    Raises:
        RuntimeError: if both ``tensor1`` and ``tensor2`` are integers.
    """
    if tensor1.dtype.category < 2 and tensor2.dtype.category < 2:
        raise RuntimeError(
            "addcdiv: expected floating-point tensors, got integers "
            f"{tensor1.dtype} and {tensor2.dtype}; convert with .float(), or round with "
            "torch.div(..., rounding_mode='trunc')"
        )
    return apply(_addcdiv, input, tensor1, tensor2, value=value)
