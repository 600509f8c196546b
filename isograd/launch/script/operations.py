"""Folders and questions under the global view: rank 0 acts and looks, all ranks learn the outcome.

`os.makedirs`, `shutil.rmtree`, `Path.rename`, ... of the script are performed once; their value, or
the exception they raise, is everybody's. `os.path.exists`, `os.listdir`, `Path.glob`, ... are
answered by rank 0, so that ``if os.path.exists(checkpoint)`` takes one branch on all ranks.
"""

import builtins
import glob
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

from isograd.launch.script.callers import active_view, asked_by_script
from isograd.launch.script.exchange import agree, answer_of_rank_0, attempt, deliver
from isograd.launch.script.patches import Patches
from isograd.launch.script.paths import Names, is_path

__all__ = ["install_operations", "on_rank_0"]

Function = Callable[..., Any]

_ONE_NAME: dict[Any, tuple[str, ...]] = {
    os: ("makedirs", "mkdir", "remove", "unlink", "rmdir", "removedirs", "truncate", "chmod",
         "utime"),
    shutil: ("rmtree", "make_archive"),
    pathlib.Path: ("mkdir", "rmdir", "unlink", "touch", "symlink_to", "hardlink_to", "chmod"),
}  # fmt: skip
_TWO_NAMES: dict[Any, tuple[str, ...]] = {  # the second is what is written
    os: ("rename", "replace", "renames", "symlink", "link"),
    shutil: ("copy", "copy2", "copyfile", "copytree", "move", "unpack_archive"),
    pathlib.Path: ("rename", "replace"),
}
_QUESTIONS: dict[Any, tuple[str, ...]] = {
    os: ("listdir", "stat", "lstat", "access"),
    os.path: ("exists", "lexists", "isfile", "isdir", "islink", "getsize", "getmtime", "getctime",
              "getatime"),
    pathlib.Path: ("exists", "is_file", "is_dir", "is_symlink", "stat"),
    glob: ("glob",),
}  # fmt: skip
_LISTS: dict[Any, tuple[str, ...]] = {  # iterators: rank 0 goes through them at the call
    glob: ("iglob",),
    pathlib.Path: ("iterdir", "glob", "rglob"),
}
_SCRATCH = ("mkdtemp", "mkstemp", "NamedTemporaryFile")
_NAMES_OF_ARGUMENTS = (
    ("path", "name", "base_name", "fname", "pathname", "src"),
    ("dst", "extract_dir", "target", "fname", "fp", "path_or_buf", "path", "excel_writer", "buf"),
)


def install_operations(patches: Patches, names: Names) -> None:
    """Replace the functions of `os`, `os.path`, `pathlib`, `shutil`, `glob` and `tempfile`."""
    for table, position in ((_ONE_NAME, 0), (_TWO_NAMES, 1)):
        for owner, functions in table.items():
            for name in functions:
                patches.replace(owner, name, on_rank_0(names, f"{_word(owner)}.{name}", position))
    for owner, functions in _QUESTIONS.items():
        for name in functions:
            patches.replace(owner, name, _answered(names, f"{_word(owner)}.{name}", _same))
    for owner, functions in _LISTS.items():
        for name in functions:
            patches.replace(owner, name, _answered(names, f"{_word(owner)}.{name}", list))
    patches.replace(os, "scandir", _answered(names, "os.scandir", _entries))
    patches.replace(os, "chdir", _with_known_name(names))
    patches.replace(builtins, "input", _answered(names, "input", _same))
    for name in _SCRATCH:
        patches.replace(tempfile, name, _private(names))


def on_rank_0(names: Names, what: str, position: int = 0) -> Callable[[Function], Function]:
    """Makes a function that rank 0 performs for all.

    Args:
        names: of this rank.
        what: the function's name, for messages.
        position: which argument names what is written.
    """

    def make(real: Function) -> Function:
        @wraps(real)
        def performed(*args: Any, **kwargs: Any) -> Any:
            target = _argument(args, kwargs, position)
            if _is_local(names, target, sys._getframe(1)):
                return real(*_meant(names, args), **kwargs)
            return perform(names, what, target, lambda: real(*args, **kwargs))

        return performed

    return make


