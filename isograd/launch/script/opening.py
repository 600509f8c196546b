"""`open` under the global view: what the script opens for writing, rank 0 writes.

Whether it could be opened is told to all ranks. Reading is every rank's own affair and costs
nothing, but a file that the script has open for writing is read only after all have come to that
line.
"""

import io
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from isograd.launch.script.callers import active_view, asked_by_script
from isograd.launch.script.exchange import agree, attempt, deliver
from isograd.launch.script.paths import Names, is_path
from isograd.launch.script.sinks import Form, assemble

__all__ = ["shared_open"]

_WRITING = frozenset("wax+")


def shared_open(names: Names) -> Callable[[Any], Any]:
    """Makes the function that takes the place of `open`."""

    def make(real: Any) -> Any:
        @wraps(real)
        def open(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: Any = None,
            errors: Any = None,
            newline: Any = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            plain = opener is not None or not is_path(file) or not isinstance(mode, str)
            frame = sys._getframe(1)
            if plain or active_view() is None:
                pass
            elif not _WRITING.isdisjoint(mode):
                if asked_by_script(frame) and not names.is_private(file):
                    form = Form(mode, buffering, encoding, errors, newline)
                    return _open_on_all(names, file, form)
            elif names.unsettled and asked_by_script(frame, through_libraries=True):
                _wait_for_writer(names, file)
            file = names.here(file)
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)

        return open

    return make


def _wait_for_writer(names: Names, file: Any) -> None:
    if names.full(file) in names.unsettled:
        agree(f"read {names.full(file)!r}, which is open for writing")


def _open_on_all(names: Names, file: Any, form: Form) -> Any:
    view = active_view()
    if view is None:
        raise RuntimeError("open: the global view has ended")
    what = f"open a file with mode {form.mode!r}"
    meant = names.learn(file, agree(what, names.full(file)), view.rank)

    def close_done() -> None:
        names.unsettled.discard(meant)

    mine = told = None
    if view.rank == 0:
        mine = attempt(lambda: assemble(file, form, None, b"", close_done))
        told = attempt(lambda: (deliver(mine).tell(), _content(file, form)))
    outcome = agree(f"{what}: done", told)[0]
    start = deliver(outcome if told is None else told)
    if mine is None:
        position, content = start
        opened = assemble(file, form, position, content, close_done)
    else:
        opened = mine.value
    names.unsettled.add(meant)
    return opened


def _content(file: Any, form: Form) -> bytes:
    """What a copy of a file that can also be read begins with."""
    if not form.readable or "r" not in form.mode and "a" not in form.mode:
        return b""
    with io.FileIO(os.fspath(file), "r") as raw:
        return raw.readall()
