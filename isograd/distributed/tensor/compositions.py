"""Operations over a cut dimension whose parts' results do not simply add up, made of those that do.

Places of extremes from the extremes themselves, norms from sums of powers, running sums from the
sums of the parts before, elements picked by whoever holds them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isograd.distributed.tensor import moves
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.partitioner import composed
from isograd.distributed.tensor.placement import Partial, Placement, Replicate, Shard
from isograd.distributed.tensor.plan import Plan, counts_of
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.accumulate import check_bounds
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply
from isograd.tensor.dtypes import float32, is_low_precision
from isograd.tensor.primitive import PRIMITIVES, Primitive

__all__ = ["complete", "cut_along", "places_along", "widened"]

Params = dict[str, Any]
Inputs = tuple[Any, ...]


def cut_along(t: Any, *dims: int) -> bool:
    """Whether a tensor's parts differ along one of the dimensions."""
    array = t._array if isinstance(t, Tensor) else None
    return isinstance(array, ShardedArray) and any(d in dims for d, _ in array.layout.lengths)


def widened(x: Tensor) -> Tensor:
    """In float32 at least."""
    return x.to(float32) if is_low_precision(x._array.dtype) else x


def complete(t: Tensor) -> Tensor:
    """With its sums taken; what is cut stays so."""
    array = t._array
    if isinstance(array, ShardedArray) and array.layout.partial:
        return wrap(moves.placed(array, moves.without_partial(array.layout)))
    return t


def places_along(x: ShardedArray, dim: int) -> Tensor:
    """0, 1, ... along ``dim``, of length 1 along the others, cut there as ``x`` is."""
    layout = x.layout
    placements: tuple[Placement, ...] = tuple(
        p if p == Shard(dim) else Replicate() for p in layout.placements
    )
    shape = tuple(n if d == dim else 1 for d, n in enumerate(layout.shape))
    lengths = layout.lengths_of(dim)
    target = Layout(layout.mesh, shape, placements, {dim: lengths} if lengths else None)
    pieces = []
    for k in range(layout.mesh.count):
        starts, sizes = target.boxes[layout.mesh.first + k]
        pieces.append(x.backend.xp.arange(starts[dim], starts[dim] + sizes[dim]).reshape(sizes))
    return wrap(ShardedArray(target, pieces))


# -- extremes


