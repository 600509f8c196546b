"""Rounding to whole numbers. Gradients are zero, except that of the fractional part."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.primitives.elementwise import unary
from isograd.tensor.public import public

__all__ = ["ceil", "floor", "frac", "round", "trunc"]


def _rounding(ufunc: str) -> Callable[..., Any]:
    def forward(xp: Any, x: Any) -> Any:
        return x.copy() if x.dtype.kind in "iub" else getattr(xp, ufunc)(x)

    return forward


floor = unary(
    "floor", _rounding("floor"), lambda g: g * 0, "Largest integer not above.", promotion="same"
)
ceil = unary(
    "ceil", _rounding("ceil"), lambda g: g * 0, "Smallest integer not below.", promotion="same"
)
trunc = unary("trunc", _rounding("trunc"), lambda g: g * 0, "The integer part.", promotion="same",
              aliases=("fix",))  # fmt: skip
_round = unary("round", _rounding("rint"), lambda g: g * 0, "Nearest integer, halves to even.",
               promotion="same", register=False)  # fmt: skip


@public(inplace=True, out=True)
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Round to ``decimals`` places, halves to even."""
    if decimals == 0:
        return _round(input)
    scale = 10.0 ** builtins.abs(decimals)
    if decimals > 0:
        return _round(input * scale) / scale
    return _round(input / scale) * scale


@public(inplace=True)
def frac(input: Tensor) -> Tensor:
    """The fractional part, with the input's sign."""
    return input - trunc(input)
