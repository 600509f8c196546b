"""Distances between tensors and between all rows of two matrices."""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.primitives.clamp import clamp_min
from isograd.tensor.primitives.matrices import need_floating
from isograd.tensor.primitives.norms import linalg_vector_norm
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.reduction import sum as total
from isograd.tensor.primitives.shape import transpose, unsqueeze
from isograd.tensor.primitives.variance import safe_sqrt
from isograd.tensor.public import public

__all__ = ["cdist", "dist"]

_BY_PRODUCT = "use_mm_for_euclid_dist"
_MODES = (f"{_BY_PRODUCT}_if_necessary", _BY_PRODUCT, f"donot_{_BY_PRODUCT}")


@public()
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of ``input - other``."""
    return linalg_vector_norm(input - other, p)


@public(method=False)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = _MODES[0]) -> Tensor:
    """The p-norm distance of every row of ``x1`` to every row of ``x2``.

    Args:
        compute_mode: whether Euclidean distances may come from one matrix product (less memory,
            less exact where rows are close): by default for more than 25 rows.

    Shape:
        (..., n, d) and (..., m, d) -> (..., n, m)

    Raises:
        RuntimeError: for a negative ``p``, or rows of different lengths.
    """
    for name, x in (("X1", x1), ("X2", x2)):
        need_floating("cdist", x)
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    many = x1.shape[-2] > 25 or x2.shape[-2] > 25
    if p == 2 and (compute_mode == _BY_PRODUCT or (many and compute_mode == _MODES[0])):
        return _by_product(x1, x2)
    return linalg_vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


def _by_product(x: Tensor, y: Tensor) -> Tensor:
    """sqrt(|x|^2 + |y|^2 - 2 x.y); the gradient at distance 0 is 0."""
    lengths: Any = total(x * x, -1, True) + transpose(total(y * y, -1, True), -2, -1)
    return safe_sqrt(clamp_min(lengths - 2 * matmul(x, transpose(y, -2, -1)), 0))
