"""Work: the handle of an operation that may still be running.

`wait` is the only place where an asynchronous failure surfaces, so wait for every handle.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from isograd.distributed.errors import CollectiveTimeoutError
from isograd.distributed.polling import poll_until

__all__ = ["ListWork", "TraceEvent", "Work", "WorkFuture"]


@dataclass
class TraceEvent:
    """When one operation was issued, started and finished.

    Args:
        op: name of the operation.
        sequence: its number in the group, counted from 1; 0 for point-to-point.
        nbytes: bytes of the caller's buffer.
        site: "file:line" of the user's call.
        issued, started, finished: `time.perf_counter()` seconds; started and finished are 0.0
            until they happen.
        asynchronous: ran in the progress thread.
    """

    op: str
    sequence: int
    nbytes: int
    site: str
    issued: float
    started: float = 0.0
    finished: float = 0.0
    asynchronous: bool = False


class Work:
    """An operation in flight, as torch.distributed.Work.

    Args:
        name: operation, for messages.
        progress: called by a waiting thread to push the operation on, if it needs pushing.
        result: the arrays or tensors the operation writes; kept alive until it is done.
    """

    def __init__(
        self, name: str, result: Any = None, progress: Callable[[], None] | None = None
    ) -> None:
        self.name = name
        self.event: TraceEvent | None = None
        self._result = result
        self._progress = progress
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._fence: Any = None
        self._source = -1

    def complete(self, error: BaseException | None = None, fence: Any = None) -> None:
        """Mark as finished on the host; `fence` orders device streams that wait."""
        self._error, self._fence = error, fence
        self._done.set()

    def wait(self, timeout: timedelta | float | None = None) -> bool:
        """Block until the operation is done.

        Args:
            timeout: seconds or timedelta; None waits for the group's own timeout.

        Returns:
            True.

        Raises:
            CollectiveTimeoutError: after `timeout`.
            DistError: whatever the operation raised.
        """
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if not self._arrived(seconds):
            raise CollectiveTimeoutError(
                f"{self.name}: Work.wait gave up after {seconds} s; the operation is still running"
            )
        if self._error is not None:
            raise self._error
        if self._fence is not None:
            self._fence.order_current_stream()
        return True

    def _arrived(self, seconds: float | None) -> bool:
        if self._progress is None:
            return self._done.wait(seconds)
        return poll_until(self._pushed, seconds)

    def _pushed(self) -> bool:
        if self._progress is not None and not self._done.is_set():
            self._progress()
        return self._done.is_set()

    def synchronize(self) -> None:
        """Wait; torch's other name."""
        self.wait()

    def is_completed(self) -> bool:
        """True when the data has arrived (on a device: when the stream has passed it)."""
        return self._pushed() and (self._fence is None or self._fence.reached())

    def is_success(self) -> bool:
        """True when completed without an error."""
        return self.is_completed() and self._error is None

    def exception(self) -> BaseException | None:
        """The error of a completed operation, or None."""
        return self._error

    def source_rank(self) -> int:
        """The rank a completed receive got its message from; -1 otherwise."""
        return self._source

    def result(self) -> Any:
        """What the operation wrote, after waiting."""
        self.wait()
        return self._result

    def get_future(self) -> "WorkFuture":
        """A minimal future: `wait`, `value`, `done` and `then`."""
        return WorkFuture(self)


class WorkFuture:
    """The future view of a Work; callbacks of `then` run in the thread that waits."""

    def __init__(self, work: Work, mapped: Callable[["WorkFuture"], Any] | None = None) -> None:
        self._work = work
        self._mapped = mapped
        self._source: WorkFuture | None = None
        self._cache: list[Any] = []

    def done(self) -> bool:
        """True when the work has completed."""
        return self._work.is_completed()

    def wait(self) -> Any:
        """Wait and return the value, running pending `then` callbacks once."""
        if not self._cache:
            self._work.wait()
            if self._mapped is None or self._source is None:
                self._cache.append(self._work.result())
            else:
                self._source.wait()
                self._cache.append(self._mapped(self._source))
        return self._cache[0]

    def value(self) -> Any:
        """The value of a completed future."""
        return self.wait()

    def then(self, callback: Callable[["WorkFuture"], Any]) -> "WorkFuture":
        """A future of `callback(self)`."""
        future = WorkFuture(self._work, callback)
        future._source = self
        return future


class ListWork(Work):
    """A Work whose result is dealt out to a list of tensors by whoever first waits for it."""

    def __init__(self, work: Work, finish: Callable[[], None]) -> None:
        super().__init__(work.name, work._result)
        self.event = work.event
        self._work, self._finish = work, finish
        self._once = threading.Lock()
        self._dealt = False

    def wait(self, timeout: timedelta | float | None = None) -> bool:
        """Wait, then fill the list."""
        self._work.wait(timeout)
        with self._once:
            if not self._dealt:
                self._finish()
                self._dealt = True
        return True

    def is_completed(self) -> bool:
        """True when the data has arrived; `wait` fills the list."""
        return self._work.is_completed()

    def exception(self) -> BaseException | None:
        """The error of a completed operation, or None."""
        return self._work.exception()
