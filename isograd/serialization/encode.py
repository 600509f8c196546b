"""Python values as a table of plain JSON nodes, and the arrays they hold apart.

A child is a JSON scalar or ``[n]``, the node of that number. Nodes are numbered children first, so
that reading needs no recursion; a value met again is the same node, so that aliases stay aliases.
"""

from __future__ import annotations

import base64
import math
from collections import Counter, OrderedDict, defaultdict
from typing import Any

import numpy as np

from isograd.nn.parameter import Buffer, Parameter
from isograd.serialization.container import CODES, Entry
from isograd.serialization.memory import Memory, Place
from isograd.tensor.core import Tensor
from isograd.tensor.devices import device
from isograd.tensor.dtypes import dtype
from isograd.tensor.generator import Generator
from isograd.tensor.size import Size
from isograd.tensor.spread import whole

__all__ = ["FACTORIES", "Encoder"]

FACTORIES: dict[str, Any] = {
    f.__name__: f for f in (list, dict, set, tuple, int, float, str, bool)
} | {"None": None}  # fmt: skip
_SHORT_BYTES = 4096
_DEEPEST = 200
_STORED = {*CODES.values(), np.dtype(np.complex64), np.dtype(np.complex128)}


class Encoder:
    """Turns one value into nodes.

    Attributes:
        nodes: the table; places in it are filled in by `finish`.
        memory: the arrays to store.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.memory = Memory()
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # temporary values, kept so that no id is used twice
        self._places: list[tuple[dict[str, Any], Place]] = []

    def child(self, value: Any, path: str, depth: int = 0) -> Any:
        """A JSON scalar, or ``[n]``.

        Raises:
            TypeError: for a type that a checkpoint cannot hold, naming the path to it.
        """
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int and -(1 << 63) <= value < 1 << 63:
            return value
        if kind is float and math.isfinite(value):
            return value
        known = self._seen.get(id(value))
        if known is not None:
            return [known]
        if depth > _DEEPEST:
            raise TypeError(f"save: {path[:200]}...: nested more than {_DEEPEST} levels deep")
        return [self._node(value, kind, path, depth)]

    def finish(self) -> list[Entry]:
        """Decide where the arrays lie and write it into the nodes; returns what to store."""
        entries = self.memory.entries()
        for node, place in self._places:
            node["in"] = entries[place.piece].name
            if place.strides is not None:
                node["at"], node["strides"] = place.offset, list(place.strides)
        return entries

    def _add(self, value: Any, node: list[Any]) -> int:
        self.nodes.append(node)
        if type(value) not in (int, float, complex):
            self._seen[id(value)] = len(self.nodes) - 1
            self._kept.append(value)
        return len(self.nodes) - 1

    def _node(self, value: Any, kind: type, path: str, depth: int) -> int:
        if kind in (list, set, dict, OrderedDict, Counter, defaultdict):
            return self._mutable(value, kind, path, depth)
        if kind in (tuple, frozenset):
            children = [self.child(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]
            return self._add(value, [kind.__name__, children])
        if isinstance(value, Tensor):
            return self._tensor(value, path)
        if isinstance(value, np.ndarray):
            if kind is not np.ndarray:
                raise self._refusal(value, path)
            return self._array(value, value, "ndarray", path)
        if isinstance(value, np.generic):
            return self._array(value, np.asarray(value), "scalar", path)
        return self._add(value, self._plain(value, kind, path))

    def _plain(self, value: Any, kind: type, path: str) -> list[Any]:
        if kind is Size:
            return ["Size", list(value)]
        if kind is int:
            return ["int", hex(value)]
        if kind is float:
            return ["float", repr(value)]
        if kind is complex:
            return ["complex", repr(value.real), repr(value.imag)]
        if kind is dtype:
            return ["dtype", value.name]
        if kind is device:
            return ["device", str(value)]
        if kind in (bytes, bytearray):
            if len(value) <= _SHORT_BYTES:
                return [kind.__name__, base64.b64encode(value).decode()]
            array = np.frombuffer(bytes(value), np.uint8)
            return [f"long {kind.__name__}", self._place(array, path)]
        if kind is Generator:
            return ["Generator", self._place(value.state_array(), path), str(value.device)]
        raise self._refusal(value, path)

    def _mutable(self, value: Any, kind: type, path: str, depth: int) -> int:
        """Containers that may hold themselves: known before their children are looked at."""
        node: list[Any] = [kind.__name__]
        index = self._add(value, node)
        if kind in (list, set):
            node.append([self.child(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)])
            return index
        node.append([
            [self.child(k, f"{path} (key {k!r})", depth + 1),
             self.child(v, f"{path}[{k!r}]", depth + 1)]
            for k, v in value.items()
        ])  # fmt: skip
        if kind is defaultdict:
            factory = value.default_factory
            name = getattr(factory, "__name__", str(factory))
            if FACTORIES.get(name, self) is not factory:
                raise self._refusal(factory, f"{path}.default_factory")
            node.append(name)
        elif getattr(value, "__dict__", None):  # a state dict carries its version numbers
            node.append(self.child(dict(value.__dict__), f"{path}.__dict__", depth + 1))
        return index

    def _tensor(self, t: Tensor, path: str) -> int:
        kind = type(t)
        if kind not in (Tensor, Parameter, Buffer):
            raise self._refusal(t, path)
        name = "Tensor" if kind is Tensor else kind.__name__
        node = [name, self._place(whole(t._array), path), str(t.device), bool(t.requires_grad)]
        if isinstance(t, Buffer):
            node.append(bool(t.persistent))
        return self._add(t, node)

    def _array(self, value: Any, array: Any, name: str, path: str) -> int:
        if array.dtype.newbyteorder("=") not in _STORED:
            raise TypeError(f"save: {path}: a numpy array of dtype {array.dtype} cannot be stored")
        return self._add(value, [name, self._place(array, path)])

    def _place(self, array: Any, path: str) -> dict[str, Any]:
        """Where the array is to be found; complete after `finish`."""
        place = self.memory.add(array, _entry_name(path))
        node = {"dtype": place.array.dtype.name, "shape": list(array.shape)}
        self._places.append((node, place))
        return node

    def _refusal(self, value: Any, path: str) -> TypeError:
        kind = type(value)
        hint = "; save its state_dict()" if hasattr(value, "state_dict") else ""
        return TypeError(
            f"save: {path}: a checkpoint cannot hold {kind.__module__}.{kind.__qualname__}{hint}"
        )


def _entry_name(path: str) -> str:
    """``obj['model']['fc.weight']`` is stored as ``model.fc.weight``."""
    inner = path.removeprefix("obj")
    return inner.replace("']['", ".").replace("['", "").replace("']", "") or "value"
