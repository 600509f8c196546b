"""One pass over a loader: in the main process, or spread over its workers."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

from isograd.data.failure import ExceptionWrapper
from isograd.data.fetch import Epoch, Fetcher
from isograd.data.index_stream import IndexStream
from isograd.data.pieces import Joiner
from isograd.data.pin import pin_memory
from isograd.data.pool import WorkerPool

__all__ = ["LoaderIterator", "SerialIterator", "WorkerIterator"]


class LoaderIterator:
    """The batches of one epoch.

    Args:
        stream: the epoch's order.
        pin: put batches into pinned memory.
        expected: the number of batches announced by a dataset without indices, for a warning
            when there are more.
        joiner: makes the global batches; None without a global view.
    """

    def __init__(
        self,
        stream: IndexStream,
        pin: bool,
        expected: Callable[[], tuple[int, str] | None],
        joiner: Joiner | None,
    ) -> None:
        self._stream = stream
        self._pin = pin
        self._expected = expected
        self._joiner = joiner
        self._to_discard = stream.discard

    def __iter__(self) -> LoaderIterator:
        return self

    def __next__(self) -> Any:
        try:
            if self._to_discard:
                self._discard()
            batch = self._next_batch()
        except StopIteration:
            if self._joiner is not None:
                self._joiner.end()
            self._stream.ended = True
            raise
        if self._pin:
            batch = pin_memory(batch)
        if self._joiner is not None:
            batch = self._joiner.batch(batch)
        self._stream.count_yielded()
        announced = self._expected()
        if announced is not None and self._stream.yielded > announced[0]:
            length, text = announced
            warnings.warn(
                f"{text}{length}(when accessing len(dataloader)), "
                f"but {self._stream.yielded} samples have been fetched. {self._advice()}",
                stacklevel=2,
            )
        return batch

    def _discard(self) -> None:
        """Go through the batches that came out before the state was saved."""
        total, self._to_discard = self._to_discard, 0
        for done in range(total):
            try:
                self._next_batch()
            except StopIteration:
                raise RuntimeError(
                    f"DataLoader: the state was saved after {total} batches, but the dataset "
                    f"gives only {done} now"
                ) from None
            self._stream.count_yielded()

    def _next_batch(self) -> Any:
        raise NotImplementedError

    def _advice(self) -> str:
        return ""


class SerialIterator(LoaderIterator):
    """Fetches each batch when it is asked for."""

    def __init__(
        self, stream: IndexStream, pin: bool, expected: Any, joiner: Joiner | None, fetch: Fetcher
    ) -> None:
        super().__init__(stream, pin, expected, joiner)
        self._fetch = fetch

    def _next_batch(self) -> Any:
        return self._fetch(next(self._stream))


class WorkerIterator(LoaderIterator):
    """Keeps ``prefetch`` entries with each worker, dealt in turn.

    Args:
        timeout: seconds to wait for a batch; 0 for no limit.
        in_order: give batches in the order of their entries, else as they arrive.
        keep_workers: leave the workers running at the end.
    """

    def __init__(
        self, stream: IndexStream, pin: bool, expected: Any, joiner: Joiner | None,
        pool: WorkerPool, epoch: Epoch, prefetch: int, timeout: float, in_order: bool,
        keep_workers: bool,
    ) -> None:  # fmt: skip
        super().__init__(stream, pin, expected, joiner)
        self._pool = pool
        self._prefetch = prefetch
        self._timeout = timeout
        self._in_order = in_order
        self._keep_workers = keep_workers
        self._turn = deque(range(pool.size))  # workers that still have samples, next one first
        self._load = [0] * pool.size  # entries that each worker has
        self._sent = 0
        self._next = 0  # the task whose batch comes next
        self._pending: dict[int, int] = {}  # task -> worker
        self._arrived: dict[int, tuple[str, Any]] = {}
        self._run = pool.begin(epoch)
        for _ in range(prefetch * pool.size):
            self._deal()

    def _deal(self) -> None:
        """The next entry to the next worker (with ``in_order=False``, to one with room)."""
        for _ in range(len(self._turn)):
            worker = self._turn[0]
            self._turn.rotate(-1)
            if self._in_order or self._load[worker] < self._prefetch:
                break
        else:
            return
        try:
            entry = next(self._stream)
        except StopIteration:
            return
        self._pool.send(worker, "task", self._sent, entry)
        self._pending[self._sent] = worker
        self._load[worker] += 1
        self._sent += 1

    def _next_batch(self) -> Any:
        if self._pool.run != self._run:
            raise RuntimeError(
                "DataLoader: a newer iter() of this loader has taken over its persistent workers; "
                "use one iterator at a time, or persistent_workers=False"
            )
        while True:
            found = self._take()
            if found is None:
                if not self._pending:
                    self._finish()
                    raise StopIteration
                self._wait()
                continue
            kind, value = found
            self._deal()
            if kind == "error":
                failure: ExceptionWrapper = value
                failure.reraise()
            if kind == "data":
                return value

    def _take(self) -> tuple[str, Any] | None:
        """What is due, if it is there."""
        if not self._in_order:
            return self._arrived.pop(next(iter(self._arrived))) if self._arrived else None
        if self._next not in self._arrived:
            return None
        self._next += 1
        return self._arrived.pop(self._next - 1)

    def _wait(self) -> None:
        try:
            received = self._pool.receive(self._timeout or None)
        except KeyboardInterrupt:
            self._pool.close(at_once=True)
            raise
        if received is None:
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        worker, (run, task, kind, value) = received
        if run != self._run:
            return  # of an epoch that was left early
        del self._pending[task]
        self._load[worker] -= 1
        self._arrived[task] = (kind, value)
        if kind == "end" and worker in self._turn:
            self._turn.remove(worker)

    def _finish(self) -> None:
        if not self._keep_workers:
            self._pool.close()

    def _advice(self) -> str:
        return (
            "For multiprocessing data-loading, this could be caused by not properly configuring "
            "the IterableDataset replica at each worker: see get_worker_info."
        )
