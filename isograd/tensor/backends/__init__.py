"""The array libraries behind the tensor, and how to find an array's.

CuPy is imported when a CUDA tensor is first asked for, never by ``import isograd``.
"""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from typing import Any

import numpy as np

from isograd.tensor.backends.numpy_backend import NumpyBackend as NumpyBackend
from isograd.tensor.backends.protocol import Backend as Backend
from isograd.tensor.devices import device
from isograd.tensor.spread import SpreadArray

__all__ = [
    "Backend",
    "NumpyBackend",
    "array_types",
    "backend_for",
    "backend_of",
    "device_count",
    "device_in_use",
]

_NUMPY = NumpyBackend()


@cache
def _cupy_backend() -> Backend:
    try:
        from isograd.tensor.backends.cupy_backend import CupyBackend
    except ImportError as error:
        raise RuntimeError(
            "cuda: CuPy is not installed, so there are no CUDA tensors; "
            "install it with: pip install 'isograd[cuda]'"
        ) from error
    if device_count() == 0:
        raise RuntimeError("cuda: no CUDA device was found; `isograd doctor` says what was tried")
    return CupyBackend()


@cache
def device_count() -> int:
    """Number of usable CUDA devices; 0 without CuPy, a driver or a device."""
    try:
        import cupy

        return int(cupy.cuda.runtime.getDeviceCount())
    except Exception:  # CuPy raises its own errors for a missing or broken driver
        return 0


def device_in_use() -> bool:
    """Whether this process has opened a CUDA device: from then on it must not be forked."""
    return _cupy_backend.cache_info().currsize > 0


def backend_of(array: Any) -> Backend:
    """The backend an array belongs to."""
    if isinstance(array, np.ndarray):
        return _NUMPY
    if isinstance(array, SpreadArray):
        own: Backend = array.backend
        return own
    return _cupy_backend()


def backend_for(where: device) -> Backend:
    """The backend of a device.

    Raises:
        RuntimeError: for a CUDA device where there is none.
    """
    return _NUMPY if where.type == "cpu" else _cupy_backend()


def array_types() -> tuple[type, ...]:
    """The array classes in use: NumPy's, and CuPy's once it has been imported."""
    cupy = sys.modules.get("cupy")
    return (np.ndarray,) if cupy is None else (np.ndarray, cupy.ndarray)
