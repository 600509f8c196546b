"""Samplers: in which order the samples of a dataset are visited.

The draws, and how many the default generator gives, are torch's: a script with ``shuffle=True``
sees the batches it would see there. A sampler without a generator of its own takes one seed from
the default generator for each pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.generator import Generator, default_generator

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "Unending",
    "WeightedRandomSampler",
    "draw_seed",
    "visits_once",
]

T_co = TypeVar("T_co", covariant=True)

_REPLACEMENT_CHUNK = 32  # draws at a time with replacement: what a pass consumes depends on it


def draw_seed(generator: Generator | None = None) -> int:
    """One seed in [0, 2**63) from ``generator`` (the default one if None)."""
    stream = default_generator if generator is None else generator
    return int(stream.random((), np.int64))


def is_positive_integer(value: Any) -> bool:
    """Whether ``value`` is an int (no bool) above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


class Sampler(Generic[T_co]):
    """What an order is: ``__iter__`` gives indices (or lists of them), ``__len__`` their number."""

    def __init__(self, data_source: Any = None) -> None:
        return

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__}: a Sampler needs __iter__, an iterator over indices"
        )


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ..."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A new random order at every pass.

    Args:
        replacement: draw each index independently, so that some come twice.
        num_samples: how many to draw, ``len(data_source)`` if None.
        generator: what draws; if None, a new one, seeded from the default generator.

    Raises:
        TypeError, ValueError: for arguments of the wrong kind, or nothing to draw.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if not is_positive_integer(self.num_samples):
            raise ValueError(
                "num_samples should be a positive integer value, "
                f"but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, stream = len(self.data_source), self.generator
        if stream is None:
            stream = Generator().manual_seed(draw_seed())
        if self.replacement:
            yield from self._independent(stream, n)
            return
        for _ in range(self.num_samples // n):
            yield from stream.randperm(n).tolist()
        # drawn even when nothing is left to give: a generator of the user's is that far on
        yield from stream.randperm(n).tolist()[: self.num_samples % n]

    def _independent(self, stream: Generator, n: int) -> Iterator[int]:
        whole, rest = divmod(self.num_samples, _REPLACEMENT_CHUNK)
        for size in [_REPLACEMENT_CHUNK] * whole + [rest]:
            yield from stream.random((size,), np.int64, 0, n).tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """``indices`` in a new random order at every pass."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        stream = default_generator if self.generator is None else self.generator
        for i in stream.randperm(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities proportional to ``weights``.

    Args:
        weights: one number for each sample; they need not add up to one.
        num_samples: how many to draw.
        replacement: whether an index can be drawn twice.

    Raises:
        ValueError: for arguments of the wrong kind or shape.
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if not is_positive_integer(num_samples):
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        plain = weights.numpy(force=True) if isinstance(weights, Tensor) else weights
        array = np.array(plain, np.float64)
        if array.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {array.shape}"
            )
        self.weights = wrap(array)
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        stream = default_generator if self.generator is None else self.generator
        drawn = stream.multinomial(self.weights._array, self.num_samples, self.replacement)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices of another sampler; the last may be shorter, or dropped.

    Raises:
        ValueError: for a batch size that is no positive integer, or ``drop_last`` no boolean.

    Example:
        >>> list(BatchSampler(SequentialSampler(range(5)), 2, False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not is_positive_integer(batch_size):
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


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


def visits_once(order: Any) -> bool:
    """Whether surely no index comes twice in a pass."""
    if type(order) is BatchSampler:
        return visits_once(order.sampler)
    if type(order) is RandomSampler:
        return not order.replacement and order.num_samples <= len(order.data_source)
    return type(order) is SequentialSampler
