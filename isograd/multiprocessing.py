"""``torch.multiprocessing``: the standard library's, and `spawn`.

Tensors pass between processes by copy, so a sharing strategy is a hint that changes nothing.
"""

from __future__ import annotations

import multiprocessing as _std
import signal
import time
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = [
    *_std.__all__,
    "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException",
    "SpawnContext", "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy",
    "spawn", "start_processes",
]  # fmt: skip

_GRACE_SECONDS = 5.0  # between asking a process to end and ending it


class ProcessException(Exception):
    """A process of `spawn` failed.

    Attributes:
        error_index: which one, from 0.
        error_pid: its process id.
    """

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, pid

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """A process's function raised; the message holds its traceback."""


class ProcessExitedException(ProcessException):
    """A process ended by a signal or with an exit code other than zero."""

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int,
        exit_code: int,
        signal_name: str | None = None,
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> Any:
        known = (self.msg, self.error_index, self.error_pid, self.exit_code, self.signal_name)
        return type(self), known


def _run(fn: Callable[..., Any], index: int, args: tuple[Any, ...], errors: Connection) -> None:
    """In the new process: call the function, tell the parent of an exception, and fail."""
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent was interrupted too, and tells
    except Exception:
        errors.send(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """Processes that `start_processes` started; ``join`` waits for them."""

    def __init__(self, processes: list[Any], errors: list[Any]) -> None:
        self.processes = processes
        self._errors = errors  # one end of a pipe per process
        self._left = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self) -> list[int | None]:
        """The processes' ids."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until the next processes end; call it until it says that all have.

        Args:
            timeout: seconds to wait; None waits as long as it takes.
            grace_period: seconds the others get to end when one failed; 5 by default.

        Returns:
            Whether all processes have ended well.

        Raises:
            ProcessRaisedException, ProcessExitedException: if one failed; the others were ended.
        """
        ended = wait(list(self._left), timeout=timeout) if self._left else []
        failed = None
        for sentinel in ended:
            index = self._left.pop(sentinel)
            self.processes[index].join()
            if self.processes[index].exitcode != 0 and failed is None:
                failed = index
        if failed is None:
            return not self._left
        self._end_others(_GRACE_SECONDS if grace_period is None else grace_period)
        self._raise(failed)
        return False

    def _end_others(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        self._left.clear()

    def _raise(self, index: int) -> None:
        process = self.processes[index]
        text = _received(self._errors[index])
        if text is not None:
            message = f"\n\n-- Process {index} terminated with the following error:\n{text}"
            raise ProcessRaisedException(message, index, process.pid)
        code = process.exitcode
        if code >= 0:
            message = f"process {index} terminated with exit code {code}"
            raise ProcessExitedException(message, index, process.pid, code)
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"<Unknown signal {-code}>"
        message = f"process {index} terminated with signal {name}"
        raise ProcessExitedException(message, index, process.pid, code, name)


def _received(errors: Any) -> str | None:
    """The traceback that a process sent before it ended, if it did."""
    try:
        return str(errors.recv()) if errors.poll() else None
    except EOFError:
        return None


SpawnContext = ProcessContext


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Call ``fn(i, *args)`` in ``nprocs`` new processes, i from 0.

    Args:
        fn: a function that the new processes can import.
        join: wait for all of them.
        daemon: end them when this process ends.
        start_method: spawn, fork or forkserver.

    Returns:
        None if joined, else the context to join.

    Raises:
        ProcessRaisedException, ProcessExitedException: if one fails; the others are ended.
    """
    context: Any = _std.get_context(start_method)
    processes, errors = [], []
    for i in range(nprocs):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(fn, i, args, theirs), daemon=daemon)
        process.start()
        theirs.close()
        processes.append(process)
        errors.append(mine)
    started = ProcessContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`start_processes` with fresh interpreters.

    Example:
        >>> spawn(train, args=(epochs,), nprocs=2)  # doctest: +SKIP
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)


_strategy = ["file_descriptor"]


def get_all_sharing_strategies() -> set[str]:
    """The names `set_sharing_strategy` takes."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """The name last set."""
    return _strategy[0]


def set_sharing_strategy(new_strategy: str) -> None:
    """A hint: tensors are copied between processes, not shared.

    Raises:
        ValueError: for an unknown name.
    """
    if new_strategy not in get_all_sharing_strategies():
        raise ValueError(
            f"set_sharing_strategy: expected file_descriptor or file_system, got {new_strategy!r}"
        )
    _strategy[0] = new_strategy
