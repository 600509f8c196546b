"""Operations that are computed whole at every position, and why."""

from __future__ import annotations

__all__ = ["GATHERS"]

GATHERS: dict[str, str] = {}
