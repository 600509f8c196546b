"""Folders that are checkpoints whole or not at all, and folders full of them.

A checkpoint is written under ``NAME.tmp-...`` and renamed when its index, the last file, is on the
disk. What a kill leaves behind is cleaned at the next save beside it: its owner held a lock on a
file in it, which the system lets go of with the process. A checkpoint that is replaced or deleted
is renamed first, so that half of one never carries its name.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import stat
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from isograd.distributed.checkpoint.index import INDEX, Index, created_at, read_index
from isograd.distributed.checkpoint.shards import check_file, create, sync_folder
from isograd.serialization.errors import CheckpointError

__all__ = [
    "Temporary", "checked", "checkpoints", "clean", "delete", "existing", "is_folder", "latest",
]  # fmt: skip

_OWNER = "owner.lock"
_LEFTOVER = re.compile(r"(.+)\.(tmp|old|del)-[0-9a-f]{16}")
_OURS = re.compile(rf"{re.escape(_OWNER)}|{re.escape(INDEX)}|[^/]+\.safetensors")
_YOUNG = 60.0  # seconds: a folder without its lock yet may still be in the making
_DAY = 86400.0  # seconds: where the file system has no locks, a guess

_making: set[Path] = set()  # by this process: locks of network file systems do not tell

Where = str | os.PathLike[str]


class Temporary:
    """A checkpoint in the making, on the rank that finishes it.

    Args:
        target: the name it is to get; what is there is replaced at the end.

    Raises:
        FileExistsError: if that is something else than a checkpoint.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._refuse_foreign()
        target.parent.mkdir(parents=True, exist_ok=True)
        clean(target.parent)
        self.path = _sibling(target, "tmp")
        _making.add(self.path)
        self.path.mkdir()
        self._lock: BinaryIO = create(self.path / _OWNER)
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _refuse_foreign(self) -> None:
        if not _exists(self.target):
            return
        folder = is_folder(self.target)
        if not folder or (os.listdir(self.target) and not _exists(self.target / INDEX)):
            raise FileExistsError(
                f"{self.target} exists and is no checkpoint; choose another checkpoint_id"
            )

    def commit(self) -> None:
        """Give it its name."""
        sync_folder(self.path)
        old = None
        if _exists(self.target):
            old = _sibling(self.target, "old")
            os.rename(self.target, old)
        try:
            os.rename(self.path, self.target)
        except OSError:
            if old is not None:
                os.rename(old, self.target)
            raise
        with suppress(OSError):
            os.unlink(self.target / _OWNER)
        sync_folder(self.target)
        sync_folder(self.target.parent)
        self._lock.close()
        _making.discard(self.path)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)

    def discard(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()
        _making.discard(self.path)


def clean(parent: Path) -> None:
    """Remove what killed runs left in a folder of checkpoints, and undo half a replacement."""
    for name in _names(parent):
        found = _LEFTOVER.fullmatch(name)
        if found is None or not is_folder(parent / name):
            continue
        if not all(_OURS.fullmatch(inner) for inner in _names(parent / name)):
            continue  # by chance somebody else's name
        base, kind = parent / found[1], found[2]
        if kind == "old" and not _exists(base):
            with suppress(OSError):
                os.rename(parent / name, base)
        elif kind != "tmp" or _abandoned(parent / name):
            shutil.rmtree(parent / name, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    """Whether the process that made a temporary folder is gone."""
    if folder in _making:
        return False
    try:
        lock = open(folder / _OWNER, "r+b")
    except OSError:
        return _older(folder, _YOUNG)
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return _older(folder, _DAY)
        return True


def _older(folder: Path, seconds: float) -> bool:
    try:
        return time.time() - os.stat(folder).st_mtime > seconds
    except OSError:
        return False


def delete(folder: Path) -> None:
    """Delete a checkpoint; killed half way, what is left does not look like one."""
    away = _sibling(folder, "del")
    with suppress(FileNotFoundError):
        os.rename(folder, away)
        shutil.rmtree(away, ignore_errors=True)


def existing(checkpoint: Where) -> Path:
    """Where a checkpoint is: under its name, or beside it if its replacement was killed."""
    path = Path(os.path.abspath(checkpoint))
    if not _exists(path):
        for name in _names(path.parent):
            found = _LEFTOVER.fullmatch(name)
            if found is not None and found[1] == path.name and found[2] == "old":
                return path.parent / name
    return path


def checkpoints(folder: Where) -> list[Path]:
    """The complete checkpoints in a folder, oldest first; damaged ones too."""
    parent = Path(os.path.abspath(folder))
    found = []
    for name in _names(parent):
        leftover = _LEFTOVER.fullmatch(name)
        if leftover is not None and (leftover[2] != "old" or _exists(parent / leftover[1])):
            continue
        created = created_at(parent / name)
        if created is not None:
            found.append((created, name))
        elif leftover is None and _exists(parent / name / INDEX):  # damaged: its age is a guess
            found.append((os.stat(parent / name / INDEX).st_mtime_ns, name))
    return [parent / name for _, name in sorted(found)]


def checked(folder: Path, verify: bool = True) -> Index:
    """The index of a checkpoint whose files are there; with ``verify`` every byte is checked.

    Raises:
        CheckpointError: if it is damaged.
    """
    index = read_index(folder)
    for name in index.files if verify else ():
        check_file(index, folder, name)
    return index


def latest(folder: Where, *, verify: bool = False) -> Path | None:
    """The newest complete checkpoint in a folder; damaged ones are reported and passed over.

    Args:
        folder: holds checkpoints as subfolders.
        verify: compare all files with their checksums, not only their names and lengths.

    Returns:
        Its path, or None if there is none.
    """
    for path in reversed(checkpoints(folder)):
        try:
            checked(path, verify)
        except CheckpointError as error:
            warnings.warn(f"latest: {path.name} is passed over: {error.reason}", stacklevel=2)
        else:
            return path
    return None


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, asked of the system by this process itself."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _sibling(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}.{kind}-{secrets.token_hex(8)}")
