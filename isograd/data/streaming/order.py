"""The order of an epoch's samples: lanes, and a bounded shuffle buffer in each.

All N samples, shard after shard in a shuffled order of the shards, are cut into L equal runs: the
lanes. Each lane passes its run through a shuffle buffer of its own. Sample g of the epoch is
sample g // L of lane g % L, and within a batch rows are sorted by lane. So

- the order depends on (seed, epoch, shards, L, buffer), not on how many processes read;
- a contiguous run of a batch's rows needs few lanes, hence few shards;
- where a lane stands after n samples is known without reading: ``shares(n, L)``.

Buffers hold numbers of samples, not their bytes, so the order can be run ahead of the reading.
See docs/decisions/0009-streams-have-lanes.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from isograd.data.streaming.permutation import mix
from isograd.data.view import shares
from isograd.tensor.philox import philox_bits

__all__ = ["EpochOrder", "LaneOrder"]

_SHARD_DRAW = 0  # numbers of draws: one for the order of the shards, one for each lane
_DRAWS = 1 << 12  # words drawn at a time


class LaneOrder:
    """The numbers ``first, ..., first + length - 1`` in the order they leave a shuffle buffer.

    Args:
        size: the most numbers held back; 1 keeps the order.
        initial: held back before the first leaves; from there two are read for each that leaves.
        seed, draw: key of the draws.
    """

    def __init__(
        self, first: int, length: int, size: int, initial: int, seed: int, draw: int
    ) -> None:
        self._next = first
        self._stop = first + length
        self._size = size
        self._initial = initial
        self._key = seed, draw
        self._drawn = 0
        self._words: list[int] = []
        self.held: list[int] = []
        self.left = 0  # how many have left

    @property
    def entered(self) -> int:
        """Every number below this one has been in the buffer."""
        return self._next

    def step(self) -> int:
        """The number that leaves next.

        Raises:
            StopIteration: when all have left.
        """
        held = self.held
        while self._next < self._stop and len(held) < self._initial:
            self._enter()
        if not held:
            raise StopIteration
        which = self._draw() * len(held) >> 32 if self._size > 1 else 0
        held[which], held[-1] = held[-1], held[which]
        out = held.pop()
        self.left += 1
        for _ in range(2):
            if self._next < self._stop and len(held) < self._size:
                self._enter()
        return out

    def _enter(self) -> None:
        self.held.append(self._next)
        self._next += 1

    def _draw(self) -> int:
        if not self._words:
            seed, draw = self._key
            span = slice(self._drawn, self._drawn + _DRAWS)
            self._words = philox_bits(np, seed, draw, (span.stop,), (span,)).tolist()
            self._words.reverse()
            self._drawn = span.stop
        return self._words.pop()


class EpochOrder:
    """Which sample of which shard comes when.

    Args:
        counts: samples in each shard.
        lanes: L, at least 1.
        buffer: numbers held back in all lanes together; 1 or less shuffles no samples.
        initial: of ``buffer``, how many before the first leaves; ``buffer`` if None.
        shuffle_shards: whether the shards come in another order each epoch.
    """

    def __init__(
        self,
        counts: Sequence[int],
        *,
        lanes: int,
        buffer: int = 0,
        initial: int | None = None,
        shuffle_shards: bool = False,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        self._seed = mix(mix(seed & (1 << 64) - 1) ^ epoch)
        self.total = sum(counts)
        self.lanes = lanes
        self._shards = self._shard_order(len(counts), shuffle_shards)
        self._ends = np.cumsum([counts[s] for s in self._shards], dtype=np.int64)
        self._begins = self._ends - np.array([counts[s] for s in self._shards], np.int64)
        self._bounds = [0, *accumulate(shares(self.total, lanes))]
        self._size = max(1, -(-buffer // lanes))
        wanted = self._size if initial is None else -(-initial // lanes)
        self._initial = min(max(1, wanted), self._size)

    def _shard_order(self, n: int, shuffle: bool) -> NDArray[np.int64]:
        if not shuffle or n < 2:
            return np.arange(n)
        words = philox_bits(np, self._seed, _SHARD_DRAW, (n, 2)).astype(np.uint64)
        return np.argsort(words[:, 0] << np.uint64(32) | words[:, 1], kind="stable")

    def lane(self, lane: int) -> LaneOrder:
        """A lane's order, from its start."""
        first, stop = self._bounds[lane], self._bounds[lane + 1]
        return LaneOrder(
            first, stop - first, self._size, self._initial, self._seed, _SHARD_DRAW + 1 + lane
        )

    def locate(self, number: int) -> tuple[int, int]:
        """(shard, sample in the shard) of a number that a `LaneOrder` gave."""
        place = int(np.searchsorted(self._ends, number, side="right"))
        return int(self._shards[place]), number - int(self._begins[place])

    def rows(self, start: int, stop: int, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Where rows ``first`` to ``last - 1`` of the batch of samples start to stop - 1 come from.

        Yields:
            (lane, from, to): samples from, ..., to - 1 of the lane, in the order of the rows.
        """
        row = 0
        begins, ends = shares(start, self.lanes), shares(stop, self.lanes)
        for lane, (begin, end) in enumerate(zip(begins, ends)):
            here = begin + max(0, first - row), begin + min(end - begin, last - row)
            if here[0] < here[1]:
                yield lane, *here
            row += end - begin
