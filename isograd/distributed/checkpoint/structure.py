"""The structure of a state: what is no tensor, as nodes; and the tensors by name.

A tensor's node names the logical tensor of the index; the node table is otherwise that of
`isograd.save`. Read back, the node is a `Stored`, to be filled later by whoever knows the target.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.distributed.checkpoint.index import Stored
from isograd.serialization.container import Entry, Reader
from isograd.serialization.decode import Decoder
from isograd.serialization.encode import Encoder
from isograd.serialization.errors import CheckpointError
from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor
from isograd.tensor.devices import CPU
from isograd.tensor.dtypes import from_numpy

__all__ = ["State", "decode", "is_cut", "is_stateful", "path_name"]

_KIND = "logical tensor"


def is_stateful(value: Any) -> bool:
    """Whether a value carries its state behind ``state_dict`` and ``load_state_dict``."""
    return hasattr(value, "state_dict") and hasattr(value, "load_state_dict")


def is_cut(array: Any) -> bool:
    """Whether a tensor's array knows parts of it only, and who is responsible for which."""
    return hasattr(array, "own_parts")


def path_name(path: tuple[Any, ...]) -> str:
    """``("model", "fc.weight")`` is called ``model.fc.weight``."""
    return ".".join(map(str, path)) or "value"


class State:
    """A state taken apart.

    Args:
        value: dictionaries, lists, numbers, tensors; at the top also objects with
            ``state_dict()``.

    Attributes:
        tensors: (logical tensor, the tensor that holds it) in an order that all ranks share.
        structure: the nodes of everything else.
        entries: arrays that the nodes need.

    Raises:
        TypeError: for what a checkpoint cannot hold, with the path to it.
    """

    def __init__(self, value: dict[str, Any]) -> None:
        plain = {k: v.state_dict() if is_stateful(v) else v for k, v in value.items()}
        encoder = _Encoder()
        root = encoder.child(plain, "obj")
        self.entries: list[Entry] = encoder.finish()
        self.structure = {"root": root, "nodes": encoder.nodes}
        self.tensors: list[tuple[Stored, Tensor]] = encoder.tensors

    def signature(self) -> list[str]:
        """What must agree between the ranks."""
        return [f"{t.name} {t.described()}" for t, _ in self.tensors]


class _Encoder(Encoder):
    """Names tensors instead of storing them."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[tuple[Stored, Tensor]] = []
        self._names: set[str] = set()
        self._same: dict[Any, str] = {}  # memory -> name, so that tied weights are stored once

    def _tensor(self, t: Tensor, path: str) -> int:
        array = t._array
        memory = _memory_key(array)
        name = self._same.get(memory)
        if name is None:
            name = self._same[memory] = self._free_name(_dotted(path))
            stored = Stored(name, from_numpy(array.dtype), tuple(array.shape))
            self.tensors.append((stored, t))
        return self._add(t, [_KIND, name])

    def _free_name(self, name: str) -> str:
        free, n = name, 1
        while free in self._names:
            n += 1
            free = f"{name}#{n}"
        self._names.add(free)
        return free


def _memory_key(array: Any) -> Any:
    if is_cut(array) or not array.size:
        return id(array)
    pointer = array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
    return (
        pointer, array.shape, array.strides, array.dtype.str,
        str(backend_of(array).device_of(array)),
    )  # fmt: skip


def _dotted(path: str) -> str:
    """``obj['opt']['state'][0]`` is called ``opt.state.0``."""
    inner = path.removeprefix("obj").replace("']", "").replace("['", ".")
    name = inner.replace("]", "").replace("[", ".").lstrip(".")
    return name.encode("utf-8", "replace").decode() or "value"


def decode(
    structure: dict[str, Any],
    tensors: dict[str, Stored],
    open_values: Callable[[], Reader],
    where: str,
) -> Any:
    """The state again, with a `Stored` where a tensor is to be.

    Args:
        open_values: opens the file of arrays; called only if a node needs it.

    Raises:
        CheckpointError: if the nodes are not what the encoder writes.
    """
    reader: Any = _Late(open_values, where)
    value = _Decoder(reader, tensors).value(json.dumps(structure))
    if not isinstance(value, dict):
        raise CheckpointError(where, f"its content is a {type(value).__name__}, expected a dict")
    return value


class _Decoder(Decoder):
    """Gives the logical tensors of the index for their nodes."""

    def __init__(self, reader: Any, tensors: dict[str, Stored]) -> None:
        super().__init__(reader, lambda raw, saved: CPU)
        self.tensors = tensors

    def _made(self, kind: str, rest: list[Any]) -> Any:
        if kind == _KIND:
            (name,) = rest
            if name not in self.tensors:
                raise ValueError(f"there is no tensor {str(name)[:80]!r}")
            return self.tensors[name]
        if kind in ("Tensor", "Parameter", "Buffer"):
            raise ValueError("a tensor outside of the index")
        return super()._made(kind, rest)


class _Late:
    """A Reader that is opened when its first entry is asked for."""

    def __init__(self, open_values: Callable[[], Reader], where: str) -> None:
        self._open, self.where = open_values, where
        self._reader: Reader | None = None

    @property
    def entries(self) -> Any:
        """The entries of the opened file."""
        return self._opened().entries

    def raw(self, name: str) -> Any:
        """The bytes of an entry."""
        return self._opened().raw(name)

    def _opened(self) -> Reader:
        if self._reader is None:
            self._reader = self._open()
        return self._reader