def perform(names: Names, what: str, target: Any, act: Callable[[], Any]) -> Any:
    """Announce, let rank 0 act, and hear the outcome."""
    view = active_view()
    if view is None:
        raise RuntimeError(f"{what}: the global view has ended")
    meant = names.learn(target, agree(what, names.full(target)), view.rank)
    outcome = attempt(act) if view.rank == 0 else None
    first = agree(f"{what}: done", outcome)[0]
    names.unsettled.discard(meant)
    return deliver(first if outcome is None else outcome)


def _answered(
    names: Names, what: str, shape: Callable[[Any], Any]
) -> Callable[[Function], Function]:
    def make(real: Function) -> Function:
        @wraps(real)
        def answered(*args: Any, **kwargs: Any) -> Any:
            target = _argument(args, kwargs, 0, "." if what.startswith("os.") else None)
            frame = sys._getframe(1)
            if what == "input":
                local = not asked_by_script(frame)
            else:
                local = _is_local(names, target, frame)
            if local:
                return real(*_meant(names, args), **kwargs)
            answer = answer_of_rank_0(what, lambda: shape(real(*args, **kwargs)))
            return iter(answer) if shape is list else answer

        return answered

    return make


class Entry(os.PathLike[Any]):
    """One entry of a folder as rank 0 sees it: what `os.scandir` gives, by value."""

    def __init__(self, entry: "os.DirEntry[Any]") -> None:
        self.name, self.path = entry.name, entry.path
        self._link = entry.is_symlink()
        self._dir = {follow: entry.is_dir(follow_symlinks=follow) for follow in (True, False)}
        self._file = {follow: entry.is_file(follow_symlinks=follow) for follow in (True, False)}
        self._stat = {True: attempt(entry.stat), False: attempt(lambda: _lstat(entry))}

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def inode(self) -> int:
        """The inode."""
        return int(self.stat(follow_symlinks=False).st_ino)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder."""
        return self._dir[follow_symlinks]

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a regular file."""
        return self._file[follow_symlinks]

    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return self._link

    def is_junction(self) -> bool:
        """Junctions are Windows'."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Its `os.stat_result`."""
        found: os.stat_result = deliver(self._stat[follow_symlinks])
        return found


class _Entries(Iterator[Entry]):
    """Like the iterator of `os.scandir`, which is a context manager too."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._left = list(entries)[::-1]

    def __next__(self) -> Entry:
        if not self._left:
            raise StopIteration
        return self._left.pop()

    def __enter__(self) -> "_Entries":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the rest."""
        self._left.clear()


def _lstat(entry: "os.DirEntry[Any]") -> os.stat_result:
    return entry.stat(follow_symlinks=False)


def _entries(found: Any) -> _Entries:
    with found:
        return _Entries([Entry(entry) for entry in found])


def _same(answer: Any) -> Any:
    return answer


def _with_known_name(names: Names) -> Callable[[Function], Function]:
    def make(real: Function) -> Function:
        @wraps(real)
        def chdir(path: Any) -> None:
            real(names.here(path) if active_view() is not None else path)

        return chdir

    return make


def _private(names: Names) -> Callable[[Function], Function]:
    def make(real: Function) -> Function:
        @wraps(real)
        def scratch(*args: Any, **kwargs: Any) -> Any:
            made = real(*args, **kwargs)
            path = made[1] if isinstance(made, tuple) else getattr(made, "name", made)
            if is_path(path):
                names.keep_private(path)
            return made

        return scratch

    return make


def _is_local(names: Names, target: Any, frame: Any) -> bool:
    """Whether this rank does it by itself: nobody's script asks, or it is its own scratch."""
    if active_view() is None or not is_path(target) or not asked_by_script(frame):
        return True
    return names.is_private(target)


def _meant(names: Names, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments, with rank 0's names for files that have another here."""
    if not names.differ:
        return args
    meant = [names.here(value) for value in args]
    return tuple(
        type(value)(name) if isinstance(value, pathlib.PurePath) else name
        for value, name in zip(args, meant)
    )


def _argument(args: Any, kwargs: Any, position: int, default: Any = None) -> Any:
    """The argument that names what is written or asked for."""
    if len(args) > position:
        return args[position]
    names = _NAMES_OF_ARGUMENTS[position]
    return next((kwargs[name] for name in names if name in kwargs), default)


def _word(owner: Any) -> str:
    return "os.path" if owner is os.path else str(owner.__name__).rpartition(".")[2]
