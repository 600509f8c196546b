"""Losses of class numbers: the picked log-probability, and cross-entropy straight from logits.

Both take rows (N, C) and class numbers (N,), and give one loss per row, 0 where the class is to be
ignored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.softmax import softmax

__all__ = ["cross_entropy_rows", "pick_rows"]


def _checked(xp: Any, target: Any, classes: int, ignore: int) -> tuple[Any, Any]:
    """Class numbers with 0 where ignored, and which rows count (None: all)."""
    if target.size == 0:
        return target, None
    if xp is not np:  # looking at the numbers would wait for the device
        counts = target != ignore
        return xp.where(counts, target, 0), counts
    low, high = int(target.min()), int(target.max())
    if low >= 0 and high < classes and not low <= ignore <= high:
        return target, None
    counts = target != ignore
    safe = xp.where(counts, target, 0)
    low, high = int(safe.min()), int(safe.max())
    if low < 0 or high >= classes:
        raise IndexError(f"Target {low if low < 0 else high} is out of bounds.")
    return safe, counts


def _pick_forward(xp: Any, x: Any, target: Any, *, ignore: int) -> Any:
    safe, counts = _checked(xp, target, x.shape[1], ignore)
    out = x[xp.arange(x.shape[0]), safe]
    return out if counts is None else out * counts


def _spread_forward(xp: Any, g: Any, target: Any, *, ignore: int, classes: int) -> Any:
    safe, counts = _checked(xp, target, classes, ignore)
    out = xp.zeros((g.shape[0], classes), g.dtype)
    out[xp.arange(g.shape[0]), safe] = g if counts is None else g * counts
    return out


def _classes(make: Any) -> Any:
    return (make(4, low=0, high=2.99)).astype("int64")


_pick: Primitive = Primitive(
    "pick_rows",
    _pick_forward,
    vjp={
        "x": lambda g, target, x_shape, ignore: apply(
            _spread, g, target, ignore=ignore, classes=x_shape[1]
        )
    },
    cuts=lambda params, x, target: [Cut((0, 0), (0,)), Cut(("sum", None), ("sum",))],
    samples=lambda make: [((make(4, 3), _classes(make)), {"ignore": 1})],
    doc="One element per row, 0 where its place is to be ignored.",
)
_spread: Primitive = Primitive(
    "spread_rows",
    _spread_forward,
    vjp={"g": lambda g, target, ignore: apply(_pick, g, target, ignore=ignore)},
    cuts=lambda params, g, target: [Cut((0, 0), (0,)), Cut(("sum", None), ("sum",))],
    samples=lambda make: [((make(4), _classes(make)), {"ignore": 1, "classes": 3})],
    doc="Rows of zeros with one element each.",
)


def pick_rows(x: Tensor, target: Tensor, ignore: int) -> Tensor:
    """``x[i, target[i]]``, 0 where ``target[i] == ignore``; (N, C), (N,) -> (N,)."""
    return apply(_pick, x, target, ignore=ignore)


def _cross_entropy_forward(xp: Any, x: Any, target: Any, *, ignore: int) -> Any:
    safe, counts = _checked(xp, target, x.shape[1], ignore)
    shifted = x - x.max(1, keepdims=True)
    picked = shifted[xp.arange(x.shape[0]), safe]
    xp.exp(shifted, out=shifted)
    out = xp.log(shifted.sum(1))
    out -= picked
    if counts is not None:
        out = xp.where(counts, out, xp.zeros((), out.dtype))
    return out


def _cross_entropy_backward_forward(xp: Any, dy: Any, x: Any, target: Any, *, ignore: int) -> Any:
    """``dy * (softmax(x) - one_hot(target))``, one buffer."""
    safe, counts = _checked(xp, target, x.shape[1], ignore)
    out = x - x.max(1, keepdims=True)
    xp.exp(out, out=out)
    weight = dy if counts is None else dy * counts
    out *= (weight / out.sum(1))[:, None]
    out[xp.arange(x.shape[0]), safe] -= weight
    return out


def _second(g: Tensor, dy: Tensor, x: Tensor, target: Tensor, ignore: int) -> Tensor:
    weight = (dy * (target != ignore)).unsqueeze(1)
    p = softmax(x, 1)
    return weight * p * (g - (p * g).sum(1, keepdim=True))


_cross_entropy_backward: Primitive = Primitive(
    "cross_entropy_backward",
    _cross_entropy_backward_forward,
    vjp={
        "dy": lambda g, x, target, ignore: (
            (softmax(x, 1) * g).sum(1) * (target != ignore) - apply(_pick, g, target, ignore=ignore)
        ),
        "x": _second,
    },
    low_precision=True,
    cuts=lambda params, dy, x, target: [Cut((0, 0, 0), (0,)), Cut(("sum", None, None), ("sum",))],
    samples=lambda make: [((make(4), make(4, 3), _classes(make)), {"ignore": 1})],
    doc="The gradient of cross-entropy.",
)
_cross_entropy: Primitive = Primitive(
    "cross_entropy",
    _cross_entropy_forward,
    vjp={
        "x": lambda g, x, target, ignore: apply(
            _cross_entropy_backward, g, x, target, ignore=ignore
        )
    },
    low_precision=True,
    cuts=lambda params, x, target: [Cut((0, 0), (0,))],
    samples=lambda make: [
        ((make(4, 3), _classes(make)), {"ignore": 1}),
        ((make(4, 3), _classes(make)), {"ignore": -100}),
    ],
    doc="``log(sum(exp(x))) - x[target]`` per row, 0 where the class is to be ignored.",
)


def cross_entropy_rows(x: Tensor, target: Tensor, ignore: int) -> Tensor:
    """``-log_softmax(x)[i, target[i]]`` per row, 0 where ignored; (N, C), (N,) -> (N,)."""
    return apply(_cross_entropy, x, target, ignore=ignore)
