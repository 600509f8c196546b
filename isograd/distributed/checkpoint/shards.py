"""Shard files: written with their checksum on the way, read by boxes of logical tensors."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from isograd.distributed.checkpoint.index import VALUES, Index, Part, Shard, Stored
from isograd.serialization.container import Entry, Reader, write
from isograd.serialization.errors import CheckpointError
from isograd.tensor.backends import backend_of

__all__ = [
    "ShardReader", "check_file", "create", "host_entry", "sync_folder", "write_file",
    "write_shard",
]  # fmt: skip

_BLOCK = 1 << 22  # bytes read at a time


class _Later:
    """The bytes of an array, fetched to the host and packed when they are written."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.size = int(array.nbytes)

    @property
    def data(self) -> memoryview:
        """Packed bytes."""
        host = backend_of(self._array).to_numpy(self._array)
        packed: Any = np.ascontiguousarray(host).reshape(-1).view(np.uint8)
        return memoryview(packed)


def host_entry(key: str, array: Any, copy: bool) -> Entry:
    """An entry for an array of any device; with ``copy`` it is a snapshot in host memory."""
    dtype, shape = array.dtype, tuple(array.shape)
    if copy:
        fetched = backend_of(array).to_numpy(array)
        array = fetched.copy() if fetched is array or fetched.base is not None else fetched
    if dtype.kind == "c":  # as pairs, since not all readers of the format know them
        dtype, shape = np.dtype(f"f{dtype.itemsize // 2}"), (*shape, 2)
    return Entry(key, _Later(array), dtype.newbyteorder("="), shape)


class _Summing:
    """Passes bytes on to a file and sums them up."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sum, self.size = file, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        """Write and sum."""
        self._sum.update(data)
        self.size += len(data)
        return self._file.write(data)

    def shard(self) -> Shard:
        """What was written."""
        return Shard(self.size, self._sum.hexdigest())


def create(path: Path) -> BinaryIO:
    """A new file to write on this rank, whichever ranks the script's own files are written on."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")


def write_shard(path: Path, entries: Sequence[Entry]) -> Shard:
    """Write a safetensors file and force it to the disk."""
    with create(path) as file:
        summing = _Summing(file)
        write(cast(BinaryIO, summing), entries, {"format": "pt"})
        _force(file)
    return summing.shard()


def write_file(path: Path, data: bytes) -> None:
    """Write a small file and force it to the disk."""
    with create(path) as file:
        file.write(data)
        _force(file)


def _force(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where the system lets folders be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_file(index: Index, folder: Path, name: str) -> None:
    """Compare a file with its checksum.

    Raises:
        CheckpointError: if it differs.
    """
    shard, found = index.files[name], hashlib.sha256()
    with open(folder / name, "rb", buffering=0) as file:
        while data := file.read(_BLOCK):
            found.update(data)
    if found.hexdigest() != shard.checksum:
        raise CheckpointError(index.where, f"{name} is damaged: its checksum is wrong")


class ShardReader:
    """Reads boxes of the logical tensors of a checkpoint; files are mapped when first needed."""

    def __init__(self, index: Index, folder: Path) -> None:
        self.index, self.folder = index, folder
        self._files: dict[str, tuple[Reader, Any]] = {}

    def values(self) -> Reader:
        """The file of arrays that are no tensors."""
        if VALUES not in self.index.files:
            raise CheckpointError(self.index.where, f"there is no {VALUES}")
        with open(self.folder / VALUES, "rb") as file:
            return Reader(io.BytesIO(file.read()), f"{self.index.where}/{VALUES}")

    def part(self, stored: Stored, part: Part) -> Any:
        """The array of a part, mapped and read-only.

        Raises:
            CheckpointError: if the entry is not what the index says.
        """
        reader, data = self._file(part.file)
        where = f"{self.index.where}/{part.file}"
        if part.key not in reader.entries:
            raise CheckpointError(where, f"there is no entry {part.key[:80]!r}")
        dtype, shape, start, end = reader.entries[part.key]
        if stored.dtype.np.kind == "c" and shape[-1:] == (2,):
            dtype, shape = np.dtype(f"c{2 * dtype.itemsize}"), shape[:-1]
        if dtype != stored.dtype.np or tuple(shape) != part.lengths:
            raise CheckpointError(
                where,
                f"entry {part.key[:80]!r} is {dtype.name} {list(shape)}, the index says "
                f"{stored.dtype.name} {list(part.lengths)}",
            )
        return data[start:end].view(dtype).reshape(shape)

    def check(self, stored: Stored) -> None:
        """That all parts of a tensor are there with the right dtype and shape."""
        for part in stored.parts:
            self.part(stored, part)

    def box(self, stored: Stored, offsets: Sequence[int], lengths: Sequence[int]) -> Any:
        """Any box of a logical tensor, in memory of its own; only its bytes are read."""
        try:
            out = np.empty(tuple(lengths), stored.dtype.np)
        except ValueError as error:  # more than an address space, times zero
            reason = f"{stored.name} of shape {list(lengths)} cannot be made: {error}"
            raise CheckpointError(self.index.where, reason) from None
        for part in stored.parts:
            low = [max(a, b) for a, b in zip(offsets, part.offsets)]
            high = [
                min(a + n, b + m)
                for a, n, b, m in zip(offsets, lengths, part.offsets, part.lengths)
            ]
            if all(a < b for a, b in zip(low, high)):
                source = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, part.offsets))
                target = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, offsets))
                out[target] = self.part(stored, part)[source]
        return out

    def whole(self, stored: Stored) -> Any:
        """All of a logical tensor."""
        return self.box(stored, (0,) * len(stored.shape), stored.shape)

    def _file(self, name: str) -> tuple[Reader, Any]:
        if name not in self._files:
            path = self.folder / name
            with open(path, "rb") as file:
                reader = Reader(file, str(path))
                whole = np.memmap(file, np.uint8, "r", shape=(reader.size,))
            self._files[name] = reader, np.asarray(whole)[reader.data :]
        return self._files[name]

    def close(self) -> None:
        """Let go of the files."""
        self._files.clear()
