"""A state to be filled against what a checkpoint holds: what fits, what does not.

The comparison changes nothing. It reads what has no place yet in the state (an optimizer's first
moments before its first step), and notes what to write where; `Match.apply` then does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from isograd.autograd.modes import no_grad
from isograd.distributed.checkpoint.index import Stored
from isograd.distributed.checkpoint.shards import ShardReader
from isograd.distributed.checkpoint.structure import is_cut, path_name
from isograd.serialization.errors import CheckpointError
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.dtypes import from_numpy
from isograd.tensor.generator import Generator

__all__ = ["LoadReport", "Match"]

_SHOWN = 10
Path = tuple[Any, ...]


class LoadReport(NamedTuple):
    """What `load` did not match, by name; both are empty after a strict load."""

    missing: list[str]
    unexpected: list[str]


class Match:
    """Compares two states.

    Dictionaries are compared by key. An empty dictionary, None, and a list without tensors in the
    target take what the checkpoint has. A top-level entry that the target does not ask for is
    left alone unless it is a tensor.

    Args:
        target: the state to fill.
        stored: the checkpoint's, with `Stored` for tensors.
        reader: where tensors are read from.

    Attributes:
        missing: names in the target that the checkpoint lacks.
        unexpected: names in the checkpoint that the target lacks.
        mismatched: names with what differs.
        fills: (tensor of the target, what goes there).
    """

    def __init__(self, target: dict[Any, Any], stored: dict[Any, Any], reader: ShardReader) -> None:
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.mismatched: list[str] = []
        self.fills: list[tuple[Tensor, Stored]] = []
        self._assign: list[tuple[Any, Any, Any]] = []  # (container, key, value)
        self._reader = reader
        self._fresh: dict[int, Any] = {}
        self._seen: set[tuple[int, int]] = set()
        self._dict(target, stored, ())

    def check(self, strict: bool) -> LoadReport:
        """Raise if it does not fit.

        Raises:
            CheckpointError: naming the first ten entries of each kind.
        """
        lists = [("mismatched", self.mismatched)]
        if strict:
            lists = [
                ("missing (here, but not in the checkpoint)", self.missing),
                ("unexpected (in the checkpoint, but not here)", self.unexpected),
                *lists,
            ]
        told = [f"{len(names)} {what}: {_some(names)}" for what, names in lists if names]
        if told:
            hint = "" if self.mismatched else "\n  (strict=False leaves those out)"
            reason = "it holds another state\n  " + "\n  ".join(told) + hint
            raise CheckpointError(self._reader.index.where, reason)
        return LoadReport(self.missing, self.unexpected)

    def apply(self) -> None:
        """Write into the target."""
        for tensor, stored in self.fills:
            self._fill(tensor, stored)
        for container, key, value in self._assign:
            container[key] = value

    # -- comparison

    def _dict(self, target: dict[Any, Any], stored: dict[Any, Any], path: Path) -> None:
        if (id(target), id(stored)) in self._seen:
            return
        self._seen.add((id(target), id(stored)))
        opened = not target and bool(path)
        for key, value in stored.items():
            if key in target:
                new = self._value(target[key], value, (*path, key))
                if new is not target[key]:
                    self._assign.append((target, key, new))
            elif opened:
                self._assign.append((target, key, self._new(value)))
            elif path or isinstance(value, Stored):
                self.unexpected += leaves(value, (*path, key))
        for key, value in target.items():
            if key not in stored:
                self.missing += leaves(value, (*path, key))

    def _value(self, target: Any, stored: Any, path: Path) -> Any:
        """What stands in the target's place afterwards: itself if it is filled in place."""
        if isinstance(target, Tensor):
            return self._tensor(target, stored, path)
        if target is None or stored is None:
            return self._new(stored)
        if isinstance(target, dict) and isinstance(stored, dict):
            self._dict(target, stored, path)
            return target
        if isinstance(target, (list, tuple)) and any(_tensors(target)):
            return self._sequence(target, stored, path)
        if isinstance(target, Generator) and isinstance(stored, Generator):
            self._assign.append((_State(target), None, stored))
            return target
        if isinstance(target, dict) or isinstance(stored, (dict, Stored)):
            return self._differs(target, stored, path)
        return self._new(stored)

    def _tensor(self, target: Tensor, stored: Any, path: Path) -> Any:
        if not isinstance(stored, Stored):
            return self._differs(target, stored, path)
        array = target._array
        if stored.dtype != from_numpy(array.dtype) or stored.shape != tuple(array.shape):
            return self._differs(target, stored, path)
        self._reader.check(stored)
        self.fills.append((target, stored))
        return target

    def _sequence(self, target: Any, stored: Any, path: Path) -> Any:
        if type(stored) is not type(target) or len(stored) != len(target):
            return self._differs(target, stored, path)
        new = [self._value(t, s, (*path, i)) for i, (t, s) in enumerate(zip(target, stored))]
        if isinstance(target, tuple):
            return tuple(new)
        self._assign += [(target, i, v) for i, v in enumerate(new) if v is not target[i]]
        return target

    def _differs(self, target: Any, stored: Any, path: Path) -> Any:
        here, there = _described(target), _described(stored)
        self.mismatched.append(f"{path_name(path)} (here {here}, in the checkpoint {there})")
        return target

    # -- tensors

    def _new(self, value: Any) -> Any:
        """A value of the checkpoint with tensors of its own, on the CPU."""
        if isinstance(value, Stored):
            if id(value) not in self._fresh:
                self._fresh[id(value)] = wrap(self._reader.whole(value))
            return self._fresh[id(value)]
        if isinstance(value, dict):
            if id(value) not in self._fresh:
                self._fresh[id(value)] = value
                value.update({k: self._new(v) for k, v in value.items()})
        elif isinstance(value, list):
            if id(value) not in self._fresh:
                self._fresh[id(value)] = value
                value[:] = [self._new(v) for v in value]
        elif isinstance(value, tuple) and any(_tensors(value)):
            return tuple(self._new(v) for v in value)
        return value

    def _fill(self, tensor: Tensor, stored: Stored) -> None:
        array = tensor._array
        if is_cut(array):
            array.fill_from(lambda offsets, lengths: self._reader.box(stored, offsets, lengths))
            tensor._bump()
            return
        with no_grad():
            there = tensor.detach()
            for part in stored.parts:
                box = tuple(slice(o, o + n) for o, n in zip(part.offsets, part.lengths))
                (there[box] if box else there).copy_(wrap(self._reader.part(stored, part)))


