"""``fill_diagonal_``: one value along the main diagonal, in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor import core
from isograd.tensor.backends import backend_for
from isograd.tensor.core import Tensor
from isograd.tensor.public import public
from isograd.tensor.spread import SpreadArray

__all__ = ["fill_diagonal_"]


@public(function=False)
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write ``fill_value`` where all indices are equal.

    Args:
        wrap: in a matrix with more rows than columns, begin anew after each block of columns + 1
            rows.

    Raises:
        RuntimeError: for fewer than two dimensions, or more than two of unequal lengths.
    """
    if self.ndim < 2:
        raise RuntimeError("fill_diagonal_: dimensions must be larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError(
            f"fill_diagonal_: all dimensions of input must be of equal length, got {self.shape}"
        )
    if isinstance(self._array, SpreadArray):  # diagonals run through its pieces
        mask = np.zeros(self.shape, np.bool_)
        np.fill_diagonal(mask, True, wrap=wrap)
        home = backend_for(self.device).from_numpy(mask, self.device.index)
        masked: Tensor = self.masked_fill_(core.wrap(home), fill_value)
        return masked
    rows, columns = self.shape[0], self.shape[-1]
    starts = range(0, rows, columns + 1) if wrap and self.ndim == 2 and columns else (0,)
    for start in starts:
        places = self[start:] if start else self
        while places.ndim > 1:
            places = places.diagonal(0, 0, 1)  # (n, n, rest) -> (rest, n)
        places.fill_(fill_value)
    return self