@composed("argmax", "argmin")
def _arg(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """The first place along the dimension where the extreme stands."""
    x, dim, keep = inputs[0], params["dim"], params["keepdim"]
    if dim is None:
        if not cut_along(x, *range(x.ndim)):
            return NotImplemented
        shape = (1,) * x.ndim if keep else ()
        every = tuple(range(x.ndim))
        return _first(primitive, x, _flat_places(x), every).reshape(shape)
    if not cut_along(x, dim):
        return NotImplemented
    found = _first(primitive, x, places_along(x._array, dim), (dim,))
    return found if keep else found.squeeze(dim)


def _flat_places(x: Tensor) -> Tensor:
    """The number of every element in row order."""
    out: Any = 0
    for d in range(x.ndim):
        out = out * x.shape[d] + places_along(x._array, d)
    made: Tensor = out
    return made


def _first(primitive: Primitive, x: Tensor, places: Tensor, dims: tuple[int, ...]) -> Tensor:
    extreme = PRIMITIVES["amax" if primitive.name == "argmax" else "amin"]
    top = complete(apply(extreme, x, dims=dims, keepdim=True))
    hit = (x == top) | ((x != x) & (top != top))
    beyond = math.prod(x.shape[d] for d in dims)
    made: Tensor = apply(
        PRIMITIVES["amin"], places.masked_fill(~hit, beyond), dims=dims, keepdim=True
    )
    return made


# -- norms


@composed("linalg_vector_norm")
def _norm(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """The root of the sum of powers; other norms combine by themselves."""
    x, p, dims = inputs[0], params["p"], params["dims"]
    if p in (0, 1) or math.isinf(p) or not cut_along(x, *dims):
        return NotImplemented
    size = widened(x).abs()
    powers = size * size if p == 2 else size**p
    total = powers.sum(dims, keepdim=params["keepdim"])
    out = total.sqrt() if p == 2 else total ** (1 / p)
    return out.to(x.dtype) if not x.is_complex() else out


# -- elements by index


@composed("gather")
def _gather(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """Along a cut dimension: every position gives what it holds of it, and zeros else."""
    x, index = inputs
    dim = params["dim"]
    if not cut_along(x, dim) or x.ndim != index.ndim or x._array.dtype.kind == "b":
        return NotImplemented
    layout: Layout = x._array.layout
    others = [d for d, _ in layout.lengths if d != dim]
    if any(index.shape[d] != x.shape[d] for d in others) or index.numel() >= x.numel():
        return NotImplemented
    mesh, known = layout.mesh, {d: n for d, n in layout.lengths if d != dim}
    here: list[Placement] = [Replicate() if p == Shard(dim) else p for p in layout.placements]
    asked: list[Placement] = [Replicate() if isinstance(p, Partial) else p for p in here]
    given = moves.placed(index._array, Layout(mesh, tuple(index.shape), tuple(asked), known))
    made: list[Placement] = [
        Partial("sum") if p == Shard(dim) else h
        for p, h in zip(layout.placements, here, strict=True)
    ]
    if any(isinstance(p, Partial) and p.reduce_op != "sum" for p in made):
        return NotImplemented
    xp = x._array.backend.xp
    pieces = []
    for k, (part, at) in enumerate(zip(x._array.pieces, given.pieces, strict=True)):
        check_bounds(xp, at, x.shape[dim], dim, RuntimeError)
        start, length = (box[dim] for box in layout.boxes[mesh.first + k])
        if not length:
            pieces.append(xp.zeros(at.shape, part.dtype))
            continue
        held = (at >= start) & (at < start + length)
        taken = primitive.forward(xp, part, xp.where(held, at - start, 0), dim=dim)
        pieces.append(xp.where(held, taken, part.dtype.type(0)))
    return wrap(ShardedArray(Layout(mesh, tuple(index.shape), tuple(made), known), pieces))


@composed("scatter_add")
def _scatter_add(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """Values cut along the dimension that they are added along: each position sums up its own."""
    x, index, src = inputs
    dim = params["dim"]
    if not (cut_along(src, dim) or cut_along(index, dim)) or src.ndim != x.ndim:
        return NotImplemented
    if cut_along(x, dim):
        return NotImplemented
    made = apply(PRIMITIVES["gather_backward"], src, index, dim=dim, shape=tuple(x.shape))
    return x + made


@composed("bincount")
def _bincount(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """Counts of every part up to the largest number of all."""
    x, weights = inputs
    if not cut_along(x, 0):
        x = _cut_as(x, weights)
    if x is None:
        return NotImplemented
    length = params["minlength"]
    if x.numel():
        length = max(length, int(apply(PRIMITIVES["amax"], x, dims=(0,), keepdim=False)) + 1)
    array = x._array
    spread = None if weights is None else moves.placed(weights._array, array.layout)
    pieces = [
        primitive.forward(
            array.backend.xp, part, None if spread is None else spread.pieces[k], minlength=length
        )
        for k, part in enumerate(array.pieces)
    ]
    made = tuple(Partial("sum") if p == Shard(0) else p for p in array.layout.placements)
    return wrap(ShardedArray(Layout(array.layout.mesh, (length,), made), pieces))


def _cut_as(x: Tensor, other: Any) -> Tensor | None:
    if not cut_along(other, 0):
        return None
    return wrap(moves.placed(x._array, other._array.layout))


@composed("nonzero", "nonzero_tuple")
def _nonzero(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """Of a tensor cut along its first dimension: its rows stay where they are."""
    array = inputs[0]._array
    layout: Layout = array.layout
    if [d for d, _ in layout.lengths] != [0] or layout.partial:
        return NotImplemented
    mesh, rank = layout.mesh, len(layout.shape)
    rows = []
    for k, part in enumerate(array.pieces):
        found = list(array.backend.xp.nonzero(part))
        found[0] = found[0] + layout.boxes[mesh.first + k][0][0]
        rows.append(found)
    counts = counts_of(mesh, [len(found[0]) for found in rows])
    if mesh.ndim > 1:
        counts = tuple(counts[p] for p in sorted(set(layout.twins)))
    if primitive.name == "nonzero":
        made = Layout(mesh, (sum(counts), rank), layout.placements, {0: counts})
        xp = array.backend.xp
        return wrap(ShardedArray(made, [xp.stack(found, axis=1) for found in rows]))
    made = Layout(mesh, (sum(counts),), layout.placements, {0: counts})
    return tuple(wrap(ShardedArray(made, [found[d] for found in rows])) for d in range(rank))


# -- running sums


@composed("cumsum")
def _cumsum(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """Along the cut dimension: what the parts before sum up to, and the running sum of the own."""
    x, dim = inputs[0], params["dim"]
    if not cut_along(x, dim) or x._array.layout.mesh.ndim > 1:
        return NotImplemented
    array = x._array
    xp, layout = array.backend.xp, array.layout
    low = is_low_precision(array.dtype)
    parts = [p.astype(np.float32) if low else p for p in array.pieces]
    ones = {dim: (1,) * layout.mesh.positions}
    shape = tuple(layout.mesh.positions if d == dim else n for d, n in enumerate(layout.shape))
    sums = [p.sum(dim, keepdims=True, dtype=p.dtype) for p in parts]
    each = moves.completed(
        ShardedArray(Layout(layout.mesh, shape, layout.placements, ones), sums)
    ).pieces[0]
    pieces = []
    for k, part in enumerate(parts):
        before = each[(slice(None),) * dim + (slice(0, layout.mesh.first + k),)]
        first = before.sum(dim, keepdims=True, dtype=part.dtype)
        out = primitive.forward(xp, part, dim=dim) + first
        pieces.append(out.astype(array.dtype) if low else out)
    return wrap(ShardedArray(layout, pieces))


# -- linear algebra


@composed(
    "linalg_solve", "linalg_solve_triangular", "linalg_inv", "linalg_cholesky", "linalg_eigh",
    "linalg_eig", "linalg_svd", "linalg_pinv",
)  # fmt: skip
def _all_or_none(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """A matrix that cannot be factored is an error in all processes, not only in its owner's."""
    plan = Plan(primitive, inputs, params)
    if plan.replicated or plan.mesh.communicator is None:
        return NotImplemented
    error: Exception | None = None
    results: list[Any] = []
    try:
        results = plan.run(primitive, inputs, params)
    except np.linalg.LinAlgError as found:
        error = found
    failed = sum(counts_of(plan.mesh, [int(error is not None)] * plan.mesh.count))
    if error is not None:
        raise error
    if failed:
        raise np.linalg.LinAlgError(f"{primitive.name}: failed in another process")
    made = tuple(wrap(r) for r in results)
    return made[0] if primitive.outputs == 1 else made
