"""Who asks? Only what the user's script asks is answered by all ranks together.

A library may open a file on one rank alone: a cache, a font, a page of a dataset. An exchange there
would wait for ever. So a call is the script's when it comes from the main thread of a rank, from a
frame of the user's code (neither the standard library's, nor site-packages', nor ours), with
nothing of the loader's and no finalizer further out. Frames that only pass a call on (`pathlib`,
`logging`, `gzip`, ...) are looked through.
"""

import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import FrameType

from isograd.data.view import GlobalView, current_view

__all__ = ["active_view", "alone", "asked_by_script", "enable", "place_of_call"]


class _Kind(Enum):
    SCRIPT = 1
    THROUGH = 2  # passes a call on
    LIBRARY = 3
    LOADER = 4  # runs the user's code for its own rank's samples


_OURS = str(Path(__file__).resolve().parents[2]) + os.sep
_STDLIB = tuple(
    {os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib")}
    | {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")}
)
_OUR_THROUGH = ("launch/script/", "tensor/generator.py", "random.py", "cuda.py")
_STDLIB_THROUGH = (
    "bz2", "codecs", "contextlib", "functools", "gzip", "logging", "lzma", "os", "pathlib",
    "random", "shutil", "tarfile", "xml", "zipfile",
)  # fmt: skip

_kinds: dict[str, _Kind] = {}
_lonely = 0  # depth of `alone`
_process = -1  # the rank's; a forked child is none
_main = threading.main_thread().ident


def enable(on: bool) -> None:
    """Answer for the script from now on, in this process; or not any more."""
    global _process
    _process = os.getpid() if on else -1


def active_view() -> GlobalView | None:
    """The view, where something may be asked of all ranks: None in threads and children."""
    if _lonely or threading.get_ident() != _main or os.getpid() != _process:
        return None
    return current_view()


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this rank acts for itself: nothing is asked of the others."""
    global _lonely
    _lonely += 1
    try:
        yield
    finally:
        _lonely -= 1


def asked_by_script(frame: FrameType, through_libraries: bool = False) -> bool:
    """Whether the call that `frame` made is the script's.

    Args:
        frame: the caller's frame.
        through_libraries: look through library frames too, to the script that called them.
    """
    inner: FrameType | None = frame
    through = (_Kind.THROUGH, _Kind.LIBRARY) if through_libraries else (_Kind.THROUGH,)
    while inner is not None and _kind(inner) in through:
        if inner.f_code.co_name == "__del__":
            return False
        inner = inner.f_back
    if inner is None or _kind(inner) is not _Kind.SCRIPT or active_view() is None:
        return False
    while inner is not None:
        if _kind(inner) is _Kind.LOADER or inner.f_code.co_name == "__del__":
            return False
        inner = inner.f_back
    return True


def place_of_call() -> str:
    """``file:line`` of the script's innermost frame."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if _kind(frame) is _Kind.SCRIPT:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def _kind(frame: FrameType) -> _Kind:
    name = frame.f_code.co_filename
    kind = _kinds.get(name)
    if kind is None:
        kind = _kinds[name] = _classify(name, frame.f_globals.get("__name__") == "__main__")
    return kind


def _classify(name: str, is_main: bool) -> _Kind:
    if name.startswith(_OURS):
        inside = name.removeprefix(_OURS).replace(os.sep, "/")
        if inside.startswith("data/"):
            return _Kind.LOADER
        return _Kind.THROUGH if inside.startswith(_OUR_THROUGH) else _Kind.LIBRARY
    if name.startswith("<frozen "):
        module = name.removeprefix("<frozen ").removesuffix(">")
        return _Kind.THROUGH if module in _STDLIB_THROUGH else _Kind.LIBRARY
    if is_main:
        return _Kind.SCRIPT
    if name.startswith("<"):  # generated code
        return _Kind.THROUGH
    if f"{os.sep}site-packages{os.sep}" in name or f"{os.sep}dist-packages{os.sep}" in name:
        return _Kind.LIBRARY
    for folder in _STDLIB:
        if name.startswith(folder):
            module = name.removeprefix(folder).partition(os.sep)[0].removesuffix(".py")
            return _Kind.THROUGH if module in _STDLIB_THROUGH else _Kind.LIBRARY
    return _Kind.SCRIPT
