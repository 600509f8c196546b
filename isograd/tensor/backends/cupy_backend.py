"""The GPU backend: CuPy arrays. Imported only when a CUDA tensor is first asked for."""

from __future__ import annotations

from typing import Any

import cupy as cp
import numpy as np

from isograd.tensor.backends.names import Names
from isograd.tensor.devices import device

__all__ = ["CupyBackend"]


class _Event:
    """A point in a stream's order, with torch's methods."""

    def __init__(self, timing: bool, blocking: bool = False) -> None:
        self.raw = cp.cuda.Event(block=blocking, disable_timing=not timing)

    @property
    def ptr(self) -> int:
        """CUDA's handle, by which CuPy's streams take it."""
        return int(self.raw.ptr)

    def record(self, stream: Any = None) -> None:
        self.raw.record(getattr(stream, "raw", stream))

    def wait(self, stream: Any = None) -> None:
        """Let a stream's later work wait for this point."""
        (cp.cuda.get_current_stream() if stream is None else stream).wait_event(self)

    def synchronize(self) -> None:
        self.raw.synchronize()

    def query(self) -> bool:
        return bool(self.raw.done)

    def elapsed_time(self, end: Any) -> float:
        """Milliseconds from this event to ``end``; both must have been made with timing."""
        return float(cp.cuda.get_elapsed_time(self.raw, end.raw))


class _Stream:
    """A CuPy stream (``raw``) with torch's methods beside its own."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def __enter__(self) -> _Stream:
        self.raw.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.raw.__exit__(*exc)

    def synchronize(self) -> None:
        self.raw.synchronize()

    def wait_event(self, event: Any) -> None:
        """Let later work here wait for an event."""
        self.raw.wait_event(event)

    def query(self) -> bool:
        """Whether all its work is done."""
        return bool(self.raw.done)

    def record_event(self, event: Any = None) -> Any:
        """Record an event, a new one by default, at this point of the stream."""
        found = _Event(timing=False) if event is None else event
        found.record(self)
        return found

    def wait_stream(self, stream: _Stream) -> None:
        """Let later work here wait for what ``stream`` has been given so far."""
        self.wait_event(stream.record_event())


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

    def stream(self, priority: int | None = None) -> _Stream:
        return _Stream(cp.cuda.Stream(non_blocking=True, priority=priority))

    def current_stream(self) -> _Stream:
        return _Stream(cp.cuda.get_current_stream())

    def event(self, timing: bool = False, blocking: bool = False) -> _Event:
        return _Event(timing, blocking)

    def synchronize(self) -> None:
        cp.cuda.get_current_stream().synchronize()

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        count = int(np.prod(shape))
        memory = cp.cuda.alloc_pinned_memory(max(1, count * np.dtype(dtype).itemsize))
        return np.frombuffer(memory, dtype, count).reshape(shape)
