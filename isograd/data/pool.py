"""The workers of a loader: their processes, the channels to them, and how they end."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import selectors
import signal
import time
import warnings
import weakref
from multiprocessing.connection import Connection
from typing import Any

from isograd.data.fetch import Epoch
from isograd.data.transport import Inbox
from isograd.data.worker import Job, work
from isograd.tensor import backends

__all__ = ["WorkerPool", "choose_context"]

_GRACE = 5.0  # seconds that workers have to finish their sample and leave


def choose_context(asked: Any) -> Any:
    """How workers are started: as asked; else by fork, unless a GPU is in use already.

    A forked child cannot use the driver its parent has opened, and a tensor it drops could reach
    for it, so from the first CUDA tensor on workers are spawned.
    """
    if asked is not None:
        return asked
    chosen: str | None = multiprocessing.get_start_method(allow_none=True)
    if chosen is None:
        methods = multiprocessing.get_all_start_methods()
        chosen = "spawn" if backends.device_in_use() or "fork" not in methods else "fork"
    return multiprocessing.get_context(chosen)


class WorkerPool:
    """Running workers. `send` gives one of them something to do, `receive` waits for any.

    Args:
        context: a ``multiprocessing`` context.
    """

    def __init__(self, job: Job, context: Any) -> None:
        self.size = job.num_workers
        self.seed = job.seed
        self.cut = job.reading.cut
        self.run = -1  # number of the pass that the workers are at
        self._processes: list[Any] = []
        self._channels: list[Connection[Any, Any]] = []
        self._selector = selectors.DefaultSelector()
        self._end = weakref.finalize(
            self, _end_workers, self._processes, self._channels, self._selector, os.getpid()
        )
        try:
            for number in range(job.num_workers):
                self._start(number, job, context)
        except BaseException:
            self.close()
            raise
        self._inboxes = [Inbox(channel) for channel in self._channels]

    def _start(self, number: int, job: Job, context: Any) -> None:
        ours, theirs = context.Pipe(duplex=True)
        self._channels.append(ours)
        inherited = self._channels if context.get_start_method() == "fork" else []
        process = context.Process(
            target=work, args=(number, job, theirs, tuple(inherited)), daemon=True
        )
        with warnings.catch_warnings():
            # Threads of BLAS libraries are idle here and started anew in the child.
            warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
            process.start()
        theirs.close()
        self._processes.append(process)
        self._selector.register(ours, selectors.EVENT_READ, number)
        self._selector.register(process.sentinel, selectors.EVENT_READ, number)

    @property
    def closed(self) -> bool:
        return not self._end.alive

    def send(self, worker: int, *message: Any) -> None:
        """Send to one worker.

        Raises:
            RuntimeError: if it is dead.
        """
        self._check_open()
        if message[0] == "task":
            message = (*message, self._inboxes[worker].released())
        try:
            self._channels[worker].send(message)
        except ConnectionError:
            self._fail(worker)

    def _check_open(self) -> None:
        if self.closed:
            raise RuntimeError("DataLoader: the workers have ended; iterate over the loader anew")

    def begin(self, epoch: Epoch) -> int:
        """Tell all workers that a pass starts, and number it; what they send of others is stale."""
        self.run += 1
        for worker in range(self.size):
            self.send(worker, "epoch", self.run, epoch)
        return self.run

    def receive(self, timeout: float | None) -> tuple[int, Any] | None:
        """Number and message of a worker that has one; None after ``timeout`` seconds.

        Raises:
            RuntimeError: as soon as a worker is found dead.
        """
        self._check_open()
        ready = self._selector.select(timeout)
        channels = [key for key, _ in ready if isinstance(key.fileobj, Connection)]
        for key in channels:
            try:
                return key.data, self._inboxes[key.data].receive()
            except (EOFError, OSError):
                self._fail(key.data)
        for key, _ in ready:
            self._fail(key.data)
        return None

    def _fail(self, worker: int) -> None:
        process = self._processes[worker]
        process.join(1.0)
        pid, code = process.pid, process.exitcode
        self.close(at_once=True)
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            raise RuntimeError(
                f"DataLoader worker (pid {pid}) is killed by signal: {signal.strsignal(-code)} "
                f"({name}).{_HINTS.get(name, '')}"
            )
        raise RuntimeError(
            f"DataLoader worker (pid(s) {pid}) exited unexpectedly with exit code {code}. "
            "Set num_workers=0 to see its error in the main process."
        )

    def close(self, at_once: bool = False) -> None:
        """End the workers, ``at_once`` in the middle of a sample; harmless when they have ended."""
        if at_once and not self.closed:
            for process in self._processes:
                process.terminate()
        self._end()


_HINTS = {
    "SIGKILL": " Often that is the system, out of memory: try fewer workers.",
    "SIGBUS": " Often that is shared memory that ran out: try fewer or smaller batches.",
    "SIGSEGV": " Set num_workers=0 to see where it happens.",
}


def _end_workers(processes: Any, channels: Any, selector: Any, owner: int) -> None:
    """Ask, wait, then force. A forked child of the owner has nothing to end."""
    if os.getpid() != owner:
        return
    for process, channel in zip(processes, channels):
        if process.exitcode is None:
            with contextlib.suppress(OSError):
                os.set_blocking(channel.fileno(), False)  # a worker that reads nothing
                channel.send(("stop",))
    deadline = time.monotonic() + _GRACE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for force in ("terminate", "kill"):
        for process in processes:
            if process.exitcode is None:
                getattr(process, force)()
                process.join(1.0)
    selector.close()
    for channel in channels:
        channel.close()
    for process in processes:
        with contextlib.suppress(ValueError):  # still running: not even killed
            process.close()
