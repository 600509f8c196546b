"""Streams that read only what this process needs: the contract between them and the loader.

A plain `IterableDataset` is read whole by every process, which keeps its own rows of each batch. A
stream that can find a sample without reading those before it does better: it writes `read_share`,
which is told the batches' length and which rows of each are wanted, and reads these alone. It has
to know the order of its samples (as numbers, names, offsets) on every process alike; it decides
there what belongs to which batch, so the batches are the same at any number of processes, workers
and positions, and each sample comes once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from isograd.data.view import shares

__all__ = ["Share", "ShardAware"]


@dataclass(frozen=True)
class Share:
    """What one process (or one worker of it) reads of one epoch.

    Batch b of the epoch holds the samples ``b * batch_size`` up to (not including)
    ``(b + 1) * batch_size`` of the stream; the last one may be shorter.

    Attributes:
        batch_size: samples in a whole batch, all processes together.
        positions, first, count: a batch is cut over ``positions``; ours are ``count`` of them from
            ``first`` on. 1, 0, 1 without a global view, or where every process wants all.
        worker, workers: of every ``workers`` batches in turn, only the one of number ``worker``.
        start: the epoch's first batch that is wanted; the ones before were read by an earlier run.
        epoch: the loader's count of passes, from 0.
        seed: the loader's for this epoch; with ``epoch`` it decides a shuffled order.
    """

    batch_size: int
    positions: int = 1
    first: int = 0
    count: int = 1
    worker: int = 0
    workers: int = 1
    start: int = 0
    epoch: int = 0
    seed: int = 0

    def wants(self, batch: int) -> bool:
        """Whether batch number ``batch`` of the epoch is to be given."""
        return batch >= self.start and (batch - self.start) % self.workers == self.worker

    def rows(self, length: int) -> range:
        """The rows of a batch of ``length`` samples that are wanted.

        At least one: where our positions are empty it is row 0, whose shapes and dtypes they take.

        Example:
            >>> Share(batch_size=8, positions=4, first=1, count=2).rows(6)
            range(2, 5)
        """
        lengths = shares(length, self.positions)
        begin = sum(lengths[: self.first])
        end = begin + sum(lengths[self.first : self.first + self.count])
        return range(begin, end) if begin < end else range(min(length, 1))


@runtime_checkable
class ShardAware(Protocol):
    """A stream that can read a part of itself."""

    def read_share(self, share: Share) -> Iterator[tuple[int, Iterable[Any]]]:
        """One item for each batch that ``share.wants``, in order.

        An item is ``(length, samples)``: how many samples the whole batch has, and those of
        ``share.rows(length)``, in order. ``samples`` may be a generator: the loader sets the random
        state of each sample right before it asks for it, so that what reading a sample draws
        depends on nothing but its place in the epoch. It asks for all of them before the next item.

        Lengths, and how many items there are, must come out the same on all processes: whether a
        broken part is left out is decided before, not by the process that happens to read it. No
        communication in here: a worker may be the one that calls.
        """
