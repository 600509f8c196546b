"""The named tuples that some functions return, such as ``return_types.sort(values, indices)``."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

__all__ = ["named_result", "named_type"]

_namedtuple: Any = collections.namedtuple


def named_type(name: str, fields: Sequence[str]) -> Any:
    """The named tuple that the function ``name`` returns; made at its first use.

    Raises:
        ValueError: if it has been made with other fields.
    """
    found = globals().get(name)
    if found is None:
        base = _namedtuple(name, tuple(fields))
        members = {"__slots__": (), "__repr__": _describe, "__module__": __name__}
        found = globals()[name] = type(name, (base,), members)
    elif found._fields != tuple(fields):
        raise ValueError(f"named_type: {name} has the fields {found._fields}, not {tuple(fields)}")
    return found


def named_result(name: str, fields: Sequence[str], values: Sequence[Any]) -> Any:
    """A function's results under their names.

    Example:
        >>> named_result("sort", ("values", "indices"), (1, 2)).indices
        2
    """
    return named_type(name, fields)._make(values)


def _describe(self: Any) -> str:
    parts = ",\n".join(f"{k}={v!r}" for k, v in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{parts})"
