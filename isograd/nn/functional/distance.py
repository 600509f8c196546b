"""Distances and similarities of vectors."""

from __future__ import annotations

import math

from isograd.tensor.core import Tensor
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import broadcast_tensors
from isograd.tensor.public import public

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


def _norm(x: Tensor, p: float, keepdim: bool = False) -> Tensor:
    """The p-norm over the last dimension; its gradient at 0 is 0."""
    if p == 1:
        return x.abs().sum(-1, keepdim=keepdim)
    if math.isinf(p):
        a = x.abs()
        return a.amax(-1, keepdim) if p > 0 else a.amin(-1, keepdim)
    if p == 0:
        return (x != 0).to(x.dtype).sum(-1, keepdim=keepdim) + 0 * x.sum(-1, keepdim=keepdim)
    total = (x * x if p == 2 else x.abs() ** p).sum(-1, keepdim=keepdim)
    zero = total == 0
    safe = where(zero, 1.0, total)
    root = safe.sqrt() if p == 2 else safe ** (1 / p)
    return where(zero, 0.0, root)


@public(method=False)
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` over the last dimension."""
    return _norm(x1 - x2 + eps, p, keepdim)


@public(method=False)
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances of all pairs of rows i < j; (N, M) -> (N (N - 1) / 2,)."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    rows = [i for i in range(input.shape[0]) for _ in range(i + 1, input.shape[0])]
    columns = [j for i in range(input.shape[0]) for j in range(i + 1, input.shape[0])]
    if not rows:
        return input[:0].sum(1)
    return _norm(input[rows] - input[columns], p)


@public(method=False)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim``; lengths count as at least ``eps``."""
    x1, x2 = (x if x.dtype.category > 1 else x.float() for x in (x1, x2))
    x1, x2 = broadcast_tensors(x1, x2)
    dot = (x1 * x2).sum(dim)
    squares = [(x * x).sum(dim).clamp(min=eps * eps) for x in (x1, x2)]
    return dot / (squares[0].sqrt() * squares[1].sqrt())
