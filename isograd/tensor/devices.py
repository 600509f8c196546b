"""Devices: ``cpu`` and ``cuda[:i]``, spelled as torch spells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["CPU", "device", "local_device", "register_local_device"]

_local_device: list[Callable[[], int | None]] = []


class device:
    """Where a tensor's memory is: ``device("cpu")``, ``device("cuda:1")``, ``device("cuda", 1)``.

    Raises:
        RuntimeError: for a device type isograd does not have.
    """

    __slots__ = ("index", "type")

    def __init__(self, type: str | int | device = "cpu", index: int | None = None) -> None:
        self.index: int | None = index
        if isinstance(type, device):
            name = type.type
            self.index = type.index if index is None else index
        elif isinstance(type, int):
            name, self.index = "cuda", type
        else:
            name, colon, number = type.partition(":")
            if colon:
                if not number.isdigit() or index is not None:
                    raise RuntimeError(f"Invalid device string: '{type}'")
                self.index = int(number)
        if name not in ("cpu", "cuda"):
            raise RuntimeError(f"device: expected cpu or cuda[:index], got {name!r}")
        self.type: str = name
        if self.index is not None and _local_device and name == "cuda":
            here = _local_device[0]()
            self.index = self.index if here is None else here

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __reduce__(self) -> tuple[Any, tuple[str, int | None]]:
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        """Make this the default device of new tensors inside the ``with`` block."""
        _stack.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _stack.pop()


CPU = device("cpu")
_stack = [CPU]


def default_device() -> device:
    """Where new tensors go when no device is named."""
    return _stack[-1]


def set_default_device(d: str | device | None) -> None:
    """Where new tensors go when no device is named; None means the CPU."""
    _stack[0] = CPU if d is None else device(d)


def register_local_device(provider: Callable[[], int | None]) -> None:
    """Let every CUDA index mean the device that ``provider()`` names, while it names one.

    Under a global view each process has one device, and a script's ``cuda:0`` is that one.
    """
    _local_device[:] = [provider]


def local_device() -> int | None:
    """The device that every CUDA index means; None where indices mean what they say."""
    return _local_device[0]() if _local_device else None
