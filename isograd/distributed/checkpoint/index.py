"""The index of a checkpoint: which logical tensors it holds and where their parts stand.

One JSON file per checkpoint folder. It names the shard files with their length and SHA-256, the
tensors with their global shape and the boxes that the shards hold of them, and everything that is
no tensor as the node table of `isograd.serialization`. The index carries a SHA-256 of itself, over
its text with zeros in that place. Read with no trust: names stay in the folder, the boxes of a
tensor cover it once, and every box is an entry of its own, so nothing larger than the files is
ever made.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from isograd.serialization.container import parse_json, whole_number
from isograd.serialization.errors import CheckpointError
from isograd.tensor import dtypes

__all__ = ["INDEX", "VALUES", "Index", "Part", "Shard", "Stored", "created_at", "read_index"]

INDEX = "index.json"
VALUES = "values.safetensors"  # arrays that are no tensors: NumPy's, states of generators
_FORMAT, _VERSION = "isograd.checkpoint", 1
_UNSET = "0" * 64
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.safetensors")
_SUM = re.compile(r"[0-9a-f]{64}")
_HEAD = re.compile(rb'"created":\s*(\d{1,19})')
_LARGEST = 1 << 30
_MOST_PARTS = 1 << 16  # of one tensor
_DTYPES = {d.name: d for d in dtypes.DTYPES}


@dataclass(frozen=True)
class Part:
    """A box of a logical tensor and where it stands.

    Attributes:
        offsets, lengths: the box, per dimension.
        file, key: the shard file and the entry in it.
    """

    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    file: str
    key: str


@dataclass
class Stored:
    """A logical tensor of a checkpoint.

    Attributes:
        name: readable and unique, as ``model.fc.weight``.
        parts: boxes that cover it once.
    """

    name: str
    dtype: dtypes.dtype
    shape: tuple[int, ...]
    parts: list[Part] = field(default_factory=list)

    def described(self) -> str:
        """Dtype and shape, for messages."""
        return f"{self.dtype.name} {list(self.shape)}"


@dataclass(frozen=True)
class Shard:
    """A file of the checkpoint: its length in bytes and its SHA-256."""

    size: int
    checksum: str


@dataclass
class Index:
    """What a checkpoint holds.

    Attributes:
        created: nanoseconds since 1970; grows within a folder of checkpoints.
        world_size: on how many ranks it was written.
        files: shard files by name.
        tensors: by name.
        structure: the node table around them.
        where: what to call it in errors.
    """

    created: int
    world_size: int
    files: dict[str, Shard]
    tensors: dict[str, Stored]
    structure: dict[str, Any]
    where: str = ""

    def to_bytes(self) -> bytes:
        """The text of the index file."""
        tensors = {
            t.name: {
                "dtype": t.dtype.name, "shape": list(t.shape),
                "parts": [[list(p.offsets), list(p.lengths), p.file, p.key] for p in t.parts],
            }
            for t in self.tensors.values()
        }  # fmt: skip
        table = {
            "format": _FORMAT, "version": _VERSION, "created": self.created, "checksum": _UNSET,
            "world_size": self.world_size,
            "files": {n: {"size": s.size, "sha256": s.checksum} for n, s in self.files.items()},
            "tensors": tensors, "structure": self.structure,
        }  # fmt: skip
        text = json.dumps(table, separators=(",", ":")).encode()
        return text.replace(_UNSET.encode(), hashlib.sha256(text).hexdigest().encode(), 1)


def created_at(folder: Path) -> int | None:
    """When a checkpoint was made, from the head of its index alone; None if there is none."""
    try:
        with open(folder / INDEX, "rb") as file:
            found = _HEAD.search(file.read(256))
    except OSError:
        return None
    return None if found is None else int(found[1])


def read_index(folder: Path) -> Index:
    """Read and check an index, and that its files are there in full length.

    Raises:
        CheckpointError: if it is missing, damaged, of another format, or hostile.
    """
    where = str(folder)
    try:
        if os.stat(folder / INDEX).st_size > _LARGEST:
            raise CheckpointError(where, f"{INDEX} has more than {_LARGEST} bytes")
        text = (folder / INDEX).read_bytes()
    except FileNotFoundError:
        reason = f"no complete checkpoint: there is no {INDEX}"
        raise CheckpointError(where, reason) from None
    except OSError as error:
        raise CheckpointError(where, f"{INDEX} cannot be read: {error}") from None
    table = parse_json(text, where, INDEX)
    return _Parser(folder).index(table, text)


class _Parser:
    """Checks an index piece by piece."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.where = folder, str(folder)
        self.used: set[tuple[str, str]] = set()

    def _need(self, good: bool, reason: str) -> None:
        if not good:
            raise CheckpointError(self.where, f"{INDEX}: {reason}")

    def index(self, table: Any, text: bytes) -> Index:
        self._need(isinstance(table, dict) and table.get("format") == _FORMAT, "a foreign format")
        version = table.get("version")
        self._need(
            version == _VERSION, f"version {str(version)[:20]}, this isograd reads {_VERSION}"
        )
        checksum = self._checksum(table.get("checksum"))
        zeroed = text.replace(checksum.encode(), _UNSET.encode(), 1)
        self._need(hashlib.sha256(zeroed).hexdigest() == checksum, "its checksum is wrong: damaged")
        created, size = table.get("created"), table.get("world_size")
        self._need(type(created) is int and 0 <= created < 1 << 63, "a bad time of creation")
        self._need(whole_number(size) and size > 0, "a bad number of ranks")
        files, tensors = table.get("files"), table.get("tensors")
        self._need(isinstance(files, dict) and isinstance(tensors, dict), "no files or tensors")
        structure = table.get("structure")
        self._need(isinstance(structure, dict), "no structure")
        shards = {name: self._shard(name, entry) for name, entry in files.items()}
        stored = {name: self._stored(name, entry, shards) for name, entry in tensors.items()}
        return Index(created, size, shards, stored, structure, self.where)

    def _checksum(self, value: Any) -> str:
        self._need(isinstance(value, str) and _SUM.fullmatch(value) is not None, "a bad checksum")
        return str(value)

    def _shard(self, name: str, entry: Any) -> Shard:
        self._need(_FILE_NAME.fullmatch(name) is not None, f"the file name {name[:80]!r}")
        self._need(isinstance(entry, dict), f"file {name!r} is not described")
        size = entry.get("size")
        self._need(whole_number(size), f"file {name!r} has a bad size")
        shard = Shard(size, self._checksum(entry.get("sha256")))
        try:
            found = os.stat(self.folder / name)
        except OSError:
            found = None
        if found is None or not stat.S_ISREG(found.st_mode):
            raise CheckpointError(self.where, f"{name} is missing, or no file")
        have = found.st_size
        if have != size:
            problem = "truncated" if have < size else "longer than written"
            raise CheckpointError(
                self.where, f"{name} is {problem}: {have} bytes, {size} were written"
            )
        return shard

    def _stored(self, name: str, entry: Any, shards: dict[str, Shard]) -> Stored:
        what = f"tensor {name[:80]!r}"
        self._need(isinstance(entry, dict), f"{what} is not described")
        code, shape, parts = (entry.get(k) for k in ("dtype", "shape", "parts"))
        self._need(isinstance(code, str) and code in _DTYPES, f"{what} has dtype {str(code)[:40]}")
        dims = self._dims(what, shape)
        self._need(isinstance(parts, list) and len(parts) <= _MOST_PARTS, f"{what}: bad parts")
        stored = Stored(name, _DTYPES[code], dims)
        stored.parts = [self._part(what, p, dims, shards) for p in parts]
        self._covered(what, stored)
        total = prod(dims) * stored.dtype.np.itemsize
        self._need(total <= sum(s.size for s in shards.values()), f"{what} exceeds the files")
        return stored

    def _dims(self, what: str, value: Any) -> tuple[int, ...]:
        good = isinstance(value, list) and len(value) <= 64 and all(map(whole_number, value))
        self._need(good, f"{what} has the shape or box {str(value)[:80]}")
        return tuple(value)

    def _part(self, what: str, part: Any, dims: tuple[int, ...], shards: dict[str, Shard]) -> Part:
        self._need(isinstance(part, list) and len(part) == 4, f"{what} has a bad part")
        offsets, lengths = self._dims(what, part[0]), self._dims(what, part[1])
        file, key = part[2:]
        self._need(isinstance(file, str) and isinstance(key, str), f"{what} has a bad part")
        self._need(file in shards, f"{what} stands in the unknown file {str(file)[:80]!r}")
        self._need((file, key) not in self.used, f"{what} shares the entry {key[:80]!r}")
        self.used.add((file, key))
        inside = len(offsets) == len(lengths) == len(dims) and all(
            n > 0 and o + n <= d for o, n, d in zip(offsets, lengths, dims)
        )
        self._need(inside, f"{what}: part {key[:80]!r} lies outside of the shape {list(dims)}")
        return Part(offsets, lengths, file, key)

    def _covered(self, what: str, stored: Stored) -> None:
        volume = sum(prod(p.lengths) for p in stored.parts)
        self._need(
            volume == prod(stored.shape) and not _overlap(stored.parts),
            f"{what}: its parts leave holes or overlap",
        )


def _overlap(parts: Sequence[Part]) -> bool:
    """Whether two boxes meet; sweeps along the dimension with most distinct offsets."""
    if len(parts) < 2:
        return False
    ndim = len(parts[0].offsets)
    if ndim == 0:
        return True
    axis = max(range(ndim), key=lambda d: len({p.offsets[d] for p in parts}))
    active: list[Part] = []
    for part in sorted(parts, key=lambda p: p.offsets[axis]):
        start = part.offsets[axis]
        active = [a for a in active if a.offsets[axis] + a.lengths[axis] > start]
        if any(_meet(a, part) for a in active):
            return True
        active.append(part)
    return False


def _meet(a: Part, b: Part) -> bool:
    return all(
        x < y + n and y < x + m for x, m, y, n in zip(a.offsets, a.lengths, b.offsets, b.lengths)
    )
