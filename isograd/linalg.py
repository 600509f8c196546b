"""``isograd.linalg``: linear algebra under torch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isograd.tensor.primitives.matrices import LinAlgError as LinAlgError
from isograd.tensor.public import FUNCTIONS as _FUNCTIONS

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


_PREFIX = "linalg_"
_FOUND = {
    name.removeprefix(_PREFIX): function
    for name, function in _FUNCTIONS.items()
    if name.startswith(_PREFIX)
}
globals().update(_FOUND)
__all__ = sorted([*_FOUND, "LinAlgError"])
