"""Values again from the node table that `encode` wrote: only what is listed here is ever called."""

from __future__ import annotations

import base64
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

from isograd.nn.parameter import Buffer, Parameter
from isograd.serialization.container import Reader, parse_json, whole_number
from isograd.serialization.encode import FACTORIES
from isograd.serialization.errors import CheckpointError
from isograd.serialization.memory import view_of
from isograd.tensor import dtypes
from isograd.tensor.backends import backend_for
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.devices import CPU, device
from isograd.tensor.generator import Generator
from isograd.tensor.size import Size

__all__ = ["Decoder", "Placement"]

# (bytes of a piece, saved location) -> device to load to
Placement = Callable[[Any, str], device]

_MUTABLE: dict[str, Callable[[], Any]] = {
    "list": list, "set": set, "dict": dict, "OrderedDict": OrderedDict, "Counter": Counter,
    "defaultdict": defaultdict,
}  # fmt: skip
_DEEPEST = 1000
_DTYPES = {d.name: d for d in dtypes.DTYPES}


class _BadNodeError(ValueError):
    """A node that the encoder would not have written."""


class Decoder:
    """Reads one value from a file.

    Args:
        reader: the file.
        placement: where a piece of memory is to go.
    """

    def __init__(self, reader: Reader, placement: Placement) -> None:
        self.reader = reader
        self.placement = placement
        self.nodes: list[Any] = []
        self.values: list[Any] = []
        self.ready: list[bool] = []
        self.depth: list[int] = []
        self._pieces: dict[tuple[str, str], Any] = {}
        self._holders: dict[int, Tensor] = {}

    def plain_safetensors(self) -> dict[str, Tensor]:
        """All entries of a file that another program wrote."""
        return {name: wrap(self._move(name, "cpu").view(e[0]).reshape(e[1]))
                for name, e in self.reader.entries.items()}  # fmt: skip

    def value(self, text: Any) -> Any:
        """The value that the structure describes."""
        where = self.reader.where
        if not isinstance(text, str):
            raise CheckpointError(where, "isograd.structure is no string")
        table = parse_json(text, where, "isograd.structure")
        if not isinstance(table, dict) or not isinstance(table.get("nodes"), list):
            raise CheckpointError(where, "isograd.structure has no list of nodes")
        self.nodes = table["nodes"]
        n = len(self.nodes)
        self.values, self.ready, self.depth = [None] * n, [False] * n, [0] * n
        for step in (self._start, self._build, self._fill, self._attach):
            for i in range(n):
                self._guarded(step, i)
        try:
            return self._child(table.get("root"))
        except _BadNodeError as error:
            raise CheckpointError(where, f"root: {error}") from None

    def _guarded(self, step: Callable[[int, list[Any]], None], i: int) -> None:
        node = self.nodes[i]
        try:
            if not isinstance(node, list) or not node or not isinstance(node[0], str):
                raise _BadNodeError("expected [kind, ...]")
            step(i, node)
        except CheckpointError:
            raise
        except (
            TypeError, ValueError, IndexError, KeyError, OverflowError, RuntimeError
        ) as error:  # fmt: skip
            kind = node[0] if isinstance(node, list) and node else node
            text = f"node {i} ({str(kind)[:40]}): {type(error).__name__}: {str(error)[:200]}"
            raise CheckpointError(self.reader.where, text) from None

    # -- four passes: empty containers, what is made at once, the containers' content, attributes

    def _start(self, i: int, node: list[Any]) -> None:
        if node[0] in _MUTABLE:
            self.values[i], self.ready[i] = _MUTABLE[node[0]](), True

    def _build(self, i: int, node: list[Any]) -> None:
        kind, rest = node[0], node[1:]
        if kind in _MUTABLE:
            return
        if kind in ("tuple", "frozenset"):
            children = [self._child(c) for c in rest[0]]
            inner = [self.depth[c[0]] for c in rest[0] if isinstance(c, list)]
            self.depth[i] = 1 + max(inner, default=0)
            if self.depth[i] > _DEEPEST:  # hashing goes through all levels
                raise _BadNodeError(f"nested more than {_DEEPEST} levels deep")
            self.values[i] = tuple(children) if kind == "tuple" else frozenset(children)
        else:
            self.values[i] = self._made(kind, rest)
        self.ready[i] = True

    def _fill(self, i: int, node: list[Any]) -> None:
        kind, value = node[0], self.values[i]
        if kind == "list":
            value.extend(self._child(c) for c in node[1])
        elif kind == "set":
            value.update(self._child(c) for c in node[1])
        elif kind in _MUTABLE:
            for k, v in node[1]:
                value[self._child(k)] = self._child(v)
            if kind == "defaultdict":
                value.default_factory = FACTORIES[node[2]]

    def _attach(self, i: int, node: list[Any]) -> None:
        if node[0] not in ("OrderedDict", "Counter") or len(node) < 3:
            return
        value, extra = self.values[i], self._child(node[2])
        if type(extra) is not dict or not all(type(k) is str for k in extra):
            raise _BadNodeError("attributes expected")
        if any(hasattr(type(value), k) for k in extra):
            raise _BadNodeError("attributes that would hide the type's own")
        value.__dict__.update(extra)

    def _child(self, c: Any) -> Any:
        if c is None or isinstance(c, (bool, int, float, str)):
            return c
        if not isinstance(c, list) or len(c) != 1 or not whole_number(c[0]):
            raise _BadNodeError(f"expected a value or [node], got {str(c)[:40]}")
        if c[0] >= len(self.nodes) or not self.ready[c[0]]:
            raise _BadNodeError(f"refers to node {c[0]}, which is not there yet")
        return self.values[c[0]]

    def _made(self, kind: str, rest: list[Any]) -> Any:
        simple = _SIMPLE.get(kind)
        if simple is not None:
            return simple(*rest)
        if kind in ("Tensor", "Parameter", "Buffer"):
            return self._tensor(kind, *rest)
        if kind == "ndarray":
            return self._array(rest[0], "cpu")
        if kind == "scalar":
            return self._array(rest[0], "cpu")[()]
        if kind in ("long bytes", "long bytearray"):
            if rest[0].get("strides") not in (None, [1]):  # repeated, they could be endless
                raise _BadNodeError("bytes with strides")
            data = self._array(rest[0], "cpu").tobytes()
            return data if kind == "long bytes" else bytearray(data)
        if kind == "Generator":
            generator = Generator(rest[1])
            generator.set_state_array(self._array(rest[0], "cpu"))
            return generator
        raise _BadNodeError("unknown kind; was it written by a newer version?")

    # -- arrays

    def _tensor(
        self, kind: str, place: Any, location: str, wants: bool, persistent: bool = True
    ) -> Tensor:
        array = self._array(place, str(device(location)))
        tensor = wrap(array)
        if kind == "Parameter":
            tensor = Parameter(tensor, requires_grad=wants is True)
        elif kind == "Buffer":
            tensor = Buffer(tensor, persistent=persistent is True)
        else:
            tensor.requires_grad_(wants is True)
        raw = self._pieces[place["in"], str(device(location))]
        first = self._holders.setdefault(id(raw), tensor)
        if first is not tensor:  # they may overlap: a change of one is a change of the other
            tensor._version_cell = first._share_version()
        return tensor

    def _array(self, place: Any, location: str) -> Any:
        if not isinstance(place, dict):
            raise _BadNodeError("expected a place")
        name, shape = place["in"], place["shape"]
        strides, offset = place.get("strides"), place.get("at", 0)
        if name not in self.reader.entries:
            raise _BadNodeError(f"there is no entry {str(name)[:80]!r}")
        if not all(whole_number(n) for n in (*shape, offset)):
            raise _BadNodeError(f"bad shape {str(shape)[:80]} or offset {offset!r}")
        if strides is not None:
            if len(strides) != len(shape) or not all(whole_number(abs(s)) for s in strides):
                raise _BadNodeError(f"bad strides {str(strides)[:80]}")
            strides = tuple(strides)
        dtype = _DTYPES[place["dtype"]].np
        return view_of(self._move(name, location), dtype, tuple(shape), offset, strides)

    def _move(self, name: str, location: str) -> Any:
        """The bytes of an entry on the device they are to go to."""
        key = (name, location)
        if key not in self._pieces:
            raw = self.reader.raw(name)
            where = self.placement(raw, location)
            if where != CPU:
                raw = backend_for(where).from_numpy(raw, where.index)
            self._pieces[key] = raw
        return self._pieces[key]


def _integer(text: str) -> int:
    if len(text) > 10_000:
        raise _BadNodeError("a number of too many digits")
    return int(text, 16)


_SIMPLE: dict[str, Callable[..., Any]] = {
    "Size": lambda dims: Size([n for n in dims if whole_number(n)]),
    "int": _integer,
    "float": float,
    "complex": lambda re, im: complex(float(re), float(im)),
    "dtype": lambda name: _DTYPES[name],
    "device": device,
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "bytearray": lambda text: bytearray(base64.b64decode(text, validate=True)),
}
