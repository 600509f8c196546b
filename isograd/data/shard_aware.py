"""Datasets that read only their own part: what a loader asks them for.

Such a dataset is an `IterableDataset` that knows how many samples an epoch has. The loader says
which rows of which batches it wants; the dataset says nothing about batches of other positions and
reads as little of them as it can. What a batch consists of depends on (seed, epoch, ``start``,
``batch_size``) alone, so it is the same batch however many processes and workers make it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

__all__ = ["Part", "ShardAware"]


@dataclass(frozen=True)
class Part:
    """The rows of an epoch's batches that one process, or one worker of it, makes.

    Attributes:
        epoch: 0 for the first.
        batch_size: of the whole, global batch. Batch k has the samples ``start + k * batch_size``
            up to the next one; the last one has what is left.
        start: how many samples of the epoch all processes together gave before (resuming).
        positions: into how many runs the rows of each batch are cut, by `isograd.data.view.shares`.
        first, count: the positions wanted.
        worker, workers: only the batches k with ``k % workers == worker`` are wanted.
        drop_last: leave out a last batch that is too short.
        before_sample: called with the number of each sample (0 <= number < len(dataset), the same
            in every epoch) right before it is made: the place to set random state.
    """

    epoch: int
    batch_size: int
    start: int = 0
    positions: int = 1
    first: int = 0
    count: int = 1
    worker: int = 0
    workers: int = 1
    drop_last: bool = False
    before_sample: Callable[[int], None] | None = None


@runtime_checkable
class ShardAware(Protocol):
    """An `IterableDataset` that can be asked for a `Part`."""

    def __len__(self) -> int:
        """Samples in an epoch, over all processes; the same number in each of them."""

    def read_part(self, part: Part) -> Iterator[list[list[Any]]]:
        """For every wanted batch in order: one list of samples for each wanted position.

        Lists can be empty. The lengths of all positions, wanted or not, are
        ``shares(length of the batch, positions)``. No communication.
        """
