"""A pickle machine without power: it makes containers, and calls only what it was given.

Python's unpickler, however restricted, reserves memory that a hostile file asks for. This machine
goes through `pickletools.genops`, which only parses, keeps its memo in a dict, and refuses every
instruction that torch's files do not need.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from isograd.serialization.errors import CheckpointError
from isograd.tensor.core import Tensor
from isograd.tensor.dtypes import dtype

__all__ = ["Machine", "Refused", "plain_key", "short"]


class Refused(ValueError):
    """The file asks for something that loading weights does not need."""


class _Mark:
    """Where a list of arguments begins on the stack."""


class _Name:
    """A global that the pickle may use."""

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": set,
}  # fmt: skip
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BYTEARRAY8",
}  # fmt: skip
_NOTHING = {"PROTO", "FRAME"}
_WRITTEN = {"PUT", "BINPUT", "LONG_BINPUT"}
_READ = {"GET", "BINGET", "LONG_BINGET"}
_SCALARS = (str, bytes, int, float, type(None))


class Machine:
    """Runs one pickle.

    Args:
        named: what the pickle may name, as ``"module.name"``. Functions must check their arguments.
        persistent: gives the object of a persistent id.
    """

    def __init__(self, named: dict[str, Any], persistent: Callable[[Any], Any]) -> None:
        self.named, self.persistent = named, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        """The pickled value.

        Raises:
            Refused: for everything that is not a plain container, a scalar or given by name.
        """
        try:
            for op, argument, position in pickletools.genops(data):
                if op.name == "STOP":
                    return self._value(self._pop())
                self._do(op.name, argument, position)
        except (Refused, CheckpointError):
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError,
                RuntimeError) as error:  # fmt: skip
            raise Refused(f"a damaged pickle: {type(error).__name__}: {str(error)[:200]}") from None
        raise Refused("a pickle without end")

    def _do(self, name: str, argument: Any, position: int | None) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _VALUES:
            self.stack.append(argument)
        elif name in _READ:
            self.stack.append(self.memo[int(argument)])
        elif name in _WRITTEN:
            self.memo[int(argument)] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name == "MARK":
            self.stack.append(_Mark)
        elif name == "GLOBAL":
            self._name(".".join(argument.split(" ", 1)))
        elif name not in _NOTHING:
            method = getattr(self, f"_{name.lower()}", None)
            if method is None or name not in _METHODS:
                raise Refused(f"pickle instruction {name} at byte {position} is not allowed")
            method()

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is _Mark:
            raise Refused("a damaged pickle: a mark where a value should be")
        return value

    def _value(self, value: Any) -> Any:
        if isinstance(value, _Name):
            if callable(value.value):
                raise Refused(f"{value.name} as a value")
            return value.value
        return value

    def _take(self) -> Any:
        return self._value(self._pop())

    def _to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (value := self.stack.pop()) is not _Mark:
            items.append(self._value(value))
        items.reverse()
        return items

    # -- containers

    def _tuple(self) -> None:
        self.stack.append(tuple(self._to_mark()))

    def _tuple1(self) -> None:
        self.stack.append((self._take(),))

    def _tuple2(self) -> None:
        second = self._take()
        self.stack.append((self._take(), second))

    def _tuple3(self) -> None:
        third, second = self._take(), self._take()
        self.stack.append((self._take(), second, third))

    def _list(self) -> None:
        self.stack.append(self._to_mark())

    def _append(self) -> None:
        value = self._take()
        self._top(list).append(value)

    def _appends(self) -> None:
        items = self._to_mark()
        self._top(list).extend(items)

    def _dict(self) -> None:
        items = self._to_mark()
        self.stack.append({})
        self._put(items)

    def _setitem(self) -> None:
        value = self._take()
        self._put([self._take(), value])

    def _setitems(self) -> None:
        self._put(self._to_mark())

    def _additems(self) -> None:
        items = self._to_mark()
        self._top(set).update(plain_key(v) for v in items)

    def _frozenset(self) -> None:
        self.stack.append(frozenset(plain_key(v) for v in self._to_mark()))

    def _put(self, items: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[plain_key(key)] = value

    def _top(self, kind: type) -> Any:
        target = self.stack[-1]
        if not isinstance(target, kind):
            raise Refused(f"a damaged pickle: items for a {type(target).__name__}")
        return target

    def _pop_mark(self) -> None:
        self._to_mark()

    # -- names and calls

    def _stack_global(self) -> None:
        name, module = self._take(), self._take()
        self._name(f"{module}.{name}")

    def _name(self, name: str) -> None:
        if name not in self.named:
            raise Refused(
                f"it refers to {name[:120]}, which is no weight; save a state_dict(), or convert "
                "the file where torch is installed"
            )
        self.stack.append(_Name(name, self.named[name]))

    def _binpersid(self) -> None:
        self.stack.append(self.persistent(self._take()))

    def _reduce(self) -> None:
        arguments, function = self._take(), self._pop()
        known = isinstance(function, _Name) and callable(function.value)
        if not known or not isinstance(arguments, tuple):
            raise Refused(f"a call of {type(function).__name__}")
        self.stack.append(function.value(*arguments))

    def _newobj(self) -> None:
        self._reduce()

    def _build(self) -> None:
        """Attributes: only a state dict's version numbers, and nothing on tensors."""
        state = self._take()
        target = self.stack[-1]
        if isinstance(target, OrderedDict) and isinstance(state, dict):
            if set(state) <= {"_metadata"}:
                target.__dict__.update(state)
                return
        if isinstance(target, Tensor) and not state:
            return
        raise Refused(f"attributes for a {type(target).__name__}")


_METHODS = {
    "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "APPEND", "APPENDS", "DICT", "SETITEM",
    "SETITEMS", "ADDITEMS", "FROZENSET", "POP_MARK", "STACK_GLOBAL", "BINPERSID", "REDUCE",
    "NEWOBJ", "BUILD",
}  # fmt: skip


def plain_key(key: Any) -> Any:
    """Scalars and tuples of them: hashing deeply nested ones could overflow the stack.

    Raises:
        Refused: for any other key.
    """
    if not all(
        isinstance(v, (*_SCALARS, dtype)) for v in (key if isinstance(key, tuple) else (key,))
    ):
        raise Refused(f"a key of type {type(key).__name__}")
    return key


def short(value: Any) -> str:
    """Something for a message; a container's content could be endless."""
    if isinstance(value, (*_SCALARS, dtype)):
        return repr(value)[:80]
    return f"<{type(value).__name__}>"
