"""``torch.distributed.algorithms.join``: the names of `isograd.distributed.join`."""

from __future__ import annotations

from isograd.distributed import join as _join
from isograd.distributed.join import *  # noqa: F403

__all__ = _join.__all__
