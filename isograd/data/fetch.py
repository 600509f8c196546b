"""From indices to a batch, in the main process or in a worker: the same code for both.

Under a global view a fetcher reads the rows of its own positions and gives `Pieces`, a batch for
each; or `Whole`, where the ``collate_fn`` has to see all samples at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from isograd.data.collate import default_collate, default_convert
from isograd.data.cut import Cut
from isograd.data.dataset import IterableDataset, StackDataset, Subset, TensorDataset, samples_of
from isograd.data.index_stream import Entry
from isograd.data.keyed import KeyedState, Keys, draws_nothing, sub_keys
from isograd.data.pieces import Whole
from isograd.data.shard_aware import ShardAware, Share
from isograd.tensor.core import Tensor, wrap

__all__ = ["Epoch", "Fetcher", "MapFetcher", "Reading", "StreamFetcher", "make_fetcher"]

Fetcher = Callable[[Entry], Any]


@dataclass(frozen=True)
class Reading:
    """What a loader reads, and how.

    Attributes:
        batches: whether an entry is a list of indices, rather than one index.
        batch_size: samples in a whole batch of a stream; None where streams give single samples.
        cut: how batches are cut; None without a global view.
        repeats: whether an index can come twice in an epoch.
    """

    dataset: Any
    batches: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    batch_size: int | None = None
    cut: Cut | None = None
    repeats: bool = False

    @property
    def draws(self) -> bool:
        """Whether reading may draw random numbers: whether code of a user's is called."""
        return not self.collates_plainly or not draws_nothing(self.dataset)

    @property
    def collates_plainly(self) -> bool:
        """Whether collating only puts samples together."""
        return self.collate_fn is default_collate or self.collate_fn is default_convert

    @property
    def reads_shares(self) -> bool:
        """Whether the dataset is told which rows to read."""
        return self.batch_size is not None and isinstance(self.dataset, ShardAware)


@dataclass(frozen=True)
class Epoch:
    """What a fetcher must know of one epoch.

    Attributes:
        start: batches that an earlier run has read, and that the stream has left behind.
    """

    number: int = 0
    seed: int = 0
    keys: Keys = (0, 0, 0)
    start: int = 0


def make_fetcher(
    reading: Reading, epoch: Epoch, worker: int | None = None, workers: int = 1
) -> Fetcher:
    """The function of one entry of the index stream that gives a batch.

    Args:
        worker: its number, one of ``workers``; None in the main process.
    """
    if not isinstance(reading.dataset, IterableDataset):
        places = reading.repeats
        state = KeyedState(epoch.keys, places, worker is None) if reading.draws else None
        fetcher = MapFetcher(reading, state)
        return fetcher.fetch if state is None else fetcher
    if reading.reads_shares:
        return ShareFetcher(reading, epoch, worker, workers)
    return StreamFetcher(reading, epoch, worker)


class _Fetcher:
    """What all fetchers share: random states, collating, cutting."""

    def __init__(self, reading: Reading, state: KeyedState | None) -> None:
        self._dataset = reading.dataset
        self._cut = reading.cut
        self._batches = reading.batches
        self._drop_last = reading.drop_last
        self._collate_fn = reading.collate_fn
        self._state = state
        self._drawing: AbstractContextManager[None] = nullcontext() if state is None else state
        self._seeds_collate = state is not None and not reading.collates_plainly

    def _collate(self, samples: Any, place: int) -> Any:
        if self._seeds_collate and self._state is not None:
            self._state.collate(place)
        return self._collate_fn(samples)

    def _of_view(self, value: Any, length: int | None) -> Any:
        return value if self._cut is None else Whole(value, length)

    def _joined(self, samples: Sequence[Any], length: int, begin: int, place: int) -> Any:
        """A batch of ``length`` out of its rows from ``begin`` on."""
        cut = self._cut
        if cut is None or cut.whole:
            return self._of_view(self._collate(samples, place), length)
        return cut.pieces(
            length, lambda a, b: self._collate(samples[a - begin : b - begin], place + a)
        )


class MapFetcher(_Fetcher):
    """Looks samples up by index."""

    def __init__(self, reading: Reading, state: KeyedState | None) -> None:
        super().__init__(reading, state)
        self._whole_rows = reading.batches and reading.collate_fn is default_collate
        self._at_once = draws_nothing(reading.dataset) or _fetches_many(reading.dataset)
        self._seeds_samples = state is not None and not draws_nothing(reading.dataset)

    def __call__(self, entry: Entry) -> Any:
        with self._drawing:
            return self.fetch(entry)

    def fetch(self, entry: Entry) -> Any:
        """The batch, without putting the script's random states back."""
        place, indices, _ = entry
        if not self._batches:
            self._seed(indices, place)
            length = len(indices) if isinstance(indices, list | tuple | np.ndarray) else None
            return self._of_view(self._collate(self._dataset[indices], place), length)
        if self._cut is None or self._cut.whole:
            return self._of_view(self._batch(indices, place), len(indices))
        return self._cut.pieces(len(indices), lambda a, b: self._batch(indices[a:b], place + a))

    def _batch(self, indices: Any, place: int) -> Any:
        if self._whole_rows:
            rows = _rows(self._dataset, indices)
            if rows is not None:
                return rows
        samples = self._samples(indices, place)
        try:
            return self._collate(samples, place)
        except Exception as error:
            error.add_note(f"while collating the samples {_shown(indices)}")
            raise

    def _samples(self, indices: Any, place: int) -> Sequence[Any]:
        if self._at_once:
            self._seed(next(iter(indices), 0), place)
            return samples_of(self._dataset, indices)
        samples = []
        for index in indices:
            self._seed(index, place)
            samples.append(self._dataset[index])
            place += 1
        return samples

    def _seed(self, index: Any, place: int) -> None:
        if self._seeds_samples and self._state is not None:
            self._state.sample(index, place)


