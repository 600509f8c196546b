"""``torch.backends.mps``: Apple's GPUs, which isograd does not use."""

from __future__ import annotations

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """False: there are no ``mps`` tensors."""
    return False


def is_built() -> bool:
    """False: there are no ``mps`` tensors."""
    return False
