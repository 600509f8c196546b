"""Strides of the whole: where elements would lie if the pieces were one array.

Whether a reshape is a view or a copy, and whether a tensor is contiguous, must be answered alike by
all processes, but a piece of length 1 or 0 does not show in which order its dimensions lie. So it
is not read off the pieces. What an operation makes lies in row order, and views of it are followed.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from isograd.tensor.cuts import groups
from isograd.tensor.primitive import Primitive

__all__ = ["in_row_order", "row_strides", "view_strides"]

Strides = tuple[int, ...]

_ONE = np.zeros(1, np.uint8)
_ON_STRIDES = frozenset(
    ("diagonal", "expand", "narrow", "permute", "slice", "squeeze", "unfold", "unsqueeze")
)  # views that NumPy makes without looking at the memory


def row_strides(shape: tuple[int, ...], item: int) -> Strides:
    """Of an array in row order."""
    out = [item] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        out[d] = out[d + 1] * max(1, shape[d + 1])
    return tuple(out)


def in_row_order(shape: tuple[int, ...], strides: Strides, item: int) -> bool:
    """Whether elements follow each other without gaps, the last dimension first."""
    step = item
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        if n == 0:
            return True
        if n != 1:
            if s != step:
                return False
            step *= n
    return True


def view_strides(primitive: Primitive, source: Any, params: dict[str, Any]) -> Strides | None:
    """Strides of a view of ``source``; None where a reshape has to copy."""
    if primitive.name == "reshape":
        return _reshaped(source.shape, source.strides, params["shape"], source.dtype.itemsize)
    if primitive.name in _ON_STRIDES:
        seen = as_strided(_ONE, source.shape, source.strides, writeable=False)
        return tuple(primitive.forward(np, seen, **params).strides)
    return ()


def _reshaped(shape: Strides, strides: Strides, new: Strides, item: int) -> Strides | None:
    if math.prod(shape) == 0:
        return row_strides(new, item)
    out = [item] * len(new)
    for start, stop, first, last in groups(tuple(shape), tuple(new)):
        dims = [d for d in range(start, stop) if shape[d] != 1]
        if any(strides[a] != strides[b] * shape[b] for a, b in pairwise(dims)):
            return None
        step = strides[dims[-1]] if dims else item
        for d in range(last - 1, first - 1, -1):
            out[d] = step
            step *= new[d]
    return tuple(out)
