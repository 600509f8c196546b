"""One epoch's order: the one place where it is made and where its position is kept.

An epoch is known by (epoch, cursor, seed): its number, how many entries were handed out, and the
seed that its workers start from. `isograd.data.position` saves it and makes it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, TypeAlias

from isograd.data.agreement import entry_digest
from isograd.data.keyed import Keys

__all__ = ["Entry", "IndexStream"]


# What is to be fetched: how many samples come before in the epoch; the indices of a batch, or one
# index; whether a stream should only be moved on. A plain tuple: it is made for each batch.
Entry: TypeAlias = tuple[int, Any, bool]


class IndexStream:
    """The entries of ``order`` for one epoch, counted.

    Args:
        entries: of a batch sampler (lists of indices), a sampler, or `Unending`.
        epoch: 0 for the first pass of the loader.
        seed: of the workers.
        keys: what the samples' random states are made of.
        batches: whether an entry is several indices.
        discard: how many entries only move a stream on.
    """

    epoch: int
    cursor: int  # entries handed out to be fetched
    yielded: int  # batches that came out of the loader
    ended: bool  # whether the epoch came to its end
    seed: int
    keys: Keys
    discard: int

    def __init__(
        self, entries: Iterator[Any], epoch: int, seed: int, keys: Keys, batches: bool,
        discard: int = 0,
    ) -> None:  # fmt: skip
        self.epoch = epoch
        self.cursor = 0
        self.yielded = 0
        self.ended = False
        self.seed = seed
        self.keys = keys
        self.discard = discard
        self._batches = batches
        self._place = 0
        self._out: deque[Any] = deque()  # indices handed out, not yet yielded
        self._last: Any = None
        self._peeked: list[Any] = []
        self._entries = entries

    def __iter__(self) -> IndexStream:
        return self

    def __next__(self) -> Entry:
        indices = self._peeked.pop() if self._peeked else next(self._entries)
        place, length = self._place, 1
        if self._batches:
            try:
                length = len(indices)
            except TypeError:
                indices = list(indices)
                length = len(indices)
        self._place = place + length
        self._out.append(indices)
        skip = self.cursor < self.discard
        self.cursor += 1
        return place, indices, skip

    def count_yielded(self) -> None:
        """A batch came out."""
        self.yielded += 1
        if self._out:
            self._last = self._out.popleft()

    def last_digest(self) -> str | None:
        """Of the indices of the batch that came out last; None where there were none."""
        return None if self._last is None else entry_digest(self._last)

    def jump(self, batches: int, batch_size: int | None) -> None:
        """Take ``batches`` entries as yielded, of an order that needs no drawing."""
        self.cursor = self.yielded = batches
        self._place = batches * (batch_size or 1)

    def move_on(self, batches: int) -> None:
        """Take ``batches`` entries as yielded, and draw what the order draws at its start.

        Raises:
            RuntimeError: if there are fewer.
        """
        for done in range(batches):
            try:
                next(self)
            except StopIteration:
                raise RuntimeError(
                    f"DataLoader: the state was saved after {batches} batches, but the sampler "
                    f"has only {done} now"
                ) from None
            self.count_yielded()
        for entry in self._entries:
            self._peeked.append(entry)
            break
