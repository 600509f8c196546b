"""How many processes read the same data, and which of them this is.

This floor knows no communicator: the floor that has one registers itself here. Without it the
variables of a launcher are read.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["register_world", "world"]

WorldProvider = Callable[[], tuple[int, int] | None]

_providers: list[WorldProvider] = []


def register_world(provider: WorldProvider) -> None:
    """Let ``provider()`` answer `world` from now on: (rank, size), or None while there is none."""
    _providers[:] = [provider]


def world() -> tuple[int, int]:
    """(rank, size) of this process among those that share the data.

    Raises:
        ValueError: when neither a process group nor ``RANK`` and ``WORLD_SIZE`` say so.
    """
    for provider in _providers:
        found = provider()
        if found is not None:
            return found
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    raise ValueError(
        "Default process group has not been initialized, please make sure to call "
        "init_process_group, or pass num_replicas and rank."
    )
