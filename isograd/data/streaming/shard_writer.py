"""Writing tar shards: each is there whole or not at all."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from isograd.data.streaming.image_decoding import IMAGE_EXTENSIONS
from isograd.data.streaming.tar_index import split_name
from isograd.data.view import current_view
from isograd.serialization.atomic import atomic_file
from isograd.tensor.core import Tensor

__all__ = ["ShardWriter"]


class ShardWriter:
    """Writes samples into tar files of a limited size; a context manager.

    A shard takes its name when it is finished; an exception leaves no half-written one. Under a
    global view all processes write the same samples, so the first one's are written; `close` waits
    for it.

    Args:
        pattern: path with one ``%d``, e.g. ``"out-%05d.tar"``; ``.tar.gz`` and ``.tgz`` compress.
        maxcount: most samples in a shard.
        maxsize: bytes of members after which a shard is finished.
        start_shard: number of the first.

    Example:
        >>> with ShardWriter("/tmp/out-%03d.tar", maxcount=2) as out:
        ...     for i in range(3):
        ...         out.write({"__key__": f"{i:06}", "cls": i, "txt": "some text"})
        >>> out.shards
        ['/tmp/out-000.tar', '/tmp/out-001.tar']
    """

    def __init__(
        self,
        pattern: str | os.PathLike[str],
        maxcount: int = 100_000,
        maxsize: float = 3e9,
        start_shard: int = 0,
    ) -> None:
        self._pattern = os.fspath(pattern)
        try:
            two = self._pattern % 0, self._pattern % 1
        except (TypeError, ValueError):
            two = "", ""
        if two[0] == two[1]:
            raise ValueError(
                f"ShardWriter: expected a pattern with one %d, as 'out-%05d.tar', got {pattern!r}"
            )
        if maxcount < 1 or maxsize <= 0:
            raise ValueError(
                f"ShardWriter: expected maxcount and maxsize above 0, got {maxcount}, {maxsize}"
            )
        self._limits = maxcount, maxsize
        self._next = start_shard
        self._key: str | None = None
        self._view = current_view()
        self._silent = self._view is not None and self._view.rank != 0
        self._open: ExitStack | None = None
        self._archive: tarfile.TarFile | None = None
        self._count, self._size = 0, 0
        self.shards: list[str] = []
        self.count = 0  # samples written

    def write(self, sample: Mapping[str, Any]) -> None:
        """Add a sample: ``__key__``, and a value for each extension.

        bytes are stored as they are, str as UTF-8; numbers, arrays and tensors by their extension:
        cls (and its kin), txt, json, npy, npz, safetensors; images need Pillow.

        Raises:
            ValueError: without a key, for the key of the sample before, or a name that would not
                be read back.
            TypeError: for a value that its extension cannot hold.
        """
        key = sample.get("__key__")
        if not isinstance(key, str) or key == self._key:
            raise ValueError(
                f"ShardWriter: expected a __key__ that differs from the last, got {key!r}"
            )
        members = []
        for extension, value in sample.items():
            if extension.startswith("__"):
                continue
            if split_name(f"{key}.{extension}") != (key, extension):
                raise ValueError(
                    f"ShardWriter: {key!r} and {extension!r} would not be read back: expected a "
                    "key without dots in its last part, and a lower-case extension"
                )
            members.append((f"{key}.{extension}", _encode(extension, value)))
        if not members:
            raise ValueError(f"ShardWriter: sample {key!r} has no members")
        if self._count >= self._limits[0] or self._size >= self._limits[1]:
            self._finish(None)
        self._key = key
        self._count += 1
        self.count += 1
        for name, data in members:
            self._add(name, data)

    def _add(self, name: str, data: bytes) -> None:
        self._size += len(data)
        if self._silent:
            return
        if self._archive is None:
            self._archive = self._start()
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._archive.addfile(info, io.BytesIO(data))

    def _start(self) -> tarfile.TarFile:
        stack = ExitStack()
        path = self._pattern % self._next
        file: BinaryIO = stack.enter_context(atomic_file(path))
        self._open = stack
        target: Any = file
        if path.endswith((".gz", ".tgz")):
            packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0)  # no name, no time: same bytes
            target = stack.enter_context(packed)
        return stack.enter_context(tarfile.TarFile(fileobj=target, mode="w"))

    def _finish(self, error: BaseException | None) -> None:
        stack, count = self._open, self._count
        self._open, self._archive, self._count, self._size = None, None, 0, 0
        if stack is not None:
            trace = None if error is None else error.__traceback__
            stack.__exit__(None if error is None else type(error), error, trace)
        if count and error is None:
            self.shards.append(self._pattern % self._next)
            self._next += 1

    def close(self) -> None:
        """Finish the last shard."""
        self._finish(None)
        if self._view is not None:
            self._view.exchange_bytes(b"")
            self._view = None

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._finish(error)


def _encode(extension: str, value: Any) -> bytes:
    last = extension.rpartition(".")[2]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str) and last not in ("json", "jsn"):
        return value.encode()
    encoder = _ENCODERS.get(last) or (_image(last) if last in IMAGE_EXTENSIONS else None)
    if encoder is None:
        known = ", ".join(_ENCODERS)
        raise TypeError(
            f"ShardWriter: expected bytes or str for .{extension}, got {type(value).__name__}; "
            f"other values can be stored as {known} or an image"
        )
    if isinstance(value, Tensor) and last != "safetensors":
        value = value.numpy(force=True)
    return encoder(value)


def _integer(value: Any) -> bytes:
    if int(value) != value:
        raise TypeError(f"ShardWriter: expected an integer for a class, got {value!r}")
    return str(int(value)).encode()


def _npy(value: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(value), allow_pickle=False)
    return out.getvalue()


def _npz(value: Any) -> bytes:
    out = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(array) for name, array in value.items()}
    if any(array.dtype.hasobject for array in arrays.values()):
        raise TypeError("ShardWriter: expected arrays of numbers for .npz, got objects")
    np.savez(out, **arrays)
    return out.getvalue()


def _tensors(value: Any) -> bytes:
    from isograd.serialization import save  # here: data does without it otherwise

    out = io.BytesIO()
    save(value, out)
    return out.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    **dict.fromkeys(("cls", "cls2", "class", "count", "index", "inx", "id"), _integer),
    "json": _json,
    "jsn": _json,
    "npy": _npy,
    "npz": _npz,
    "safetensors": _tensors,
}


def _image(extension: str) -> Callable[[Any], bytes]:
    def encode(value: Any) -> bytes:
        try:
            from PIL import Image
        except ImportError as error:
            raise ImportError(
                "ShardWriter: arrays as images need Pillow; pip install pillow"
            ) from error
        image = value if isinstance(value, Image.Image) else Image.fromarray(np.asarray(value))
        out = io.BytesIO()
        formats = {"jpg": "JPEG", "tif": "TIFF", "pgm": "PPM", "pbm": "PPM", "pnm": "PPM"}
        image.save(out, formats.get(extension, extension.upper()))
        return out.getvalue()

    return encode
