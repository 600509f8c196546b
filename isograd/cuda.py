"""``torch.cuda``'s names: devices, streams, events, memory."""

from __future__ import annotations

import sys
from typing import Any

from isograd.tensor.backends import backend_for
from isograd.tensor.backends import device_count as _device_count
from isograd.tensor.devices import device as _device
from isograd.tensor.devices import local_device as _local_device
from isograd.tensor.generator import initial_seed as initial_seed
from isograd.tensor.generator import manual_seed as manual_seed
from isograd.tensor.generator import manual_seed as manual_seed_all
from isograd.tensor.generator import seed as seed
from isograd.tensor.generator import seed as seed_all
from isograd.tensor.legacy_types import CUDA_TYPES as _TYPES
from isograd.tensor.random import get_rng_state as _get_state
from isograd.tensor.random import set_rng_state as _set_state

__all__ = [
    "Event", "Stream", "current_device", "current_stream", "default_stream", "device",
    "device_count", "empty_cache", "get_arch_list", "get_device_capability", "get_device_name",
    "get_device_properties", "get_rng_state", "get_rng_state_all", "init", "initial_seed",
    "ipc_collect", "is_available", "is_bf16_supported", "is_initialized", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "mem_get_info", "memory_allocated",
    "memory_reserved", "reset_peak_memory_stats", "seed", "seed_all", "set_device",
    "set_rng_state", "set_rng_state_all", "set_stream", "stream", "synchronize",
]  # fmt: skip


def device_count() -> int:
    """Number of usable CUDA devices; under a global view one, this process's."""
    count = _device_count()
    return count if _local_device() is None else min(count, 1)


def is_available() -> bool:
    """Whether there is a usable CUDA device."""
    return device_count() > 0


def is_initialized() -> bool:
    """Whether CUDA can be used; devices are opened when first used."""
    return is_available()


def _xp() -> Any:
    return backend_for(_device("cuda")).xp


def _index(where: Any) -> int:
    if where is None:
        return current_device()
    index = _device(where).index
    return current_device() if index is None else index


def current_device() -> int:
    """Index of the device that new CUDA tensors go to."""
    return int(_xp().cuda.runtime.getDevice())


def set_device(device: Any) -> None:
    """Make a device the one that new CUDA tensors go to; a negative index does nothing."""
    if isinstance(device, int) and device < 0:
        return
    index = _device(device).index
    if index is None:
        return
    _xp().cuda.runtime.setDevice(index)


class device:
    """``with cuda.device(i):`` device ``i`` is current inside the block."""

    def __init__(self, device: Any) -> None:
        self._wanted = _index(device)

    def __enter__(self) -> None:
        self._before = current_device()
        set_device(self._wanted)

    def __exit__(self, *exc: object) -> None:
        set_device(self._before)


def synchronize(device: Any = None) -> None:
    """Wait until the device has done all work queued so far."""
    with _xp().cuda.Device(_index(device)):
        _xp().cuda.runtime.deviceSynchronize()


def get_device_properties(device: Any = None) -> Any:
    """The driver's description: ``.name``, ``.total_memory`` (bytes), ``.major``, ..."""
    raw = _xp().cuda.runtime.getDeviceProperties(_index(device))
    fields = {**raw, "name": raw["name"].decode()}
    fields["total_memory"] = fields["totalGlobalMem"]
    fields["multi_processor_count"] = fields["multiProcessorCount"]
    return type("CudaDeviceProperties", (), fields)()


def get_device_name(device: Any = None) -> str:
    """The device's product name."""
    return str(get_device_properties(device).name)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Compute capability (major, minor)."""
    found = get_device_properties(device)
    return int(found.major), int(found.minor)


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the device computes bfloat16 natively (compute capability 8 and up)."""
    return including_emulation or get_device_capability()[0] >= 8


_peak: dict[int, int] = {}


