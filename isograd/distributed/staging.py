"""Staging: any array as a flat contiguous host buffer, and back.

A C-contiguous NumPy array is its own buffer. A strided one is copied. A device array goes through
pinned host memory, which a transport without device support says once.
"""

import importlib
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

__all__ = ["HostStaging", "cupy", "is_device"]

_warned: set[str] = set()


def cupy() -> Any:
    """The cupy module, imported on first use."""
    return importlib.import_module("cupy")


def is_device(array: Any) -> bool:
    """True for an array in device memory."""
    return not isinstance(array, np.ndarray)


class HostStaging:
    """The staging half of a transport whose buffers are NumPy arrays."""

    def mark(self, arrays: Sequence[Any]) -> Any:
        """An event in the caller's device stream, or None without device arrays."""
        device = next((a for a in arrays if is_device(a)), None)
        if device is None:
            return None
        with device.device:
            event = cupy().cuda.Event(disable_timing=True)
            event.record()
        return event

    def reach(self, mark: Any) -> None:
        """Wait on the host until the marked values are there."""
        if mark is not None:
            mark.synchronize()

    def stage(self, array: Any, fill: bool) -> Any:
        """A flat contiguous host buffer, the array's own memory when possible."""
        if is_device(array):
            return self._pinned(array, fill)
        if array.flags.c_contiguous:
            return array.reshape(-1)
        if fill:
            return np.ascontiguousarray(array).reshape(-1)
        return np.empty(array.size, array.dtype)

    def unstage(self, buffer: Any, array: Any) -> None:
        """Write the buffer back."""
        if is_device(array):
            with array.device:
                array[...] = cupy().asarray(buffer).reshape(array.shape)
                cupy().cuda.get_current_stream().synchronize()
        elif not array.flags.c_contiguous:  # else the buffer is the array's own memory
            array[...] = buffer.reshape(array.shape)

    def fence(self) -> Any:
        """Host buffers need no ordering."""
        return None

    def computing(self) -> AbstractContextManager[Any]:
        """Host arrays are ready when the call that moves them returns."""
        return nullcontext()

    def grouped(self) -> AbstractContextManager[bool]:
        """Host transfers start one by one."""
        return nullcontext(False)

    def _pinned(self, array: Any, fill: bool) -> np.ndarray[Any, Any]:
        _warn_once(
            "device arrays travel through pinned host memory: no NCCL communicator is in use "
            "(install nvidia-nccl-cu13 and init_process_group('nccl') for direct transfers)"
        )
        host: np.ndarray[Any, Any] = importlib.import_module("cupyx").empty_pinned(
            array.size, array.dtype
        )
        if fill:
            with array.device:
                cupy().ascontiguousarray(array).reshape(-1).get(out=host)
        return host


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warnings.warn(f"isograd.distributed: {message}", RuntimeWarning, stacklevel=3)
