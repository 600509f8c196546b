"""What goes wrong with checkpoints that several ranks write or read together."""

from __future__ import annotations

from collections.abc import Mapping

from isograd.serialization.errors import CheckpointError

__all__ = ["CheckpointException"]


class CheckpointException(CheckpointError):
    """Some ranks failed, so none of them succeeded; raised on all ranks.

    Attributes:
        failures: what happened, by rank.
    """

    def __init__(self, task: str, where: str, failures: Mapping[int, str], size: int) -> None:
        self.failures = dict(failures)
        told = [
            text if size == 1 else f"rank {rank} of {size}: {text}"
            for rank, text in sorted(self.failures.items())
        ]
        super().__init__(where, "; ".join(told))
        self.args = (f"{task}: {where}: {self.reason}",)
