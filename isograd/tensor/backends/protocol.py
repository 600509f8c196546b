"""What a backend (NumPy or CuPy) offers to the tensor: arrays, streams, events, pinned memory."""

from __future__ import annotations

from typing import Any, Protocol

from isograd.tensor.devices import device

__all__ = ["Backend", "Event", "Stream"]


class Event(Protocol):
    """A point in a stream's order."""

    def record(self, stream: Any = None) -> None: ...
    def synchronize(self) -> None: ...
    def query(self) -> bool: ...
    def elapsed_time(self, end: Any) -> float: ...


class Stream(Protocol):
    """A queue of work on a device; work of one stream runs in order."""

    def synchronize(self) -> None: ...
    def wait_event(self, event: Any) -> None: ...


class Backend(Protocol):
    """One array library. ``xp`` is its module, with NumPy's names."""

    name: str
    xp: Any

    def device_of(self, array: Any) -> device: ...
    def to_numpy(self, array: Any) -> Any:
        """Host array of the same values; a copy unless the array is already on the host."""

    def from_numpy(self, array: Any, index: int | None) -> Any:
        """Array on this backend's device ``index`` with a host array's values."""

    def stream(self, priority: int | None = None) -> Stream: ...
    def current_stream(self) -> Stream: ...
    def event(self, timing: bool = False, blocking: bool = False) -> Event: ...
    def synchronize(self) -> None: ...
    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Host array in page-locked memory where there is a GPU, else an ordinary one."""
