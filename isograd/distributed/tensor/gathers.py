"""Operations that are computed whole at every position, and why.

Every other record has cuts, or a composition. The reason stands in the warning that an operation of
this list gives once, when it first gets an input that is cut.
"""

from __future__ import annotations

__all__ = ["GATHERS"]

GATHERS: dict[str, str] = {
    "as_strided": "its strides are those of one memory",
    "median": "the middle of all values shows when all are in one place",
    "unique": "equal values may lie in any part",
}