class StreamFetcher(_Fetcher):
    """Takes the next samples; raises ``StopIteration`` when there is no batch left.

    Under a global view every process goes through the whole stream, since nothing else is known
    of it, and collates its own rows.
    """

    def __init__(self, reading: Reading, epoch: Epoch, worker: int | None) -> None:
        keys = sub_keys(epoch.keys, worker or 0)
        super().__init__(reading, KeyedState(keys, False, restore=worker is None))
        self._place = epoch.start * (reading.batch_size or 1)
        with self._drawing:
            self._seed()
            self._samples: Iterator[Any] = iter(reading.dataset)
        self._ended = False

    def __call__(self, entry: Entry) -> Any:
        """Only the length of ``entry`` matters."""
        if self._ended:
            raise StopIteration
        _, wanted, skip = entry
        with self._drawing:
            place = self._place
            if not self._batches:
                sample = next(self._seeded())
                return None if skip else self._of_view(self._collate(sample, place), None)
            samples = list(islice(self._seeded(), len(wanted)))
            self._ended = len(samples) < len(wanted)
            if not samples or (self._ended and self._drop_last):
                raise StopIteration
            return None if skip else self._joined(samples, len(samples), 0, place)

    def _seeded(self) -> Iterator[Any]:
        while True:
            self._seed()
            try:
                sample = next(self._samples)
            except StopIteration:
                return
            self._place += 1
            yield sample

    def _seed(self) -> None:
        if self._state is not None:
            self._state.sample(self._place, self._place)


class ShareFetcher(_Fetcher):
    """Takes from a `ShardAware` dataset the rows of our positions, batch by batch."""

    def __init__(self, reading: Reading, epoch: Epoch, worker: int | None, workers: int) -> None:
        super().__init__(reading, KeyedState(epoch.keys, False, restore=worker is None))
        cut = reading.cut
        ours = (1, 0, 1) if cut is None or cut.whole else (cut.positions, cut.first, cut.count)
        self._share = Share(
            reading.batch_size or 1,
            *ours,
            worker=worker or 0,
            workers=workers,
            start=epoch.start,
            epoch=epoch.number,
            seed=epoch.seed,
        )
        with self._drawing:
            self._items = iter(reading.dataset.read_share(self._share))

    def __call__(self, entry: Entry) -> Any:
        place = entry[0]
        with self._drawing:
            if self._state is not None:
                self._state.sample(place, 0)
            length, source = next(self._items)
            if length < self._share.batch_size and self._drop_last:
                raise StopIteration
            rows = self._share.rows(length)
            samples = self._read(source, place + rows.start)
            if len(samples) != len(rows):
                raise RuntimeError(
                    f"{type(self._dataset).__name__}.read_share gave {len(samples)} samples of a "
                    f"batch of {length}, expected rows {rows.start} to {rows.stop - 1}"
                )
            return self._joined(samples, length, rows.start, place)

    def _read(self, source: Iterable[Any], place: int) -> list[Any]:
        samples: list[Any] = []
        items = iter(source)
        while True:
            if self._state is not None:
                self._state.sample(place + len(samples), 0)
            try:
                samples.append(next(items))
            except StopIteration:
                return samples


def _fetches_many(dataset: Any) -> bool:
    """Whether a batch is fetched by one call of code that is not ours."""
    if type(dataset) is Subset:
        return _fetches_many(dataset.dataset)
    if type(dataset) is StackDataset:
        held = dataset.datasets
        return any(map(_fetches_many, held.values() if isinstance(held, dict) else held))
    return hasattr(dataset, "__getitems__")


def _rows(dataset: Any, indices: Sequence[int]) -> list[Tensor] | None:
    """What collating a `TensorDataset`'s samples gives, taken out of its tensors at once.

    None where a subclass changed how samples are made, or gradients flow into the tensors.
    """
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset:
        return None
    arrays = [tensor._array for tensor in dataset.tensors]
    for tensor, array in zip(dataset.tensors, arrays):
        if tensor._requires_grad or array.__class__ is not np.ndarray:
            return None
    which = np.asarray(indices)
    if which.ndim != 1 or which.dtype.kind != "i":
        return None
    return [wrap(array.take(which, axis=0)) for array in arrays]


def _shown(indices: Any) -> str:
    text = [str(i) for i in islice(iter(indices), 17)]
    return ", ".join(text[:16]) + (", ..." if len(text) > 16 else "")
