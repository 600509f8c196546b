"""Parts of tensors in pieces, taken and put back along the dimensions that are cut.

A slice of a cut dimension is a view of the pieces, with lengths of its own; an integer there
gathers one row. Slicing back lays the gradient into balanced pieces of zeros without moving it, if
it still lies as the slice did. Of tensors joined along a cut dimension every position gets its
part of the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isograd.distributed.tensor import moves
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.partitioner import composed, views_linked
from isograd.distributed.tensor.picking import put_rows
from isograd.distributed.tensor.placement import Placement, Replicate, Shard
from isograd.distributed.tensor.plan import counts_of
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply, link_view
from isograd.tensor.primitive import PRIMITIVES, Primitive
from isograd.tensor.primitives.indexing import sources

__all__: list[str] = []

Params = dict[str, Any]
Lengths = tuple[int, ...]


def _as_index(primitive: Primitive, params: Params) -> tuple[Any, ...]:
    if primitive.name.startswith("slice"):
        index: tuple[Any, ...] = params["index"]
        return index
    start, length = params["start"], params["length"]
    return (*(slice(None),) * params["dim"], slice(start, start + length), ...)


def _within(item: slice, n: int, start: int, length: int) -> slice:
    """The part of ``item`` that falls into ``length`` elements from ``start`` on, seen there."""
    first, stop, step = item.indices(n)
    skipped = max(0, -(-(start - first) // step))
    low = first + skipped * step - start
    high = min(stop, start + length) - start
    return slice(low, max(low, high), step) if low < length else slice(0, 0, step)


def _count(item: slice, length: int) -> int:
    return len(range(*item.indices(length)))


def _touched(layout: Layout, index: tuple[Any, ...]) -> list[int]:
    """The cut dimensions of which the index takes a part."""
    return [
        d
        for d, item in sources(index, len(layout.shape))
        if d is not None and item != slice(None) and layout.lengths_of(d) is not None
    ]


def _starts(lengths: Lengths) -> list[int]:
    return [sum(lengths[:i]) for i in range(len(lengths))]


@composed("slice", "narrow")
def _slice(primitive: Primitive, inputs: tuple[Any, ...], params: Params) -> Any:
    x = inputs[0]._array
    index = _as_index(primitive, params)
    touched = _touched(x.layout, index)
    if not touched:
        return NotImplemented
    items = dict(sources(index, x.ndim))
    rows = [d for d in touched if isinstance(items[d], int)]
    if rows:
        return wrap(_row(x, index, {d: items[d] for d in rows}))
    out = wrap(_sliced(x, index))
    link_view(out, inputs[0], primitive, params, known=True)
    return out


def _row(x: Any, index: tuple[Any, ...], rows: dict[int, int]) -> Any:
    """Some dimensions taken at an integer: cut to one element there, gathered, then indexed."""
    key: list[Any] = [slice(None)] * x.ndim
    for d, i in rows.items():
        i = i % x.shape[d]
        key[d] = slice(i, i + 1)
    narrowed = _sliced(x, (*key, ...))
    whole: list[Placement] = [
        Replicate() if isinstance(p, Shard) and p.dim in rows else p
        for p in narrowed.layout.placements
    ]
    target = narrowed.layout.with_placements(whole)
    if target.replicated and target.mesh.implicit:
        return moves.placed(narrowed, target).pieces[0][_at_zero(index, set(rows), x.ndim)]
    t = wrap(moves.placed(narrowed, target))
    return apply(PRIMITIVES["slice"], t, index=_at_zero(index, set(rows), x.ndim))._array


def _at_zero(index: tuple[Any, ...], rows: set[int], rank: int) -> tuple[Any, ...]:
    key = [0 if d in rows else item for d, item in sources(index, rank)]
    return (*key, ...)


def _sliced(x: Any, index: tuple[Any, ...]) -> Any:
    """Slices of cut dimensions, as views of the pieces."""
    layout: Layout = x.layout
    seen = sources(index, x.ndim)
    lengths: dict[int, Lengths] = {}
    shape: list[int] = []
    moved: dict[int, int] = {}
    for d, item in seen:
        if isinstance(item, int):
            continue
        at = len(shape)
        if d is None:
            shape.append(1)
            continue
        moved[d] = at
        parts = layout.lengths_of(d)
        if parts is None:
            shape.append(_count(item, layout.shape[d]))
            continue
        local = [
            _within(item, layout.shape[d], s, n) for s, n in zip(_starts(parts), parts, strict=True)
        ]
        lengths[at] = tuple(_count(i, n) for i, n in zip(local, parts, strict=True))
        shape.append(sum(lengths[at]))
    placements: list[Placement] = [
        Shard(moved[p.dim]) if isinstance(p, Shard) else p for p in layout.placements
    ]
    target = Layout(layout.mesh, tuple(shape), tuple(placements), lengths)
    pieces = []
    for k, piece in enumerate(x.pieces):
        starts, sizes = layout.boxes[layout.mesh.first + k]
        key = [
            _within(item, layout.shape[d], starts[d], sizes[d])
            if d is not None and isinstance(item, slice) and layout.lengths_of(d) is not None
            else item
            for d, item in seen
        ]
        pieces.append(piece[tuple(key)])
    return ShardedArray(target, pieces)


@composed("slice_backward", "narrow_backward")
def _slice_back(primitive: Primitive, inputs: tuple[Any, ...], params: Params) -> Any:
    g = inputs[0]._array
    index, shape = _as_index(primitive, params), tuple(params["shape"])
    seen = sources(index, len(shape))
    if any(isinstance(item, int) for _, item in seen) or g.layout.partial:
        return NotImplemented
    moved = {at: d for at, (d, _) in enumerate(seen) if d is not None}
    items = {d: item for d, item in seen if d is not None}
    cut = [p.dim for p in g.layout.placements if isinstance(p, Shard)]
    if any(d not in moved for d in cut) or all(items[moved[d]] == slice(None) for d in cut):
        return NotImplemented
    placements = tuple(
        Shard(moved[p.dim]) if isinstance(p, Shard) else p for p in g.layout.placements
    )
    known = {moved[d]: n for d, n in g.layout.lengths if items[moved[d]] == slice(None)}
    target = Layout(g.layout.mesh, shape, placements, known)
    wanted: dict[int, Lengths] = {}
    for d, parts in target.lengths:
        at = next(a for a, m in moved.items() if m == d)
        wanted[at] = tuple(
            _count(_within(items[d], shape[d], s, n), n)
            for s, n in zip(_starts(parts), parts, strict=True)
        )
    g = moves.placed(g, Layout(g.layout.mesh, g.shape, g.layout.placements, wanted))
    xp = g.backend.xp
    pieces = []
    for k, piece in enumerate(g.pieces):
        starts, sizes = target.boxes[target.mesh.first + k]
        key = tuple(
            item if d is None or target.lengths_of(d) is None
            else _within(item, shape[d], starts[d], sizes[d])
            for d, item in seen
        )  # fmt: skip
        out = xp.zeros(sizes, piece.dtype)
        out[key] = piece
        pieces.append(out)
    return wrap(ShardedArray(target, pieces))


@composed("cat")
def _cat(primitive: Primitive, inputs: tuple[Any, ...], params: Params) -> Any:
    """Every position gets its part of the result, of each input what falls into it."""
    dim = params["dim"]
    arrays = [_now(t) for t in inputs]
    layouts = [a.layout for a in arrays if isinstance(a, ShardedArray)]
    first = next((la for la in layouts if any(p.is_shard(dim) for p in la.placements)), None)
    if first is None:
        return NotImplemented
    placements = tuple(p if p.is_shard(dim) else Replicate() for p in first.placements)
    mesh, n = first.mesh, sum(a.shape[dim] for a in arrays)
    shape = tuple(n if d == dim else size for d, size in enumerate(first.shape))
    target = Layout(mesh, shape, placements)
    parts = target.lengths_of(dim) or ()
    starts = _starts(parts)
    xp = next(a for a in arrays if isinstance(a, ShardedArray)).backend.xp
    columns, at = [], 0
    for a in arrays:
        end = at + a.shape[dim]
        held = tuple(
            max(0, min(end, s + m) - max(at, s)) for s, m in zip(starts, parts, strict=True)
        )
        share = Layout(mesh, tuple(a.shape), placements, {dim: held})
        columns.append(moves.placed(a, share).pieces)
        at = end
    pieces = [xp.concatenate(row, axis=dim) for row in zip(*columns, strict=True)]
    return wrap(ShardedArray(target, pieces))


def _now(t: Tensor) -> Any:
    return getattr(t._array, "now", t._array)


# -- elements that a mask picks


def _mask_counts(mask: Any) -> Lengths:
    """How many elements every part of a mask picks."""
    counts = [int(p.sum()) for p in mask.pieces]
    return counts_of(mask.layout.mesh, counts, mask.layout.cutters(0))


def _cut_mask(indices: tuple[Any, ...]) -> Any:
    """The mask, if it is one and cut along its first dimension alone."""
    if len(indices) != 1:
        return None
    mask = indices[0]._array
    if not isinstance(mask, ShardedArray) or mask.dtype.kind != "b":
        return None
    return mask if [d for d, _ in mask.layout.lengths] == [0] and not mask.layout.partial else None


@composed("index_backward")
def _mask_back(primitive: Primitive, inputs: tuple[Any, ...], params: Params) -> Any:
    """Zeros cut as the mask, with the gradient where it picks."""
    mask = _cut_mask(inputs[1:])
    if mask is None:
        return NotImplemented
    at, shape = params["dims"][0], params["shape"]
    ((_, lengths),) = mask.layout.lengths
    placements = tuple(Shard(at) if isinstance(p, Shard) else p for p in mask.layout.placements)
    mesh = mask.layout.mesh
    picked = tuple(inputs[0]._array.shape)
    g = moves.placed(inputs[0]._array, Layout(mesh, picked, placements, {at: _mask_counts(mask)}))
    target = Layout(mesh, shape, placements, {at: lengths})
    pieces = [
        primitive.forward(
            g.backend.xp, g.pieces[k], mask.pieces[k],
            **{**params, "shape": target.boxes[mesh.first + k][1]},
        )
        for k in range(mesh.count)
    ]  # fmt: skip
    return wrap(ShardedArray(target, pieces))


@composed("index_put")
def _mask_put(primitive: Primitive, inputs: tuple[Any, ...], params: Params) -> Any:
    """Values written where a cut mask picks: every part takes its share of them."""
    x, values, *indices = inputs
    mask = _cut_mask(tuple(indices))
    at = params["dims"][0]
    rank = x.ndim - (0 if mask is None else mask.ndim) + 1
    if mask is None:
        return put_rows(primitive, inputs, params)
    if values.ndim != rank or values.shape[at] == 1:
        return NotImplemented
    ((_, lengths),) = mask.layout.lengths
    placements = tuple(Shard(at) if isinstance(p, Shard) else p for p in mask.layout.placements)
    mesh = mask.layout.mesh
    share = Layout(mesh, tuple(values.shape), placements, {at: _mask_counts(mask)})
    v = moves.placed(values._array, share)
    target = Layout(mesh, tuple(x.shape), placements, {at: lengths})
    placed = moves.placed(x._array, target)
    pieces = [
        primitive.forward(
            placed.backend.xp, placed.pieces[k], v.pieces[k], mask.pieces[k], **params
        )
        for k in range(mesh.count)
    ]
    return wrap(ShardedArray(target, pieces))


@composed("view_scatter")
def _view_scatter(primitive: Primitive, inputs: tuple[Any, ...], params: Params) -> Any:
    """A copy of the base, written to through the same views; gathered where they are none."""
    base, value = inputs
    out = base.clone()
    *views, (last, last_params) = params["chain"]
    with views_linked():
        seen = _seen_near(out, views)
        rows = None if seen is None else _rows_kept(last, last_params, seen)
        if rows is not None:
            wide, shape = rows
            if value.ndim:  # a number goes everywhere
                value = apply(PRIMITIVES["reshape"], value, shape=shape)
            wide[...] = value._array
            return wrap(out._array)
        seen = None if seen is None else _seen_near(seen, [(last, last_params)])
    if seen is None:
        return NotImplemented
    seen._array[...] = value._array
    return wrap(out._array)


def _seen_near(seen: Tensor, views: Iterable[tuple[Primitive, Params]]) -> Tensor | None:
    """What views show of pieces; None where it is gathered or copied."""
    for step, params in views:
        seen = apply(step, seen, **params)
        if not isinstance(seen._array, ShardedArray) or seen._base is None:
            return None
    return seen


def _rows_kept(step: Primitive, params: Params, seen: Tensor) -> Any:
    """What a slice takes with its integers of cut dimensions as slices of one, and that shape."""
    x = seen._array
    if step.name != "slice" or not isinstance(x, ShardedArray):
        return None
    index = params["index"]
    items = sources(index, x.ndim)
    if not _touched(x.layout, index) or not any(isinstance(item, int) for _, item in items):
        return None
    key = [
        slice(item % x.shape[d], item % x.shape[d] + 1)
        if d is not None and isinstance(item, int)
        else item
        for d, item in items
    ]
    wide = _sliced(x, (*key, ...))
    return wide, wide.shape