def memory_allocated(device: Any = None) -> int:
    """Bytes held by living tensors."""
    with _xp().cuda.Device(_index(device)):
        return int(_xp().get_default_memory_pool().used_bytes())


def max_memory_allocated(device: Any = None) -> int:
    """Largest value `memory_allocated` was seen at; CuPy's pool keeps no peak of its own.

    Only moments at which this function or `memory_allocated` was asked count.
    """
    index = _index(device)
    _peak[index] = max(_peak.get(index, 0), memory_allocated(index))
    return _peak[index]


def reset_peak_memory_stats(device: Any = None) -> None:
    """Forget the peak."""
    _peak.pop(_index(device), None)


def memory_reserved(device: Any = None) -> int:
    """Bytes the memory pool holds, used or free."""
    with _xp().cuda.Device(_index(device)):
        return int(_xp().get_default_memory_pool().total_bytes())


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of the device's memory."""
    with _xp().cuda.Device(_index(device)):
        free, total = _xp().cuda.runtime.memGetInfo()
        return int(free), int(total)


def empty_cache() -> None:
    """Give the pool's free blocks back to the driver."""
    if is_available():
        _xp().get_default_memory_pool().free_all_blocks()
        _xp().get_default_pinned_memory_pool().free_all_blocks()


def Stream(device: Any = None, priority: int = 0) -> Any:
    """A queue of work on a device; ``with cuda.stream(s):`` makes it current."""
    with _xp().cuda.Device(_index(device)):
        return backend_for(_device("cuda")).stream(priority)


def Event(enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> Any:
    """A point in a stream's order; ``elapsed_time`` is in milliseconds."""
    if interprocess:
        raise NotImplementedError("Event: interprocess=True is not supported")
    return backend_for(_device("cuda")).event(timing=enable_timing, blocking=blocking)


def current_stream(device: Any = None) -> Any:
    """The stream that work is queued on now."""
    with _xp().cuda.Device(_index(device)):
        return backend_for(_device("cuda")).current_stream()


def stream(stream: Any) -> Any:
    """``with cuda.stream(s):`` work inside is queued on ``s``."""
    return stream


def set_stream(stream: Any) -> None:
    """Queue work on ``stream`` from now on."""
    stream.use()


def default_stream(device: Any = None) -> Any:
    """The stream that work is queued on unless another is made current."""
    with _xp().cuda.Device(_index(device)), _xp().cuda.Stream.null:
        return backend_for(_device("cuda")).current_stream()


def init() -> None:
    """Open the current device now instead of when it is first used."""
    _xp().cuda.runtime.free(0)


def ipc_collect() -> None:
    """Nothing to collect: tensors are copied between processes."""


def get_arch_list() -> list[str]:
    """Architectures compiled for: kernels are compiled for the device when first used, so its own.

    Empty without a device.
    """
    return [f"sm_{''.join(map(str, get_device_capability()))}"] if is_available() else []


def get_rng_state(device: Any = None) -> Any:
    """The default generator's state: one generator serves all devices."""
    return _get_state()


def set_rng_state(new_state: Any, device: Any = None) -> None:
    """Put the default generator into a state that `get_rng_state` gave."""
    _set_state(new_state)


def get_rng_state_all() -> list[Any]:
    """The default generator's state, once per device."""
    return [_get_state() for _ in range(device_count())]


def set_rng_state_all(new_states: Any) -> None:
    """Take over a list that `get_rng_state_all` gave."""
    for state in new_states:
        _set_state(state)


def __getattr__(name: str) -> Any:
    if name in _TYPES:
        return _TYPES[name]
    if name == "OutOfMemoryError":  # CuPy's, once CuPy is in use; before, nothing can raise it
        return sys.modules["cupy"].cuda.memory.OutOfMemoryError if "cupy" in sys.modules else (
            MemoryError
        )  # fmt: skip
    raise AttributeError(f"module 'isograd.cuda' has no attribute {name!r}")
