"""Counting the samples of a tar shard: where each begins, and whether the shard is whole.

A sample is a run of consecutive files with one name up to the first dot (`000017.jpg`,
`000017.cls`). One pass over the headers finds all of them before an epoch starts, so every process
knows the length of the epoch and every broken shard beforehand.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zlib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from isograd.data.streaming.errors import ShardError

__all__ = ["DAMAGE", "ShardFile", "TarIndex", "index_tar", "is_gzip", "open_shard", "split_name"]

DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError, ValueError)  # of a broken shard

ShardFile = io.FileIO | gzip.GzipFile

_BLOCK = 512
_MAGIC = b"\x1f\x8b"  # of gzip
_NAME = re.compile(r"((?:.*/|)[^./][^./]*)[.]([^/]+)", re.DOTALL)


@dataclass(frozen=True)
class TarIndex:
    """The whole samples of one shard.

    Attributes:
        bounds: sample i lies in the bytes bounds[i] to bounds[i + 1] of the uncompressed archive.
        error: what is wrong behind them; None for a whole shard.
    """

    bounds: NDArray[np.int64]
    error: ShardError | None = None

    def __len__(self) -> int:
        return len(self.bounds) - 1


def is_gzip(path: str) -> bool:
    """Whether the file's first bytes are gzip's, whatever its name."""
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def open_shard(path: str) -> ShardFile:
    """The bytes of the archive, uncompressed on the way."""
    if is_gzip(path):
        return gzip.GzipFile(path, "rb")
    return io.FileIO(path)


def split_name(name: str) -> tuple[str, str] | None:
    """(key, extension in lower case) of a member; None for one that belongs to no sample.

    Example:
        >>> split_name("train/000017.seg.PNG")
        ('train/000017', 'seg.png')
    """
    match = _NAME.fullmatch(name)
    if match is None or match[1].rpartition("/")[2].startswith("__"):
        return None
    return match[1], match[2].lower()


def index_tar(path: str) -> TarIndex:
    """Read all headers of a shard."""
    scan = _Scan(path)
    try:
        with open_shard(path) as file:
            scan.run(file)
    except DAMAGE as error:
        bad_sum = isinstance(error, gzip.BadGzipFile) and "CRC" in str(error)
        return scan.broken(_reason(error), keep=not bad_sum)
    return TarIndex(np.array(scan.bounds, np.int64), scan.error)


def _reason(error: BaseException) -> str:
    if isinstance(error, EOFError) or "unexpected end of data" in str(error):
        return "the file is cut off"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


class _Scan:
    """One pass. ``bounds`` closes a sample only when the next one, or the archive's end, is met."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._key: str | None = None
        self._extensions: set[str] = set()
        self._offset = 0
        self.bounds = [0]
        self.error: ShardError | None = None

    def run(self, file: ShardFile) -> None:
        try:
            archive = tarfile.TarFile(fileobj=cast(Any, file))
        except tarfile.ReadError as error:
            raise tarfile.ReadError(f"no tar archive ({error})") from None
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # it would keep them all
            self._offset = member.offset
            if archive.offset <= member.offset_data - _BLOCK:  # a negative size: no end
                raise tarfile.ReadError("bad header")
            if member.isfile() and not self._add(member):
                return
            self._offset = archive.offset
        self._offset = archive.offset
        self._check_end(file)
        if self._key is not None:
            self.bounds.append(self._offset)

    def _add(self, member: Any) -> bool:
        parts = split_name(member.name)
        if parts is None:
            return True
        key, extension = parts
        if key != self._key:
            if self._key is None:
                self.bounds = [member.offset]
            else:
                self.bounds.append(member.offset)
            self._key, self._extensions = key, set()
        if extension in self._extensions:
            self.error = self._failure(f"two members {extension!r} in one sample")
            return False
        self._extensions.add(extension)
        return True

    def _check_end(self, file: ShardFile) -> None:
        """tarfile ends in silence at a bad or missing header."""
        file.seek(self._offset)
        block = file.read(_BLOCK)
        if not block:
            raise tarfile.ReadError("the file is cut off: its end mark is missing")
        if len(block) < _BLOCK:
            raise tarfile.ReadError("the file is cut off within a header")
        if block.strip(b"\0"):
            raise tarfile.ReadError("bad header")
        while isinstance(file, gzip.GzipFile) and file.read(1 << 20):
            continue  # up to the check sum

    def broken(self, reason: str, keep: bool) -> TarIndex:
        if not keep:
            self.bounds = [0]
        return TarIndex(np.array(self.bounds, np.int64), self._failure(reason))

    def _failure(self, reason: str) -> ShardError:
        return ShardError(self._path, reason, self._key, self._offset)
