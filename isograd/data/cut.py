"""Which rows of a batch belong to which position, without a communicator: workers know it, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from isograd.data.pieces import Pieces, emptied
from isograd.data.view import GlobalView, shares

__all__ = ["Cut"]


@dataclass(frozen=True)
class Cut:
    """A batch is cut over ``positions``; ``count`` of them, from ``first`` on, are ours.

    Attributes:
        whole: every process makes the whole batch and cuts it afterwards, because the
            ``collate_fn`` may mix samples.
    """

    positions: int
    first: int
    count: int
    whole: bool = False

    @classmethod
    def of(cls, view: GlobalView, whole: bool) -> Cut:
        """Our part of ``view``."""
        return cls(view.positions, view.first, view.count, whole)

    def bounds(self, length: int) -> list[tuple[int, int]]:
        """(first row, row after the last) of each of our positions in a batch of ``length``.

        Example:
            >>> Cut(4, 1, 2).bounds(6)
            [(2, 4), (4, 5)]
        """
        ends = list(accumulate(shares(length, self.positions), initial=0))
        return list(zip(ends, ends[1:]))[self.first : self.first + self.count]

    def pieces(self, length: int, make: Callable[[int, int], Any]) -> Pieces:
        """One batch per position of ours.

        A position without rows takes a batch from another of ours, cut to length 0; where all are
        without, row 0 is read for its shapes and dtypes.

        Args:
            make: the batch of the rows from the first argument up to (not including) the second.
        """
        made = [make(start, end) if start < end else None for start, end in self.bounds(length)]
        if None in made:
            model = next((piece for piece in made if piece is not None), None)
            empty = emptied(make(0, 1) if model is None else model)
            made = [empty if piece is None else piece for piece in made]
        return Pieces(made, length)