class _State:
    """Stands where a generator is to take over a state."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def __setitem__(self, key: None, other: Generator) -> None:
        self._generator.set_state_array(other.state_array())


def leaves(value: Any, path: Path) -> list[str]:
    """Names of the tensors and plain values of a state."""
    found: list[str] = []
    waiting: list[tuple[Any, Path]] = [(value, path)]
    seen: set[int] = set()
    while waiting:
        value, path = waiting.pop()
        inner: list[tuple[Any, Path]] | None = None
        if isinstance(value, dict) and value:
            inner = [(v, (*path, k)) for k, v in value.items()]
        elif isinstance(value, (list, tuple)) and any(_tensors(value)):
            inner = [(v, (*path, i)) for i, v in enumerate(value)]
        if inner is None:
            found.append(path_name(path))
        elif id(value) not in seen:
            seen.add(id(value))
            waiting += reversed(inner)
    return found


def _tensors(value: Any) -> Iterator[bool]:
    """True for each tensor somewhere in a value."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, (Tensor, Stored)):
            yield True
        elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value


def _described(value: Any) -> str:
    if isinstance(value, Stored):
        return value.described()
    if isinstance(value, Tensor):
        return f"{from_numpy(value._array.dtype).name} {list(value._array.shape)}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"


def _some(names: list[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:200] for name in names[:_SHOWN]) + more
