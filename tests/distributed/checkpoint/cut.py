"""A tensor of which each rank holds some rows, as small as `distributed.checkpoint` needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.data.view import shares
from isograd.tensor.core import Tensor, wrap


class CutArray:
    """Rows ``first`` to ``first + len(piece)`` of an array of a global shape."""

    def __init__(self, shape: tuple[int, ...], first: int, piece: Any) -> None:
        self.shape, self.first, self.piece = shape, first, piece
        self.dtype = piece.dtype
        self.boxes: list[Any] = []  # what was read to fill it

    def own_parts(self) -> list[tuple[tuple[int, ...], Any]]:
        return [((self.first,) + (0,) * (len(self.shape) - 1), self.piece)]

    def fill_from(self, read: Callable[[tuple[int, ...], tuple[int, ...]], Any]) -> None:
        offsets = (self.first,) + (0,) * (len(self.shape) - 1)
        self.boxes.append((offsets, self.piece.shape))
        self.piece[...] = read(offsets, self.piece.shape)


def cut(whole: Any, rank: int, size: int) -> Tensor:
    """This rank's share of the rows of ``whole``."""
    lengths = shares(len(whole), size)
    first = sum(lengths[:rank])
    tensor = wrap(np.zeros(()))
    piece = np.array(whole[first : first + lengths[rank]])
    tensor._array = CutArray(whole.shape, first, piece)  # type: ignore[assignment]
    return tensor
