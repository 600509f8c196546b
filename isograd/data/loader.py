"""`DataLoader`: batches of a dataset, in order or shuffled, made here or by worker processes.

For the same seed the order is torch's, and as many numbers are taken from the default generator,
so what a script draws besides stays the same too.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

from isograd.data.collate import default_collate, default_convert
from isograd.data.dataset import IterableDataset
from isograd.data.fetch import make_fetcher
from isograd.data.index_stream import IndexStream, Unending
from isograd.data.iteration import LoaderIterator, SerialIterator, WorkerIterator
from isograd.data.pin import can_pin
from isograd.data.pool import WorkerPool, choose_context
from isograd.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from isograd.data.worker import Job
from isograd.tensor.generator import Generator

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader(Generic[T_co]):
    """Iterating gives batches; every ``iter`` is one epoch.

    Args:
        dataset: by index (``__getitem__``, ``__len__``) or an `IterableDataset`.
        batch_size: samples in a batch; None gives single samples, only converted to tensors.
        shuffle: a new random order every epoch.
        sampler: an iterable of indices, instead of ``shuffle``.
        batch_sampler: an iterable of lists of indices, instead of the four before and drop_last.
        num_workers: processes that fetch ahead; 0 fetches in this process.
        collate_fn: from a list of samples to a batch; `default_collate` if None.
        pin_memory: batches in page-locked memory (needs a GPU; else a warning).
        drop_last: leave out a last batch that is too short.
        timeout: seconds to wait for a worker's batch; 0 for ever.
        worker_init_fn: called with its number in each worker after seeding.
        multiprocessing_context: start method or context of the workers. By default they are
            forked, or spawned once a CUDA tensor exists.
        generator: draws the order and the workers' seed; the default generator if None.
        prefetch_factor: batches that each worker prepares ahead (2).
        persistent_workers: keep the workers from one epoch to the next.
        pin_memory_device: the kind of device to pin for, "cuda" or "".
        in_order: give batches in order even when a later one is ready first.

    Raises:
        TypeError, ValueError: for arguments of the wrong kind, or that exclude each other.

    Example:
        >>> len(DataLoader(range(10), batch_size=4))
        3
    """

    dataset: Any
    batch_size: int | None
    sampler: Any
    batch_sampler: Any
    drop_last: bool

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(
                f"DataLoader: expected generator to be a Generator, got {type(generator).__name__}"
            )
        if pin_memory_device not in ("", "cpu") and not pin_memory_device.startswith("cuda"):
            raise ValueError(
                f"DataLoader: pin_memory_device should be 'cuda', got {pin_memory_device!r}"
            )
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.in_order = in_order
        self.persistent_workers = persistent_workers
        self._set_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self._announced: int | None = None  # the length that len() gave for an IterableDataset
        self._epochs = 0
        self._stream: IndexStream | None = None
        self._pool: WorkerPool | None = None
        self.check_worker_number_rationality()
        self._initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_initialized" in self.__dict__:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def _set_order(
        self, batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: Any
    ) -> None:
        streams = isinstance(self.dataset, IterableDataset)
        if streams:
            _check_stream(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, "
                    "sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive "
                "with drop_last"
            )
        if sampler is None:
            if streams:
                sampler = Unending(None)
            elif shuffle:
                sampler = RandomSampler(self.dataset, generator=self.generator)
            else:
                sampler = SequentialSampler(self.dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    @property
    def batches_yielded(self) -> int:
        """How many batches of the latest epoch came out."""
        return 0 if self._stream is None else self._stream.yielded

    @property
    def multiprocessing_context(self) -> Any:
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            context = _checked_context(context, self.num_workers)
        self._context = context

    def __iter__(self) -> Iterator[T_co]:
        pin = self.pin_memory and can_pin()
        if self.num_workers == 0:
            stream = self._open_epoch(None)
            fetch = make_fetcher(
                self.dataset, self._auto_collation, self.collate_fn, self.drop_last
            )
            return SerialIterator(stream, pin, self._expected, fetch)
        return self._with_workers(pin)

    def _with_workers(self, pin: bool) -> LoaderIterator:
        pool = self._pool
        if pool is None or pool.closed:
            stream = self._open_epoch(None)
            job = Job(
                dataset=self.dataset,
                batches=self._auto_collation,
                collate_fn=self.collate_fn,
                drop_last=self.drop_last,
                init_fn=self.worker_init_fn,
                num_workers=self.num_workers,
                seed=stream.seed,
            )
            pool = WorkerPool(job, choose_context(self._context))
            if self.persistent_workers:
                self._pool = pool
        else:
            stream = self._open_epoch(pool.seed)
        return WorkerIterator(
            stream, pin, self._expected, pool,
            prefetch=self.prefetch_factor or 0, timeout=self.timeout, in_order=self.in_order,
            keep_workers=self.persistent_workers,
        )  # fmt: skip

    def _open_epoch(self, seed: int | None) -> IndexStream:
        self._stream = IndexStream(self._index_sampler, self._epochs, self.generator, seed)
        self._epochs += 1
        return self._stream

    def _expected(self) -> tuple[int, str] | None:
        if self._announced is None:
            return None
        return self._announced, f"Length of IterableDataset {self.dataset} was reported to be "

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        n = self._announced = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than there are CPUs for this process."""
        cpus = _cpus()
        if self.num_workers > cpus:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {cpus}, which is smaller "
                "than what this DataLoader is going to create. Please be aware that excessive "
                "worker creation might get DataLoader running slow or even freeze, lower the "
                "worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=3,
            )


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_workers(num_workers: int, timeout: float, prefetch: Any, persistent: bool) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch is not None and prefetch < 1:
        raise ValueError(
            f"prefetch_factor option should be non-negative and not zero, but got {prefetch}"
        )
    if persistent and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    options = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, "
                f"but got {name}={value}"
            )


def _checked_context(context: Any, num_workers: int) -> Any:
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading "
            f"(num_workers > 0), but got num_workers={num_workers}"
        )
    if isinstance(context, str):
        valid = multiprocessing.get_all_start_methods()
        if context not in valid:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{valid}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    return context
