"""What goes wrong with checkpoint files."""

from __future__ import annotations

__all__ = ["CheckpointError"]


class CheckpointError(RuntimeError):
    """A file is no checkpoint, is damaged, or asks for something a checkpoint must not do."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"load: {where}: {reason}")
        self.where = where
        self.reason = reason
