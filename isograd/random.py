"""``torch.random``: the default generator's state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from isograd.tensor.generator import initial_seed as initial_seed
from isograd.tensor.generator import manual_seed as manual_seed
from isograd.tensor.generator import seed as seed
from isograd.tensor.random import get_rng_state as get_rng_state
from isograd.tensor.random import set_rng_state as set_rng_state

__all__ = ["fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


@contextmanager
def fork_rng(
    devices: Sequence[Any] | None = None, enabled: bool = True, device_type: str = "cuda"
) -> Iterator[None]:
    """Draws inside the ``with`` block leave those after it as they would have been.

    Args:
        devices: a hint; one generator serves all devices here, so all are forked.
        enabled: False makes the block do nothing.
        device_type: a hint, as ``devices``.
    """
    if not enabled:
        yield
        return
    before = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(before)
