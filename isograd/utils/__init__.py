"""torch.utils's paths: thin faces over the rooms that do the work, imported when first used."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["checkpoint", "data", "dlpack", "tensorboard"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"isograd.utils.{name}")
    raise AttributeError(f"module 'isograd.utils' has no attribute {name!r}")
