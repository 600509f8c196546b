"""``torch.utils.dlpack``: tensors exchanged with other libraries without a copy."""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.creation import from_dlpack as from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor's memory."""
    return tensor.__dlpack__()
