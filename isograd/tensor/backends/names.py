"""CuPy's functions as the primitives see them: CuPy's own, but for the few that lose bfloat16.

``where`` has no loop for bfloat16 and answers in float32, as do ``tril`` and ``triu``, which are
made of it. Choosing elements needs no arithmetic, so it is done on their bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor import dtypes

__all__ = ["Names"]

_BFLOAT16 = dtypes.bfloat16.np
_BITS = np.dtype(np.int16)


def _is_low(value: Any) -> bool:
    return getattr(value, "dtype", None) == _BFLOAT16


class Names:
    """A library's names, looked up once each.

    Args:
        library: the module ``cupy``.
    """

    def __init__(self, library: Any) -> None:
        self._library = library

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._library, name)
        setattr(self, name, found)
        return found

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        """Elements of ``x`` where the condition holds, else of ``y``; numbers take on bfloat16."""
        choices = (x, y)
        numbers = (bool, int, float)
        if not any(map(_is_low, choices)) or not all(
            _is_low(c) or isinstance(c, numbers) for c in choices
        ):
            return self._library.where(condition, *choices)
        bits = [_bits(c) for c in choices]
        return self._library.where(condition, *bits).view(_BFLOAT16)

    def tril(self, m: Any, k: int = 0) -> Any:
        """The lower triangle, zeros above."""
        if not _is_low(m):
            return self._library.tril(m, k)
        return self._library.tril(m.view(_BITS), k).view(_BFLOAT16)

    def triu(self, m: Any, k: int = 0) -> Any:
        """The upper triangle, zeros below."""
        if not _is_low(m):
            return self._library.triu(m, k)
        return self._library.triu(m.view(_BITS), k).view(_BFLOAT16)


def _bits(value: Any) -> Any:
    if isinstance(value, (bool, int, float)):
        value = _BFLOAT16.type(value)
    return value.view(_BITS)
