"""The watchdog: a sleepy daemon thread in every MPI process that answers "where are you?".

It owns a communicator of its own, wakes 20 times a second, and serves three messages: a question
(answered with this process's board and the stack of its main thread), an answer to an earlier
question, and a farewell from a process that exits. A rank inside a long NumPy or C call that holds
the interpreter lock cannot answer and is reported so.

Needs MPI_THREAD_MULTIPLE: the thread talks while the main thread may be inside MPI.
"""

import itertools
import json
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from isograd.distributed.fingerprint import PACKAGE
from isograd.distributed.whereabouts import Standing, describe_stack

__all__ = ["Watchdog"]

_PERIOD = 0.05  # seconds
_QUESTION, _ANSWER, _FAREWELL = 1, 2, 3


class Watchdog:
    """Answers for this process and asks others; ranks are global.

    Args:
        comm: a communicator nobody else uses, over all processes.
        running: start the thread; without it other ranks get no answer.
    """

    def __init__(self, comm: Any, running: bool) -> None:
        self._comm = comm
        self._board: dict[str, int] = {}
        self._farewells: dict[int, str] = {}
        self._answers: dict[tuple[int, int], Standing] = {}
        self._changed = threading.Condition()  # guards _answers and _farewells
        self._sending: list[Any] = []  # requests under way; guarded by _send_lock
        self._send_lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if running:
            self._thread = threading.Thread(target=self._loop, name="isograd-watchdog", daemon=True)
            self._thread.start()

    def entered(self, group: str, count: int) -> None:
        """Note that this rank entered collective number `count` of `group`."""
        self._board[group] = count

    def activity(self) -> int:
        """A number that grows with every collective this rank enters."""
        return sum(self._board.values())

    def gone(self, ranks: Iterable[int]) -> bool:
        """True when one of `ranks` said goodbye."""
        return bool(self._farewells) and not self._farewells.keys().isdisjoint(ranks)

    def ask(self, ranks: Iterable[int], timeout: float) -> dict[int, Standing]:
        """Ask where `ranks` stand; those who do not answer in `timeout` seconds are silent."""
        number, wanted = next(self._numbers), list(ranks)
        for rank in wanted:
            self._send(_QUESTION, rank, {"number": number})
        end = time.monotonic() + (timeout if self._thread is not None else 0.0)
        with self._changed:
            while not all(self._known(number, r) for r in wanted):
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return {r: self._standing(number, r) for r in wanted}

    def say_goodbye(self, text: str) -> None:
        """Tell all other ranks that this process leaves, and how."""
        for rank in range(self._comm.size):
            if rank != self._comm.rank:
                self._send(_FAREWELL, rank, {"text": text})

    def stop(self) -> None:
        """End the thread; must come before MPI is finalized."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _known(self, number: int, rank: int) -> bool:
        return (number, rank) in self._answers or rank in self._farewells

    def _standing(self, number: int, rank: int) -> Standing:
        standing = self._answers.pop((number, rank), Standing())
        standing.farewell = self._farewells.get(rank)
        return standing

    def _loop(self) -> None:
        while not self._stop.wait(_PERIOD):
            while self._serve_one():
                pass

    def _serve_one(self) -> bool:
        """Handle one message; false when none is there."""
        # A matched probe: the message is ours, whichever thread asks next.
        message = self._comm.improbe()
        if message is None:
            return False
        kind, source, body = json.loads(message.recv())
        if kind == _QUESTION:
            self._send(_ANSWER, source, self._own_standing(body["number"]))
        else:
            with self._changed:
                if kind == _FAREWELL:
                    self._farewells[source] = body["text"]
                else:
                    number = body.pop("number")
                    self._answers[number, source] = Standing(True, **body)
                self._changed.notify_all()
        return True

    def _own_standing(self, number: int) -> dict[str, Any]:
        frame = sys._current_frames().get(threading.main_thread().ident or -1)
        stack = describe_stack(frame, PACKAGE)
        return {"number": number, "entered": dict(self._board), "stack": stack}

    def _send(self, kind: int, rank: int, body: dict[str, Any]) -> None:
        text = json.dumps([kind, self._comm.rank, body])
        with self._send_lock:
            # Kept until delivered: MPI reads the buffer inside the request.
            self._sending = [r for r in self._sending if not r.Test()]
            self._sending.append(self._comm.isend(text, dest=rank))
