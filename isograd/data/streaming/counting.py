"""The counts of all shards, known to every process before an epoch starts.

Under a global view each process counts some of the shards and all exchange what they found, so
they agree on the files, the counts, and on what is broken. Counts are kept in a file beside the
shards where that can be written, and hold as long as size and time of a shard do.
"""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isograd.data.streaming.errors import ShardError
from isograd.data.streaming.tar_index import TarIndex, index_tar
from isograd.data.view import current_view
from isograd.serialization.atomic import atomic_file

__all__ = ["CACHE_NAME", "count_shards"]

CACHE_NAME = ".isograd-index.npz"
_PREFIX = "shard:"


def count_shards(paths: Sequence[str], on_error: str, cache: bool) -> list[TarIndex]:
    """The samples of each shard. A collective under a global view.

    Args:
        on_error: "raise", or "skip" for one warning per broken shard, of which the samples before
            the damage stay.
        cache: whether to look for, and leave, a file with the counts beside the shards.

    Raises:
        ShardError: in all processes, for the first broken shard, or one that is another file for
            another process.
    """
    view = current_view()
    rank, size = (0, 1) if view is None else (view.rank, view.size)
    known = _Cache(cache)
    mine = {i: known.get(paths[i]) for i in range(rank, len(paths), size)}
    if view is not None and size > 1:
        found = view.exchange_bytes(_pack(mine, paths))
        mine = _merge(found, paths)
    if rank == 0:
        known.save(paths, mine)
    out = [mine[i] for i in range(len(paths))]
    for index in out:
        if index.error is None:
            continue
        if on_error == "raise":
            raise index.error
        if rank == 0:
            warnings.warn(
                f"{index.error}; the {len(index)} samples before it are used, the rest of the "
                "shard is skipped",
                stacklevel=3,
            )
    return out


class _Cache:
    """The counts beside the shards, folder by folder."""

    def __init__(self, used: bool) -> None:
        self._used = used
        self._folders: dict[str, dict[str, NDArray[np.int64]]] = {}

    def get(self, path: str) -> TarIndex:
        """From the cache, or counted."""
        stamp = _stamp(path)
        folder, name = os.path.split(path)
        kept = self._folder(folder).get(name) if self._used else None
        if kept is not None and stamp == kept[:2].tolist():
            return TarIndex(kept[2:])
        return index_tar(path)

    def _folder(self, folder: str) -> dict[str, NDArray[np.int64]]:
        if folder not in self._folders:
            self._folders[folder] = _load(os.path.join(folder, CACHE_NAME))
        return self._folders[folder]

    def save(self, paths: Sequence[str], indices: dict[int, TarIndex]) -> None:
        """Write the files of those folders that have something new; where that can be done."""
        if not self._used:
            return
        fresh: dict[str, dict[str, NDArray[np.int64]]] = {}
        for i, path in enumerate(paths):
            folder, name = os.path.split(path)
            stamp = _stamp(path)
            kept = self._folder(folder).get(name)
            known = kept is not None and stamp == kept[:2].tolist()
            if indices[i].error is None and stamp is not None and not known:
                row = np.concatenate([np.array(stamp, np.int64), indices[i].bounds])
                fresh.setdefault(folder, dict(self._folder(folder)))[name] = row
        for folder, rows in fresh.items():
            with suppress(OSError), atomic_file(os.path.join(folder, CACHE_NAME)) as file:
                named: dict[str, Any] = {_PREFIX + name: row for name, row in rows.items()}
                np.savez(file, **named)


def _stamp(path: str) -> list[int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _load(path: str) -> dict[str, NDArray[np.int64]]:
    rows: dict[str, NDArray[np.int64]] = {}
    with suppress(OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            for key in file.files:
                row = file[key]
                if row.dtype == np.int64 and row.ndim == 1 and _is_increasing(row[2:]):
                    rows[key.removeprefix(_PREFIX)] = row
    return rows


def _is_increasing(bounds: NDArray[np.int64]) -> bool:
    return len(bounds) > 0 and bool(bounds[0] >= 0) and bool((np.diff(bounds) > 0).all())


def _pack(indices: dict[int, TarIndex], paths: Sequence[str]) -> bytes:
    """What one process found, as bytes that need no unpickling."""
    errors = {i: index.error for i, index in indices.items() if index.error is not None}
    head = {
        "sizes": [None if stamp is None else stamp[0] for stamp in map(_stamp, paths)],
        "errors": {i: [e.shard, e.reason, e.sample, e.offset] for i, e in errors.items()},
    }
    arrays: dict[str, Any] = {str(i): index.bounds for i, index in indices.items()}
    out = io.BytesIO()
    np.savez(out, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays)
    return out.getvalue()


def _merge(found: Sequence[bytes], paths: Sequence[str]) -> dict[int, TarIndex]:
    merged: dict[int, TarIndex] = {}
    sizes: list[list[int | None]] = []
    for data in found:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            sizes.append(head["sizes"])
            for key in file.files:
                if key != "head":
                    said = head["errors"].get(key)
                    error = None if said is None else ShardError(*said)
                    merged[int(key)] = TarIndex(file[key], error)
    for rank, own in enumerate(sizes):
        for path, first, size in zip(paths, sizes[0], own):
            if first != size:
                raise ShardError(
                    path,
                    f"it has {_bytes(first)} for rank 0, {_bytes(size)} for rank {rank}; all "
                    "ranks must read the same files",
                )
    return merged


def _bytes(size: int | None) -> str:
    return "no file" if size is None else f"{size} bytes"
