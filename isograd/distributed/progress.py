"""The progress thread: asynchronous operations of one group, run in the order they were issued.

One thread per group that ever goes asynchronous, started at the first such call. It blocks inside
MPI with the interpreter lock released, so the main thread computes meanwhile. A group has its own
thread, because two ranks may interleave the operations of two groups differently.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakSet

__all__ = ["ProgressThread", "finish_all"]

_PUSH_INTERVAL = 0.001  # seconds between pushes of point-to-point transfers nobody waits for


_started: "WeakSet[ProgressThread]" = WeakSet()


def finish_all() -> None:
    """Before the process ends: run what is queued anywhere, then end the threads.

    A thread still inside MPI when MPI is finalized would crash the process.
    """
    threads = list(_started)
    for thread in threads:
        thread.drain()
    for thread in threads:
        thread.close()


class ProgressThread:
    """A queue of jobs and the daemon thread that runs them.

    Args:
        name: thread name, seen in stack dumps.
        push: advances point-to-point transfers; true while some are left.
    """

    def __init__(self, name: str, push: Callable[[], bool]) -> None:
        self._name = name
        self._push = push
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._running = False  # a job is being run; guarded by _changed
        self._pushing = False  # transfers are in flight; guarded by _changed
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Queue `job`, which must not raise; the thread starts when needed."""
        with self._changed:
            self._jobs.append(job)
            self._start()

    def watch_transfers(self) -> None:
        """Have the thread push point-to-point transfers until none is left."""
        with self._changed:
            self._pushing = True
            self._start()

    def idle(self) -> bool:
        """True when no job is queued or running."""
        with self._changed:
            return not self._jobs and not self._running

    def drain(self) -> None:
        """Wait until every queued job has run."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs and not self._running)

    def close(self) -> None:
        """End the thread after the job it runs; queued ones are dropped."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def _start(self) -> None:
        self._changed.notify_all()
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
            self._thread.start()
            _started.add(self)

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            job()
            with self._changed:
                self._running = False
                self._changed.notify_all()

    def _next(self) -> Callable[[], None] | None:
        """The next job, pushing transfers while there is none; None to end."""
        while True:
            with self._changed:
                if not self._jobs and not self._pushing and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return None
                if self._jobs:
                    self._running = True
                    return self._jobs.popleft()
                if not self._pushing:
                    continue
                self._pushing = False
            if self._push():
                with self._changed:
                    self._pushing = True
                time.sleep(_PUSH_INTERVAL)
