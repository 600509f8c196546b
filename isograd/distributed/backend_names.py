"""Which communication library serves which device, by torch's names for them.

``gloo``, torch's library for the CPU, is served by MPI here.
"""

from __future__ import annotations

import os
from typing import Any

from isograd.distributed.rendezvous import is_mpi_available, is_nccl_available
from isograd.tensor.devices import device as device_of

__all__ = ["get_default_backend_for_device", "is_backend_available", "is_torchelastic_launched"]


def get_default_backend_for_device(device: Any) -> str:
    """``"nccl"`` for CUDA devices, ``"gloo"`` for the CPU.

    Args:
        device: a device or its name.
    """
    return "nccl" if device_of(device).type == "cuda" else "gloo"


def is_backend_available(backend: str) -> bool:
    """Whether `init_process_group` can take this backend here."""
    name = backend.lower()
    if name == "nccl":
        return is_nccl_available()
    return name in ("mpi", "gloo") and is_mpi_available()


def is_torchelastic_launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ
