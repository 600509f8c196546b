"""From indices to a batch, in the main process or in a worker: the same code for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from isograd.data.collate import default_collate
from isograd.data.dataset import IterableDataset, Subset, TensorDataset, samples_of
from isograd.tensor.core import Tensor, wrap

__all__ = ["Fetcher", "IterableFetcher", "MapFetcher", "make_fetcher"]

Fetcher = Callable[[Any], Any]


def make_fetcher(
    dataset: Any, batches: bool, collate_fn: Callable[[Any], Any], drop_last: bool
) -> Fetcher:
    """The function of one entry of the index stream that gives a batch.

    Args:
        batches: whether an entry is a list of indices, rather than one index.
    """
    if isinstance(dataset, IterableDataset):
        return IterableFetcher(dataset, batches, collate_fn, drop_last)
    return MapFetcher(dataset, batches, collate_fn)


class IterableFetcher:
    """Takes the next samples; raises ``StopIteration`` when there is no batch left."""

    def __init__(
        self, dataset: Any, batches: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self._samples: Iterator[Any] = iter(dataset)
        self._batches = batches
        self._collate = collate_fn
        self._drop_last = drop_last
        self._ended = False

    def __call__(self, entry: Any) -> Any:
        """Only the length of ``entry`` matters."""
        if self._ended:
            raise StopIteration
        if not self._batches:
            return self._collate(next(self._samples))
        samples = list(islice(self._samples, len(entry)))
        self._ended = len(samples) < len(entry)
        if not samples or (self._ended and self._drop_last):
            raise StopIteration
        return self._collate(samples)


class MapFetcher:
    """Looks samples up by index."""

    def __init__(self, dataset: Any, batches: bool, collate_fn: Callable[[Any], Any]) -> None:
        self._dataset = dataset
        self._batches = batches
        self._collate = collate_fn
        self._whole_rows = batches and collate_fn is default_collate

    def __call__(self, entry: Any) -> Any:
        if not self._batches:
            return self._collate(self._dataset[entry])
        if self._whole_rows:
            rows = _rows(self._dataset, entry)
            if rows is not None:
                return rows
        samples = samples_of(self._dataset, entry)
        try:
            return self._collate(samples)
        except Exception as error:
            error.add_note(f"while collating the samples {_shown(entry)}")
            raise


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
