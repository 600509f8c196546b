"""The GPU backend: CuPy arrays. Imported only when a CUDA tensor is first asked for."""

from __future__ import annotations

from typing import Any

import cupy as cp
import numpy as np

from isograd.tensor.backends.names import Names
from isograd.tensor.devices import device

__all__ = ["CupyBackend"]


class _Event:
    def __init__(self, timing: bool) -> None:
        self.raw = cp.cuda.Event(disable_timing=not timing)

    def record(self, stream: Any = None) -> None:
        self.raw.record(stream)

    def synchronize(self) -> None:
        self.raw.synchronize()

    def query(self) -> bool:
        return bool(self.raw.done)

    def elapsed_time(self, end: Any) -> float:
        """Milliseconds from this event to ``end``; both must have been made with timing."""
        return float(cp.cuda.get_elapsed_time(self.raw, end.raw))


class CupyBackend:
    """Work is queued on CuPy's current stream; ``synchronize`` waits for it."""

    name = "cupy"
    xp: Any = Names(cp)

    def device_of(self, array: Any) -> device:
        return device("cuda", array.device.id)

    def to_numpy(self, array: Any) -> Any:
        return cp.asnumpy(array)

    def from_numpy(self, array: Any, index: int | None) -> Any:
        if index is None:
            return cp.asarray(array)
        with cp.cuda.Device(index):
            return cp.asarray(array)

    def stream(self) -> Any:
        return cp.cuda.Stream(non_blocking=True)

    def event(self, timing: bool = False) -> _Event:
        return _Event(timing)

    def synchronize(self) -> None:
        cp.cuda.get_current_stream().synchronize()

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        count = int(np.prod(shape))
        memory = cp.cuda.alloc_pinned_memory(max(1, count * np.dtype(dtype).itemsize))
        return np.frombuffer(memory, dtype, count).reshape(shape)
