"""``torch.accelerator``: the machine's accelerator by no name of its own; here that is CUDA."""

from __future__ import annotations

from typing import Any

from isograd import cuda
from isograd.tensor.devices import device

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "current_stream",
    "device_count", "device_index", "empty_cache", "is_available", "max_memory_allocated",
    "memory_allocated", "memory_reserved", "reset_peak_memory_stats", "set_device_idx",
    "set_device_index", "set_stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is an accelerator."""
    return cuda.is_available()


def device_count() -> int:
    """Number of accelerators."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> device | None:
    """``device("cuda")``; None where there is none."""
    return device("cuda") if cuda.is_available() else None


def _check(name: str) -> None:
    if not cuda.is_available():
        raise RuntimeError(
            f"accelerator.{name}: Cannot access accelerator device when none is available; ask "
            "accelerator.is_available() first"
        )


def current_device_index() -> int:
    """Index of the device that new tensors go to."""
    _check("current_device_index")
    return cuda.current_device()


def set_device_index(device: Any, /) -> None:
    """Make a device, or its index, the one that new tensors go to."""
    _check("set_device_index")
    cuda.set_device(device)


current_device_idx, set_device_idx = current_device_index, set_device_index  # their former names


class device_index:
    """``with accelerator.device_index(i):`` device ``i`` is current inside; None: no change."""

    def __init__(self, device: int | None, /) -> None:
        self._inner = None if device is None else cuda.device(device)

    def __enter__(self) -> None:
        if self._inner is not None:
            self._inner.__enter__()

    def __exit__(self, *exc: object) -> None:
        if self._inner is not None:
            self._inner.__exit__(*exc)


def synchronize(device: Any = None, /) -> None:
    """Wait until the device has done all work queued so far."""
    _check("synchronize")
    cuda.synchronize(device)


def current_stream(device: Any = None, /) -> Any:
    """The stream that work is queued on now."""
    _check("current_stream")
    return cuda.current_stream(device)


def set_stream(stream: Any) -> None:
    """Queue work on ``stream`` from now on."""
    _check("set_stream")
    stream.use()


def empty_cache() -> None:
    """Give unused memory back to the driver."""
    cuda.empty_cache()


def memory_allocated(device: Any = None, /) -> int:
    """Bytes held by living tensors; 0 without a device."""
    return cuda.memory_allocated(device) if cuda.is_available() else 0


def max_memory_allocated(device: Any = None, /) -> int:
    """The largest `memory_allocated` seen; 0 without a device."""
    return cuda.max_memory_allocated(device) if cuda.is_available() else 0


def memory_reserved(device: Any = None, /) -> int:
    """Bytes the memory pool holds; 0 without a device."""
    return cuda.memory_reserved(device) if cuda.is_available() else 0


def reset_peak_memory_stats(device: Any = None, /) -> None:
    """Forget the largest `memory_allocated`."""
    if cuda.is_available():
        cuda.reset_peak_memory_stats(device)
