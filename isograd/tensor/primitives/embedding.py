"""Rows of a table by number, and the gradient that adds rows back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isograd.tensor.accumulate import accumulate
from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive

__all__ = ["embedding_rows"]


def _forward(xp: Any, weight: Any, index: Any, *, padding: int, by_frequency: bool) -> Any:
    if index.size and xp is np:  # on a device the look would wait for it
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= weight.shape[0]:
            raise IndexError(
                f"index out of range in self: embedding has rows 0 .. {weight.shape[0] - 1}, got "
                f"{low if low < 0 else high}"
            )
    return weight.take(index, axis=0)


def _backward_forward(
    xp: Any, g: Any, index: Any, *, rows: int, padding: int, by_frequency: bool
) -> Any:
    columns = g.shape[index.ndim :]
    values = g.reshape(index.size, math.prod(columns))
    flat = index.reshape(-1)
    if padding >= 0:
        kept = flat != padding
        if xp is np:
            flat, values = flat[kept], values[kept]
        else:  # without asking how many are kept
            values = xp.where(kept[:, None], values, values.dtype.type(0))
    if by_frequency:
        counts = xp.bincount(flat, minlength=rows)
        values = values / counts[flat].astype(values.dtype)[:, None]
    out = xp.zeros((rows, values.shape[1]), g.dtype)
    accumulate(xp, out, flat, values)
    return out.reshape(rows, *columns)


def _regather(g: Tensor, index: Tensor, padding: int, by_frequency: bool) -> Tensor:
    """The transpose of `_backward_forward`: rows again, without those of the padding."""
    out: Tensor = apply(_embedding, g, index, padding=-1, by_frequency=False)
    trailing = (1,) * (g.ndim - 1)
    if padding >= 0:
        out = out * (index != padding).reshape(*index.shape, *trailing)
    if by_frequency:
        counts = index.reshape(-1).bincount(minlength=g.shape[0])
        out = out / counts[index].to(g.dtype).reshape(*index.shape, *trailing)
    return out


def _rows(make: Any) -> Any:
    return make(2, 3, low=0, high=3.99).astype("int64")


_embedding: Primitive = Primitive(
    "embedding",
    _forward,
    vjp={
        "weight": lambda g, index, weight_shape, padding, by_frequency: apply(
            _embedding_backward,
            g,
            index,
            rows=weight_shape[0],
            padding=padding,
            by_frequency=by_frequency,
        )
    },
    cuts=lambda params, weight, index: [
        *(Cut((None, d), (d,)) for d in range(len(index))),
        Cut((1, None), (len(index),)),
        Cut(("sum", None), ("sum",)),
    ],
    samples=lambda make: [((make(4, 2), _rows(make)), {"padding": -1, "by_frequency": False})],
    doc="Rows of a table by number.",
)
_embedding_backward: Primitive = Primitive(
    "embedding_backward",
    _backward_forward,
    vjp={"g": lambda g, index, padding, by_frequency: _regather(g, index, padding, by_frequency)},
    cuts=lambda params, g, index: [
        Cut((len(index), None), (1,)),
        Cut(("sum", None), ("sum",)),
        *(Cut((d, d), ("sum",)) for d in range(len(index)) if not params["by_frequency"]),
    ],
    samples=lambda make: [
        ((make(2, 3, 2), _rows(make)), {"rows": 4, "padding": -1, "by_frequency": False}),
        ((make(2, 3, 2), _rows(make)), {"rows": 4, "padding": 1, "by_frequency": True}),
    ],
    doc="Rows added into a table, but for those of the padding.",
)


def embedding_rows(
    weight: Tensor, index: Tensor, padding: int = -1, by_frequency: bool = False
) -> Tensor:
    """``weight[index]``; the row ``padding`` gets no gradient.

    Args:
        by_frequency: divide each row's gradient by how often the row occurs.
    """
    return apply(_embedding, weight, index, padding=padding, by_frequency=by_frequency)
