"""One epoch's order: the one place where it is made and where its position is kept.

An epoch is known by (epoch, cursor, seed): its number, how many entries were handed out, and the
seed that its workers start from. ``start`` is the generator's state before anything was drawn for
it; from there the same order can be drawn again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isograd.data.sampler import draw_seed
from isograd.tensor.generator import Generator, default_generator

__all__ = ["IndexStream", "Unending"]


class Unending:
    """The order of a stream of samples: there is none, the entries only ask for more.

    Args:
        batch_size: entries are as long as a batch; None for entries that ask for one sample.
    """

    def __init__(self, batch_size: int | None) -> None:
        self._entry = None if batch_size is None else [None] * batch_size

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self._entry


class IndexStream:
    """The entries of ``order`` for one epoch, counted.

    Args:
        order: a batch sampler (entries are lists of indices), a sampler, or `Unending`.
        epoch: 0 for the first pass of the loader.
        generator: what seeds are drawn from; the default generator if None.
        seed: of the workers; drawn if None. Whether it is drawn is torch's choice: workers that
            stay alive keep their seed.
    """

    epoch: int
    cursor: int  # entries handed out to be fetched
    yielded: int  # batches that came out of the loader
    seed: int
    start: NDArray[np.uint8]

    def __init__(
        self,
        order: Iterable[Any],
        epoch: int,
        generator: Generator | None,
        seed: int | None = None,
    ) -> None:
        self.epoch = epoch
        self.cursor = 0
        self.yielded = 0
        self.start = (default_generator if generator is None else generator).state_array()
        self._entries = iter(order)
        self.seed = draw_seed(generator) if seed is None else seed

    def __iter__(self) -> IndexStream:
        return self

    def __next__(self) -> Any:
        entry = next(self._entries)
        self.cursor += 1
        return entry
