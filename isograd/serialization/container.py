"""The safetensors file: a JSON header that says where each tensor's bytes are, then the bytes.

Layout: 8 bytes little-endian header length, header, data without holes
(https://huggingface.co/docs/safetensors). Read with no trust: every length is compared with the
file's before anything of that size is made.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from isograd.serialization.errors import CheckpointError

__all__ = ["CODES", "Entry", "Reader", "parse_json", "whole_number", "write"]

CODES: dict[str, Any] = {
    "BOOL": np.dtype(bool), "U8": np.dtype(np.uint8), "I8": np.dtype(np.int8),
    "U16": np.dtype(np.uint16), "I16": np.dtype(np.int16), "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32), "U64": np.dtype(np.uint64), "I64": np.dtype(np.int64),
    "F16": np.dtype(np.float16), "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype(np.float32), "F64": np.dtype(np.float64),
}  # fmt: skip
_NAMES = {dtype: code for code, dtype in CODES.items()}
_LARGEST_HEADER = 1 << 30
_CHUNK = 1 << 26  # bytes written at a time


@dataclass
class Entry:
    """A named array of the file.

    Attributes:
        raw: its bytes, one dimension of uint8.
        dtype, shape: what they are.
    """

    name: str
    raw: Any
    dtype: Any
    shape: tuple[int, ...]


def write(file: BinaryIO, entries: Sequence[Entry], metadata: dict[str, str]) -> None:
    """Write header and data; wide elements come first, so that all are aligned."""
    entries = sorted(entries, key=lambda e: -e.dtype.itemsize)
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for e in entries:
        start, end = end, end + e.raw.size
        header[e.name] = {
            "dtype": _NAMES[e.dtype], "shape": list(e.shape), "data_offsets": [start, end],
        }  # fmt: skip
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for e in entries:
        view = e.raw.data
        for start in range(0, len(view), _CHUNK):
            file.write(view[start : start + _CHUNK])


class Reader:
    """An open safetensors file.

    Args:
        source: a binary file that can seek, at the start of the data.
        where: what to call it in errors.
        mmap: give arrays that look into the file (changes stay private) instead of reading it.

    Raises:
        CheckpointError: if it is no such file, or a damaged one.
    """

    def __init__(self, source: Any, where: str, mmap: bool = False) -> None:
        self.where = where
        self.file: BinaryIO = source
        self._map: Any = None
        self.begin = source.tell()
        self.size = source.seek(0, io.SEEK_END) - self.begin
        source.seek(self.begin)
        self.entries: dict[str, tuple[Any, tuple[int, ...], int, int]] = {}
        self.metadata: dict[str, Any] = {}
        self._read_header()
        if mmap and self.size:
            self._map = np.memmap(source, np.uint8, "c", self.begin, (self.size,))

    def _fail(self, reason: str) -> CheckpointError:
        return CheckpointError(self.where, reason)

    def _read_header(self) -> None:
        head = self.file.read(8)
        if len(head) < 8:
            raise self._fail(f"the file has {self.size} bytes, too few for a checkpoint")
        length = int.from_bytes(head, "little")
        if length > _LARGEST_HEADER or length < 2:
            raise self._fail("not an isograd, safetensors or torch zip checkpoint")
        if length > self.size - 8:
            raise self._fail(
                f"the header should have {length} bytes, the file has only {self.size}: "
                "it is truncated, or no checkpoint"
            )
        header = parse_json(self.file.read(length), self.where, "the header")
        if not isinstance(header, dict):
            raise self._fail("the header is no JSON object")
        self.data = 8 + length
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict):
            raise self._fail("__metadata__ is no JSON object")
        self.metadata = metadata
        for name, entry in header.items():
            self.entries[name] = self._entry(name, entry)
        self._check_extents()

    def _entry(self, name: str, entry: Any) -> tuple[Any, tuple[int, ...], int, int]:
        if not isinstance(entry, dict):
            raise self._fail(f"entry {name!r} is no JSON object")
        code, shape, offsets = (entry.get(k) for k in ("dtype", "shape", "data_offsets"))
        if not isinstance(code, str) or code not in CODES:
            raise self._fail(f"entry {name!r} has dtype {code!r}; known are {', '.join(CODES)}")
        if not isinstance(shape, list) or not all(whole_number(n) for n in shape[:65]):
            raise self._fail(f"entry {name!r} has a shape that is no list of sizes")
        if len(shape) > 64:
            raise self._fail(f"entry {name!r} has {len(shape)} dimensions")
        if not isinstance(offsets, list) or not all(whole_number(n) for n in offsets):
            raise self._fail(f"entry {name!r} has the offsets {str(offsets)[:80]}")
        if len(offsets) != 2:
            raise self._fail(f"entry {name!r} has the offsets {str(offsets)[:80]}")
        start, end = offsets
        if prod(shape) * CODES[code].itemsize != end - start:
            raise self._fail(f"entry {name!r}: {end - start} bytes for shape {shape} of {code}")
        return CODES[code], tuple(shape), start, end

    def _check_extents(self) -> None:
        expected = 0
        for start, end in sorted((e[2], e[3]) for e in self.entries.values()):
            if start != expected:
                raise self._fail(f"data at offset {start}, expected {expected}: overlap or hole")
            expected = end
        have = self.size - self.data
        if have != expected:
            problem = "truncated" if have < expected else "followed by something else"
            raise self._fail(f"{expected} bytes of data announced, {have} there: it is {problem}")

    def raw(self, name: str) -> Any:
        """The bytes of an entry, writable; from memory of their own unless mapped."""
        _, _, start, end = self.entries[name]
        if self._map is not None:
            return np.asarray(self._map[self.data + start : self.data + end])
        out = np.empty(end - start, np.uint8)
        self.file.seek(self.begin + self.data + start)
        view, done = out.data, 0
        while done < out.size:
            got = _read_into(self.file, view[done : done + _CHUNK])
            if not got:
                raise self._fail(f"entry {name!r}: the file ended early")
            done += got
        return out

    def array(self, name: str) -> Any:
        """An entry as an array."""
        dtype, shape, _, _ = self.entries[name]
        return self.raw(name).view(dtype).reshape(shape)


def _read_into(file: BinaryIO, view: memoryview) -> int:
    readinto = getattr(file, "readinto", None)
    if readinto is not None:
        return int(readinto(view) or 0)
    data = file.read(len(view))
    view[: len(data)] = data
    return len(data)


def whole_number(value: Any) -> bool:
    """A size or an offset."""
    return type(value) is int and 0 <= value < 1 << 62


def parse_json(text: str | bytes, where: str, what: str) -> Any:
    """JSON whose objects have no key twice.

    Raises:
        CheckpointError: for anything else, nesting beyond the parser's limit included.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        short = type(error).__name__ if isinstance(error, RecursionError) else str(error)[:200]
        raise CheckpointError(where, f"{what} is not valid JSON ({short})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found
