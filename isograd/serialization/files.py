"""``save`` and ``load``: any nesting of plain containers and tensors, in a file that runs no code.

The file is a safetensors file, so any program can read its tensors; what was nested around them
stands as JSON in its metadata. See docs/decisions/0008-checkpoint-format.md.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, BinaryIO

from isograd.serialization.atomic import atomic_file
from isograd.serialization.container import Reader, write
from isograd.serialization.decode import Decoder, Placement
from isograd.serialization.encode import Encoder
from isograd.serialization.errors import CheckpointError
from isograd.serialization.torch_file import is_legacy, is_zip, read_torch
from isograd.tensor.backends import device_count
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.devices import device

__all__ = ["load", "save"]

_STRUCTURE = "isograd.structure"
_VERSION = "1"

MapLocation = str | device | dict[str, str] | Callable[[Any, str], Any] | None


def save(obj: Any, f: str | os.PathLike[str] | BinaryIO) -> None:
    """Write a value to a file, whole or not at all.

    It may be made of dict, list, tuple, set, OrderedDict, defaultdict, Counter, str, int, float,
    bool, None, complex, bytes, dtype, device, Size, tensors, Parameters, Generators and NumPy
    arrays. Tensors that share memory and objects that are met twice stay so.

    Args:
        f: a path, replaced atomically, or a binary file to write into.

    Raises:
        TypeError: for any other type, with the path to it; the file is not touched then.
        OSError: if it cannot be written; what was there before is still there.

    Example:
        >>> save({"step": 7}, file := io.BytesIO())
        >>> load(io.BytesIO(file.getvalue()))
        {'step': 7}
    """
    encoder = Encoder()
    root = encoder.child(obj, "obj")
    entries = encoder.finish()
    table = json.dumps({"root": root, "nodes": encoder.nodes}, separators=(",", ":"))
    metadata = {"format": "pt", "isograd.version": _VERSION, _STRUCTURE: table}
    if isinstance(f, (str, os.PathLike)):
        with atomic_file(f) as file:
            write(file, entries, metadata)
    elif hasattr(f, "write"):
        write(f, entries, metadata)
    else:
        raise TypeError(f"save: expected a path or a binary file, got {type(f).__name__}")


def load(
    f: str | os.PathLike[str] | BinaryIO,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
) -> Any:
    """Read what `save` wrote; also safetensors files, and the zip files of ``torch.save``.

    Nothing in a file is executed, whatever ``weights_only`` says: there is nothing to execute. Of
    torch's files, tensors and plain containers are read; anything else in them is an error.

    Args:
        f: a path, or a binary file.
        map_location: where tensors go: a device, ``{saved: wanted}``, or a function of (bytes,
            saved location) that returns a tensor there, a device or None. By default to where they
            were saved from.
        weights_only: accepted for torch's sake, without effect.
        mmap: leave the tensors in the file until they are touched; changes stay in memory.

    Raises:
        CheckpointError: (a RuntimeError) if the file is damaged, foreign or hostile, or holds
            tensors of a device that is not here and ``map_location`` does not say where to.
    """
    if pickle_module is not None:
        raise TypeError("load: pickle_module is not supported: nothing is unpickled")
    with ExitStack() as stack:
        if isinstance(f, (str, os.PathLike)):
            where = os.fspath(f)
            file: BinaryIO = stack.enter_context(open(f, "rb"))
        else:
            where, file = _described(f), _seekable(f)
            if mmap:
                raise RuntimeError("load: mmap=True needs a path, got a file object")
        placement = _placement(map_location, where)
        head = file.read(16)
        file.seek(-len(head), io.SEEK_CUR)
        if is_legacy(head):
            raise CheckpointError(
                where,
                "torch's format before 1.6 is not supported; load and save it with a newer torch",
            )
        if is_zip(head):
            return read_torch(file, where, placement)
        reader = Reader(file, where, bool(mmap))
        decoder = Decoder(reader, placement)
        if _STRUCTURE not in reader.metadata:
            return decoder.plain_safetensors()
        return decoder.value(reader.metadata[_STRUCTURE])


def _described(f: Any) -> str:
    return str(getattr(f, "name", f"<{type(f).__name__}>"))


def _seekable(f: Any) -> BinaryIO:
    if not hasattr(f, "read"):
        raise TypeError(f"load: expected a path or a binary file, got {type(f).__name__}")
    if hasattr(f, "seekable") and f.seekable():
        found: BinaryIO = f
        return found
    return io.BytesIO(f.read())


def _placement(map_location: MapLocation, where: str) -> Placement:
    """Where a piece of memory saved at some location is to go."""

    def place(raw: Any, saved: str) -> device:
        wanted: Any = map_location
        if callable(map_location):
            wanted = map_location(wrap(raw), saved)
        elif isinstance(map_location, dict):
            wanted = map_location.get(saved)
        if isinstance(wanted, Tensor):
            wanted = wanted.device
        return _available(device(saved if wanted is None else wanted), where)

    return place


def _available(wanted: device, where: str) -> device:
    if wanted.type == "cpu":
        return wanted
    count = device_count()
    if (wanted.index or 0) >= count:
        raise CheckpointError(
            where,
            f"Attempting to deserialize object on {wanted}, but there are {count} CUDA devices. "
            "Use load with map_location='cpu' to map it to the CPU.",
        )
    return device("cuda", wanted.index or 0)
