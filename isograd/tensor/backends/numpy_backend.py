"""The CPU backend: NumPy arrays; streams and events are immediate."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from isograd.tensor.devices import CPU, device

__all__ = ["NumpyBackend"]


class _HostEvent:
    def __init__(self) -> None:
        self.time = 0.0

    def record(self, stream: Any = None) -> None:
        self.time = time.perf_counter()

    def synchronize(self) -> None:
        return

    def query(self) -> bool:
        return True

    def elapsed_time(self, end: Any) -> float:
        """Milliseconds from this event to ``end``."""
        return float(end.time - self.time) * 1e3


class _HostStream:
    def synchronize(self) -> None:
        return

    def wait_event(self, event: Any) -> None:
        event.synchronize()


class NumpyBackend:
    """Every operation is done when it returns."""

    name = "numpy"
    xp: Any = np

    def device_of(self, array: Any) -> device:
        return CPU

    def to_numpy(self, array: Any) -> Any:
        return array

    def from_numpy(self, array: Any, index: int | None) -> Any:
        return array

    def stream(self, priority: int | None = None) -> _HostStream:
        return _HostStream()

    def current_stream(self) -> _HostStream:
        return _HostStream()

    def event(self, timing: bool = False, blocking: bool = False) -> _HostEvent:
        return _HostEvent()

    def synchronize(self) -> None:
        return

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.empty(shape, dtype)
