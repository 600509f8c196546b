"""Batch normalisation by the statistics of the whole batch, however it is cut.

Forward: the sums of the elements, then of the squared distances from the mean, are completed over
the positions (two all-reduces of C numbers). Backward: one all-reduce of 2 C numbers, which are the
bias's and the weight's gradients as well. Ioffe & Szegedy 2015, section 3.
"""

from __future__ import annotations

import math
from typing import Any

from isograd.distributed.tensor.partitioner import composed
from isograd.distributed.tensor.placement import Partial, Shard
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.dtypes import float32, is_low_precision
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.shape import stack

__all__: list[str] = []


def _spread_over_channels(x: Tensor) -> bool:
    """Whether statistics per channel need other positions' parts."""
    array = x._array
    return isinstance(array, ShardedArray) and any(
        isinstance(p, Partial) or (isinstance(p, Shard) and p.dim != 1)
        for p in array.layout.placements
    )


def _seen(x: Tensor) -> Tensor:
    """(N, C, L), in float32 at least."""
    wide = x.to(float32) if is_low_precision(x._array.dtype) else x
    n, c, *rest = x.shape
    return wide.reshape(n, c, math.prod(rest))


def _per_channel(t: Tensor | None) -> Tensor | None:
    if t is None:
        return None
    wide = t.to(float32) if is_low_precision(t._array.dtype) else t
    return wide.reshape(1, -1, 1)


def _complete(t: Tensor) -> Tensor:
    """A tensor whose sums are complete; the one given is complete afterwards, too."""
    return wrap(t._array.whole()) if isinstance(t._array, ShardedArray) else t


@composed("batch_norm")
def _batch_norm(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    x, w, b = inputs
    if not _spread_over_channels(x):
        return NotImplemented
    seen = _seen(x)
    count = seen.shape[0] * seen.shape[2]
    mean = _complete(seen.sum((0, 2), keepdim=True)) / count
    centred = seen - mean
    variance = _complete((centred * centred).sum((0, 2), keepdim=True)) / count
    rstd = (variance + params["eps"]).rsqrt()
    scale = rstd if w is None else rstd * _per_channel(w)
    out = centred * scale
    if b is not None:
        out = out + _per_channel(b)
    return out.reshape(x.shape).to(x.dtype), mean.reshape(-1), rstd.reshape(-1)


@composed("batch_norm_backward")
def _batch_norm_backward(
    primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]
) -> Any:
    g, x, w, mean, rstd = inputs
    if not (_spread_over_channels(x) or _spread_over_channels(g)):
        return NotImplemented
    grad, seen = _seen(g), _seen(x)
    count = seen.shape[0] * seen.shape[2]
    rstd = rstd.reshape(1, -1, 1)
    normal = (seen - mean.reshape(1, -1, 1)) * rstd
    sums = _complete(stack([grad.sum((0, 2)), (grad * normal).sum((0, 2))]))
    db, dw = sums[0], sums[1]
    scale = rstd if w is None else rstd * _per_channel(w)
    dx = (grad - (db / count).reshape(1, -1, 1) - normal * (dw / count).reshape(1, -1, 1)) * scale
    return dx.reshape(x.shape).to(x.dtype), dw, db
