"""What the tests of operations in parts share: their values, and a watch on what is moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from isograd.distributed.tensor import moves
from isograd.distributed.tensor.sharded import ShardedArray

__all__ = ["nothing_gathered", "values"]


@contextmanager
def nothing_gathered(most: int) -> Iterator[None]:
    """Fail where a tensor of more than ``most`` elements is brought to other positions."""
    exchanged = moves._exchanged

    def few(x: ShardedArray, target: Any) -> Any:
        inside = all(moves._inside(t, n) for t, n in zip(target.boxes, x.layout.boxes, strict=True))
        assert inside or x.size <= most, f"{x.layout} was brought to {target}"
        return exchanged(x, target)

    with mock.patch.object(moves, "_exchanged", few):
        yield


def values(t: Any) -> Any:
    """All of a tensor as a NumPy array, put together from its pieces."""
    array = t.detach()._array
    if not isinstance(array, ShardedArray):
        return array
    array = moves.placed(array, moves.without_partial(array.layout))
    out = np.zeros(array.shape, array.dtype)
    for (starts, sizes), piece in zip(array.layout.boxes, array.pieces, strict=True):
        out[tuple(slice(s, s + n) for s, n in zip(starts, sizes, strict=True))] = piece
    return out
