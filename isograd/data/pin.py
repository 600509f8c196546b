"""Batches into page-locked memory, from where copies to a GPU overlap with its work."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from isograd.data.collate import is_namedtuple, mapping_like, sequence_like
from isograd.tensor.backends import device_count
from isograd.tensor.core import Tensor

__all__ = ["can_pin", "pin_memory"]


def can_pin() -> bool:
    """Whether there is a device to pin for; warns if not."""
    if device_count() > 0:
        return True
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, "
        "then device pinned memory won't be used.",
        stacklevel=4,
    )
    return False


def pin_memory(data: Any) -> Any:
    """``data`` with its tensors, and all that has a ``pin_memory`` method, in pinned memory."""
    if isinstance(data, Tensor):
        return data if data.is_cuda else data.pin_memory()
    if isinstance(data, str | bytes):
        return data
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, Mapping):
        return mapping_like(data, {key: pin_memory(data[key]) for key in data})
    if is_namedtuple(data):
        return type(data)(*(pin_memory(value) for value in data))
    if isinstance(data, Sequence):
        return sequence_like(data, [pin_memory(value) for value in data])
    return data
