"""Files that all ranks open and rank 0 writes: real ones there, null ones elsewhere.

Objects of the io module's own classes, so that `csv`, `pickle`, `gzip` or `subprocess` accept them
(they have a descriptor). A null file counts what it is given, so `tell()` agrees. Files that can
also be read ("w+", "r+", "a+") are private copies elsewhere. Closing one is told to all ranks:
after it, the file can be read anywhere.
"""

import io
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from isograd.launch.script.callers import asked_by_script
from isograd.launch.script.exchange import agree, attempt, deliver

__all__ = ["Form", "Sink", "assemble", "private_copy"]


class Sink(io.FileIO):
    """A raw file that forgets what is written, but counts it.

    Args:
        name: the name it pretends to have.
        position: where the writing begins.
    """

    def __init__(self, name: Any = os.devnull, position: int = 0) -> None:
        super().__init__(os.devnull, "w")
        self.name = name
        self._position = position

    def write(self, data: Any) -> int:
        """Count the bytes."""
        count = memoryview(data).nbytes
        self._position += count
        return count

    def tell(self) -> int:
        """How far it would be."""
        return self._position

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go there; the end is where we are."""
        self._position = offset if whence == 0 else self._position + offset
        return self._position

    def truncate(self, size: int | None = None, /) -> int:
        """Nothing to cut."""
        return self._position if size is None else size


def private_copy(name: Any, content: bytes, position: int) -> io.FileIO:
    """A raw file of this rank's own that begins with `content`."""
    handle, path = tempfile.mkstemp(prefix="isograd-")
    os.unlink(path)
    raw = io.FileIO(handle, "r+")
    raw.name = name
    raw.write(content)
    raw.seek(position)
    return raw


class Form:
    """The arguments of `open` that say what object it gives.

    Raises:
        ValueError: as `open` does for arguments that contradict each other.
    """

    def __init__(self, mode: str, buffering: int, encoding: Any, errors: Any, newline: Any) -> None:
        self.mode, self.buffering = mode, buffering
        self.encoding, self.errors, self.newline = encoding, errors, newline
        self.binary = "b" in mode
        self.readable = "+" in mode
        if set(mode) - set("rwaxbt+") or len(mode) > len(set(mode)):
            raise ValueError(f"invalid mode: {mode!r}")
        if "b" in mode and "t" in mode:
            raise ValueError("can't have text and binary mode at once")
        if sum(letter in mode for letter in "rwax") != 1:
            raise ValueError("must have exactly one of create/read/write/append mode")
        for name in ("encoding", "errors", "newline"):
            if self.binary and getattr(self, name) is not None:
                raise ValueError(f"binary mode doesn't take {'an' * (name != 'newline') or 'a'} "
                                 f"{name} argument")  # fmt: skip
        if not self.binary and buffering == 0:
            raise ValueError("can't have unbuffered text I/O")

    @property
    def raw_mode(self) -> str:
        """The mode of the raw file."""
        return self.mode.replace("b", "").replace("t", "")


class _Together:
    """Closed by the script on all ranks at once; by the garbage collector on each for itself."""

    on_close: Callable[[], None]

    def close(self) -> None:
        shut = super().close  # type: ignore[misc]
        frame = sys._getframe(1)
        by_collector = self.closed or getattr(self, "_finalizing", False)  # type: ignore[attr-defined]
        if by_collector or not asked_by_script(frame, through_libraries=True):
            shut()
            return
        mine = attempt(shut)
        first = agree("close a file", mine)[0]
        self.on_close()
        deliver(mine)
        deliver(first)


class _Raw(_Together, io.FileIO):
    pass


class _SinkTogether(_Together, Sink):
    pass


class _Writer(_Together, io.BufferedWriter):
    pass


class _Random(_Together, io.BufferedRandom):
    pass


class _Text(_Together, io.TextIOWrapper):
    mode: str


def assemble(path: Any, form: Form, position: int | None, content: bytes, done: Any) -> Any:
    """The file object for one rank.

    Args:
        path: the name.
        form: which object.
        position: None to open the file itself; else where a null file or a copy begins.
        content: of the copy.
        done: called when all have closed it.
    """
    raw: io.FileIO
    if position is None:
        raw = _Raw(path, form.raw_mode) if form.buffering == 0 else io.FileIO(path, form.raw_mode)
    elif form.readable:
        raw = private_copy(path, content, position)
    else:
        raw = (_SinkTogether if form.buffering == 0 else Sink)(path, position)
    if form.buffering == 0:
        file: Any = raw
    elif form.binary:
        file = (_Random if form.readable else _Writer)(raw)
    else:
        buffer = (io.BufferedRandom if form.readable else io.BufferedWriter)(raw)
        lines = form.buffering == 1
        file = _Text(buffer, form.encoding, form.errors, form.newline, line_buffering=lines)
        file.mode = form.mode
    file.on_close = done
    return file
