"""Batch normalisation by the statistics of the whole batch, however it is cut.

Every position takes the mean and the squared distances of its own part; these 2 C numbers are
gathered once and joined by Chan, Golub & LeVeque 1979 (eq. 2.1), in the order of the positions.
Backward is one all-reduce of 2 C numbers, which are the bias's and the weight's gradients as well.
On meshes of several dimensions the same is composed of Tensor operations. Ioffe & Szegedy 2015,
section 3.
"""

from __future__ import annotations

import math
from typing import Any

from isograd.distributed.tensor import moves
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.partitioner import composed
from isograd.distributed.tensor.placement import Partial, Shard
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.dtypes import FLOAT32, float32, is_low_precision
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.shape import stack
from isograd.tensor.spread import whole

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
    if _in_line(x):
        return _batch_norm_in_line(x, w, b, params["eps"])
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
    if _in_line(x):
        if not _spread_over_channels(x):
            return NotImplemented  # cut by channels: the gradient is brought there
        return _backward_in_line(g, x, w, mean, rstd)
    grad, seen = _seen(g), _seen(x)
    count = seen.shape[0] * seen.shape[2]
    rstd = rstd.reshape(1, -1, 1)
    normal = (seen - mean.reshape(1, -1, 1)) * rstd
    sums = _complete(stack([grad.sum((0, 2)), (grad * normal).sum((0, 2))]))
    db, dw = sums[0], sums[1]
    scale = rstd if w is None else rstd * _per_channel(w)
    dx = (grad - (db / count).reshape(1, -1, 1) - normal * (dw / count).reshape(1, -1, 1)) * scale
    return dx.reshape(x.shape).to(x.dtype), dw, db


# -- a mesh of one dimension: on the pieces


def _in_line(x: Tensor) -> bool:
    array = x._array
    return (
        isinstance(array, ShardedArray) and array.layout.mesh.ndim == 1 and not array.layout.partial
    )


def _rows(piece: Any) -> Any:
    """(N, C, L), in float32 at least."""
    wide = piece.astype(FLOAT32) if is_low_precision(piece.dtype) else piece
    return wide.reshape(piece.shape[0], piece.shape[1], math.prod(piece.shape[2:]))


def _vector(t: Tensor | None, like: Any) -> Any:
    return None if t is None else whole(t._array).astype(like.dtype, copy=False).reshape(1, -1, 1)


def _batch_norm_in_line(x: Tensor, w: Tensor | None, b: Tensor | None, eps: float) -> Any:
    array: Any = x._array
    layout: Layout = array.layout
    mesh, xp = layout.mesh, array.backend.xp
    centred, own = [], []
    for piece in array.pieces:
        rows = _rows(piece)
        count = max(1, rows.shape[0] * rows.shape[2])
        mean = xp.add.reduce(rows, axis=(0, 2), keepdims=True) / rows.dtype.type(count)
        away = rows - mean
        own.append(xp.stack([mean.reshape(-1), xp.add.reduce(away * away, axis=(0, 2))]))
        centred.append((away, mean))
    c = layout.shape[1]
    stats = Layout(mesh, (mesh.positions, 2, c), (Shard(0),), {0: (1,) * mesh.positions})
    gathered = moves.completed(ShardedArray(stats, [s[None] for s in own])).pieces[0]  # (V, 2, C)
    counts = [math.prod(box[1]) // c for box in layout.boxes]
    means, squares = gathered[:, 0], gathered[:, 1]
    kind = gathered.dtype
    shares = xp.asarray([n / sum(counts) for n in counts], kind)[:, None]
    mean = xp.add.reduce(means * shares, axis=0)
    variance = xp.add.reduce(squares, axis=0) / kind.type(sum(counts))
    variance += xp.add.reduce((means - mean) ** 2 * shares, axis=0)
    rstd = 1 / xp.sqrt(variance + kind.type(eps))
    scale = rstd.reshape(1, -1, 1)
    scale = scale if w is None else scale * _vector(w, gathered)
    shift = _vector(b, gathered)
    pieces = []
    for piece, (away, own_mean) in zip(array.pieces, centred, strict=True):
        away += own_mean - mean.reshape(1, -1, 1)
        away *= scale
        if shift is not None:
            away += shift
        pieces.append(away.reshape(piece.shape).astype(piece.dtype, copy=False))
    return wrap(ShardedArray(layout, pieces)), wrap(mean), wrap(rstd)


def _backward_in_line(g: Tensor, x: Tensor, w: Tensor | None, mean: Tensor, rstd: Tensor) -> Any:
    array: Any = x._array
    layout: Layout = array.layout
    mesh, xp = layout.mesh, array.backend.xp
    grads = [_rows(p) for p in moves.placed(g._array, layout).pieces]
    rows = [_rows(p) for p in array.pieces]
    mid, inverse = _vector(mean, rows[0]), _vector(rstd, rows[0])
    normals = [(r - mid) * inverse for r in rows]
    own = [
        xp.stack([xp.add.reduce(d, axis=(0, 2)), xp.add.reduce(d * n, axis=(0, 2))])
        for d, n in zip(grads, normals, strict=True)
    ]
    parts = Layout(mesh, tuple(own[0].shape), (Partial("sum"),))
    db, dw = ShardedArray(parts, own).whole()
    count = math.prod(layout.shape) // layout.shape[1]
    scale = inverse if w is None else inverse * _vector(w, rows[0])
    shift, slope = (v.reshape(1, -1, 1) / v.dtype.type(count) for v in (db, dw))
    pieces = []
    for piece, d, n in zip(array.pieces, grads, normals, strict=True):
        n *= slope
        out = d - shift
        out -= n
        out *= scale
        pieces.append(out.reshape(piece.shape).astype(piece.dtype, copy=False))
    return wrap(ShardedArray(layout, pieces)), wrap(dw), wrap(db)
