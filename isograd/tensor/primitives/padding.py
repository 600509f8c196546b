"""Borders of a constant around a tensor; negative amounts cut off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.public import public

__all__ = ["constant_pad", "constant_pad_nd"]

Amounts = tuple[tuple[int, int], ...]


def _forward(xp: Any, x: Any, *, amounts: Amounts, value: Any) -> Any:
    shape = [n + a + b for n, (a, b) in zip(x.shape, amounts, strict=True)]
    out = xp.full(shape, value, x.dtype)
    inner, outer = [], []
    for n, m, (a, b) in zip(x.shape, shape, amounts, strict=True):
        inner.append(slice(max(0, -a), max(0, n + min(0, b))))
        outer.append(slice(max(0, a), max(0, m - max(0, b))))
    out[tuple(outer)] = x[tuple(inner)]
    return out


def _cuts(params: Any, x: tuple[int, ...]) -> Iterable[Cut]:
    """Any dimension that keeps its length."""
    for d, amount in enumerate(params["amounts"]):
        if amount == (0, 0):
            yield Cut((d,), (d,))
    if params["value"] == 0:
        yield Cut(("sum",), ("sum",))


_pad: Primitive = Primitive(
    "constant_pad",
    _forward,
    vjp={
        "x": lambda g, amounts: apply(
            _pad, g, amounts=tuple([(-a, -b) for a, b in amounts]), value=0
        )
    },
    samples=lambda make: [
        ((make(3, 4),), {"amounts": ((1, 2), (0, 0)), "value": 1.5}),
        ((make(3, 4),), {"amounts": ((0, -1), (-1, 2)), "value": 0}),
    ],
    cuts=_cuts,
    doc="``amounts`` (before, after) of a constant along each dimension; negative ones cut off.",
)


def constant_pad(x: Tensor, amounts: Amounts, value: Any = 0) -> Tensor:
    """``amounts`` (before, after) of a constant along each dimension; negative ones cut off."""
    return apply(_pad, x, amounts=amounts, value=value)


@public(method=False)
def constant_pad_nd(input: Tensor, pad: Any, value: Any = 0) -> Tensor:
    """Pad with a constant: (before, after) of the last dimension first, as ``nn.functional.pad``.

    Raises:
        RuntimeError: for an odd number of amounts, too many, or a dimension that would be negative.
    """
    given = [int(v) for v in pad]
    if len(given) % 2 or len(given) > 2 * input.ndim:
        raise RuntimeError(
            f"Length of pad should be even and no more than twice the number of dimensions of the "
            f"input. Pad length is {len(given)} while the input has {input.ndim} dimensions."
        )
    pairs = [(0, 0)] * (input.ndim - len(given) // 2)
    pairs += list(zip(given[0::2], given[1::2], strict=True))[::-1]
    for d, (n, (a, b)) in enumerate(zip(input.shape, pairs, strict=True)):
        if n + a + b < 0:
            raise RuntimeError(
                f"The input size {n}, plus negative padding {a} and {b}, resulted in a negative "
                f"output size, which is invalid. Check dimension {d} of your input."
            )
    return constant_pad(input, tuple(pairs), value)
