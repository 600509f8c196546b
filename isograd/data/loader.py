"""`DataLoader`: batches of a dataset, in order or shuffled, made here or by worker processes.

For the same seed the order is torch's, and as many numbers are taken from the default generator,
so what a script draws besides stays the same too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import BaseContext
from typing import Any, Generic, Literal, TypeVar

from isograd.data.collate import default_collate, default_convert
from isograd.data.cut import Cut
from isograd.data.dataset import IterableDataset
from isograd.data.distributed_sampler import DistributedSampler
from isograd.data.fetch import Reading, make_fetcher
from isograd.data.index_stream import IndexStream
from isograd.data.iteration import LoaderIterator, SerialIterator, WorkerIterator
from isograd.data.loader_checks import (
    check_order,
    check_stream,
    check_workers,
    checked_context,
    usable_cpus,
)
from isograd.data.per_sample import is_per_sample
from isograd.data.pieces import Joiner
from isograd.data.pin import can_pin
from isograd.data.pool import WorkerPool, choose_context
from isograd.data.position import Position
from isograd.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    Unending,
    visits_once,
)
from isograd.data.shard_aware import ShardAware
from isograd.data.view import GlobalView, current_view
from isograd.data.worker import Job, get_worker_info
from isograd.tensor.generator import Generator

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)

_FACTS = {
    "length": "a dataset of length",
    "batch_size": "batch_size",
    "num_workers": "num_workers (the order of a stream depends on it)",
}
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader(Generic[T_co]):
    """Iterating gives batches; every ``iter`` is one epoch.

    Under a global view (``isograd run``) a batch is that of all processes: its tensors are global,
    and each process reads the samples of its own rows alone.

    Args:
        dataset: by index (``__getitem__``, ``__len__``) or an `IterableDataset`.
        batch_size: samples in a batch; None gives single samples, only converted to tensors.
        shuffle: a new random order every epoch.
        sampler: an iterable of indices, instead of ``shuffle``.
        batch_sampler: an iterable of lists of indices, instead of the four before and drop_last.
        num_workers: processes that fetch ahead; 0 fetches in this process.
        collate_fn: from a list of samples to a batch; `default_collate` if None. Under a global
            view it gets whole batches on every process, unless it is marked by `per_sample`.
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
        in_order: give batches in order even when a later one is ready first; always so under a
            global view.

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
        check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
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
        self._position = Position(self._index_sampler, generator)
        self._warned = False
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
            check_stream(shuffle, sampler, batch_sampler)
        check_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
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
    def _reads_shares(self) -> bool:
        return self.batch_size is not None and isinstance(self.dataset, ShardAware)

    @property
    def _dataset_keeps_state(self) -> bool:
        """Whether the dataset's position is its own matter; one that reads shares is told ours."""
        names = ("state_dict", "load_state_dict")
        return not self._reads_shares and all(hasattr(self.dataset, name) for name in names)

    @property
    def _stream(self) -> IndexStream | None:
        return self._position.stream

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
            context = checked_context(context, self.num_workers)
        self._context = context

    def __iter__(self) -> Iterator[T_co]:
        pin = self.pin_memory and can_pin()
        view = self._view()
        reading = self._reading(view)
        joiner = None if view is None else Joiner(view, self._agreement())
        if self.num_workers == 0:
            stream, epoch = self._position.open(reading, view, None, self._facts())
            fetch = make_fetcher(reading, epoch)
            return SerialIterator(stream, pin, self._expected, joiner, fetch)
        return self._with_workers(reading, view, joiner, pin)

    def _with_workers(
        self, reading: Reading, view: GlobalView | None, joiner: Joiner | None, pin: bool
    ) -> LoaderIterator:
        pool = self._pool
        if pool is not None and pool.cut != reading.cut:
            pool.close()
        seed = None if pool is None or pool.closed else pool.seed
        stream, epoch = self._position.open(reading, view, seed, self._facts())
        if pool is None or pool.closed:
            job = Job(reading, self.worker_init_fn, self.num_workers, stream.seed)
            pool = WorkerPool(job, choose_context(self._context))
            if self.persistent_workers:
                self._pool = pool
        return WorkerIterator(
            stream, pin, self._expected, joiner, pool, epoch,
            prefetch=self.prefetch_factor or 0, timeout=self.timeout,
            in_order=self.in_order or view is not None, keep_workers=self.persistent_workers,
        )  # fmt: skip

    def _view(self) -> GlobalView | None:
        """The view that batches are made for; none where the script shares the data out itself."""
        order = self._index_sampler
        by_hand = isinstance(self.sampler, DistributedSampler) or isinstance(
            getattr(order, "sampler", order), DistributedSampler
        )
        return None if by_hand or get_worker_info() is not None else current_view()

    def _reading(self, view: GlobalView | None) -> Reading:
        whole = not is_per_sample(self.collate_fn)
        if view is not None and whole and self._auto_collation and view.size > 1:
            self._warn_of_whole_batches()
        return Reading(
            self.dataset, self._auto_collation, self.collate_fn, self.drop_last,
            batch_size=self.batch_size,
            cut=None if view is None else Cut.of(view, whole),
            repeats=not visits_once(self._index_sampler),
        )  # fmt: skip

    def _warn_of_whole_batches(self) -> None:
        if not self._warned:
            self._warned = True
            name = getattr(self.collate_fn, "__name__", repr(self.collate_fn))
            warnings.warn(
                f"DataLoader: every rank loads whole batches, since collate_fn={name} may mix "
                "samples. If it treats each sample by itself, mark it with "
                "isograd.utils.data.per_sample, and each rank loads only its own samples.",
                stacklevel=4,
            )

    def _agreement(self) -> Literal["never", "end", "always"]:
        if not isinstance(self.dataset, IterableDataset):
            return "never"
        return "end" if self._reads_shares else "always"

    def _facts(self) -> dict[str, Any]:
        """What a position is only good for."""
        streams = isinstance(self.dataset, IterableDataset)
        sized = not streams and hasattr(self.dataset, "__len__")
        by_workers = streams and not self._reads_shares
        return {
            "length": len(self.dataset) if sized else None,
            "batch_size": self.batch_size,
            "num_workers": self.num_workers if by_workers else None,
        }

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: after the batches of this epoch that came out so far.

        Batches fetched ahead do not count. Save it together with the random states of the script;
        it loads with another number of workers and processes. The ``state_dict`` of a dataset that
        has one comes along.

        Raises:
            RuntimeError: with ``in_order=False`` and workers: what came out has no order.
        """
        if self.num_workers > 0 and not self.in_order:
            raise RuntimeError(
                "DataLoader.state_dict: with in_order=False and workers a number of batches does "
                "not say which came out; use in_order=True"
            )
        dataset = self.dataset.state_dict() if self._dataset_keeps_state else None
        return {**self._position.state(), **self._facts(), "dataset": dataset}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The next ``iter`` continues where ``state_dict`` was taken.

        Samples that were read are left out without reading them again; a stream is gone through,
        unless it has a ``state_dict`` (and ``num_workers=0``) or can start anywhere (`ShardAware`).

        Raises:
            ValueError: for a state of another dataset length, batch size, or, for plain streams,
                number of workers.
        """
        for name, value in self._facts().items():
            if name in state_dict and state_dict[name] != value:
                raise ValueError(
                    f"DataLoader.load_state_dict: the state was saved with {_FACTS[name]} "
                    f"{state_dict[name]}, but this loader has {value}"
                )
        streams = isinstance(self.dataset, IterableDataset)
        keeps = self._dataset_keeps_state and state_dict.get("dataset") is not None
        moved = streams and keeps and self.num_workers == 0
        self._position.load({**state_dict, "dataset_moved": moved})
        if keeps:
            self.dataset.load_state_dict(state_dict["dataset"])

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
        cpus = usable_cpus()
        if self.num_workers > cpus:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {cpus}, which is smaller "
                "than what this DataLoader is going to create. Please be aware that excessive "
                "worker creation might get DataLoader running slow or even freeze, lower the "
                "worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=3,
            )
