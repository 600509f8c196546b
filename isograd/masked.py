"""``isograd.masked``: reductions and normalizations under a mask, by torch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isograd.tensor.public import FUNCTIONS as _FUNCTIONS

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


_PREFIX = "masked_"
_OTHERS = ("masked_fill", "masked_scatter", "masked_select")  # functions of the main face
_FOUND = {
    name.removeprefix(_PREFIX): function
    for name, function in _FUNCTIONS.items()
    if name.startswith(_PREFIX) and name not in _OTHERS
}
globals().update(_FOUND)
__all__ = sorted(_FOUND)
