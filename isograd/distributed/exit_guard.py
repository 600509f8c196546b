"""How a rank ends: never in silence while others wait for it.

* An uncaught exception prints its traceback, each line marked with the rank, and ends all ranks
  with MPI_Abort.
* `sys.exit(code)` with a non-zero code ends all ranks with that code.
* A normal end says goodbye, so ranks that wait for this one are told at once.
"""

import atexit
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from types import TracebackType

__all__ = ["ExitGuard"]

_GRACE = 0.3  # seconds for the other ranks to print their own traceback of a common error


class ExitGuard:
    """Installed once per process, when a world of several ranks is joined.

    Args:
        rank: global rank, for messages.
        abort: ends all ranks with an exit code.
        leave: called at a normal end with a text that says how; returns False when the world
            cannot be left in good order.
        activity: a number that grows as the program communicates; tells a `sys.exit` that was
            caught from one that ended the program.
    """

    def __init__(
        self,
        rank: int,
        abort: Callable[[int], None],
        leave: Callable[[str], bool],
        activity: Callable[[], int],
    ) -> None:
        self._rank, self._abort, self._leave, self._activity = rank, abort, leave, activity
        self._process = os.getpid()  # a forked child ends for itself alone
        self._code: object = None
        self._activity_at_exit = 0
        self._previous_hook = sys.excepthook
        self._previous_exit = sys.exit

    def install(self) -> None:
        """Take over `sys.excepthook` and `sys.exit`, and register the end of the process."""
        sys.excepthook = self._on_exception
        sys.exit = self._on_exit  # type: ignore[assignment]
        atexit.register(self._at_end)

    def _on_exit(self, status: object = None, /) -> None:
        self._code, self._activity_at_exit = status, self._activity()
        self._previous_exit(status)  # type: ignore[arg-type]

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, where: TracebackType | None
    ) -> None:
        if os.getpid() != self._process:
            self._previous_hook(kind, error, where)
            return
        if self._previous_hook is sys.__excepthook__:
            lines = "".join(traceback.format_exception(kind, error, where)).splitlines()
            print("\n".join(f"[rank {self._rank}] {line}" for line in lines), file=sys.stderr)
        else:
            self._previous_hook(kind, error, where)
        self._end_all(130 if issubclass(kind, KeyboardInterrupt) else 1)

    def _at_end(self) -> None:
        if os.getpid() != self._process:
            return
        if self._code not in (None, 0) and self._activity_at_exit == self._activity():
            code = self._code if isinstance(self._code, int) else 1
            print(
                f"[rank {self._rank}] exits with {self._code!r}: ending all ranks", file=sys.stderr
            )
            self._end_all((code & 255) or 1)
        if not self._leave("has exited normally"):
            print(
                f"[rank {self._rank}] a collective was never completed: ending all ranks",
                file=sys.stderr,
            )
            self._end_all(1)

    def _end_all(self, code: int) -> None:
        _flush()
        time.sleep(_GRACE)
        self._abort(code)


def _flush() -> None:
    """What the skipped rest of the interpreter's shutdown would have written."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # closed, or the reader is gone
            continue
