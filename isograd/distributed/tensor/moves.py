"""From one layout to another: completing sums, cutting, gathering, exchanging parts.

Sums over positions go along one fixed binary tree (`isograd.distributed.tree`) on a reproducible
mesh. Everything else is exact: what a position needs is cut out of what others hold, and travels
in one all-to-all (or all-gather, where everybody needs everything). Which bytes go where follows
from the two layouts alone, so all processes know it without asking.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from isograd.data.view import shares
from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.tensor.layout import Box, Layout
from isograd.distributed.tensor.placement import Partial, Placement, Replicate, Shard
from isograd.distributed.tree import tree_all_reduce, tree_fold

__all__ = ["all_pieces", "completed", "neutral", "placed", "shares", "total", "without_partial"]

OPS = {
    "sum": ReduceOp.SUM, "product": ReduceOp.PRODUCT, "max": ReduceOp.MAX, "min": ReduceOp.MIN,
}  # fmt: skip


def _sharded(layout: Layout, pieces: list[Any]) -> Any:
    from isograd.distributed.tensor.sharded import ShardedArray  # the face is built on this file

    return ShardedArray(layout, pieces)


def without_partial(layout: Layout) -> Layout:
    """The layout once its sums are complete."""
    return layout.with_placements(
        [Replicate() if isinstance(p, Partial) else p for p in layout.placements]
    )


def replicated(layout: Layout) -> Layout:
    """The layout of the same tensor held whole by everybody."""
    return layout.with_placements([Replicate()] * len(layout.placements))


def completed(x: Any) -> Any:
    """Everything of a ShardedArray at every position."""
    return placed(x, replicated(x.layout))


def total(a: Any, b: Any) -> Any:
    """The sum of two arrays of one shape, whatever their layouts.

    Parts of a sum stay so where ``b`` is one, too, or is held whole by everybody: the sum of
    gradients moves nothing until somebody looks.
    """
    b = getattr(b, "now", b)
    if hasattr(b, "layout") and a.layout.replicated:
        a, b = b, a
    layout: Layout = a.layout
    together = not hasattr(b, "layout") or b.layout.replicated or b.layout == layout
    if not together or any(not layout.placements[m].is_partial("sum") for m in layout.partial):
        layout = without_partial(layout)
    a, b = placed(a, layout), placed(b, layout)
    made: dict[tuple[int, int], Any] = {}
    for p, q in zip(a.pieces, b.pieces, strict=True):
        if (id(p), id(q)) not in made:
            made[id(p), id(q)] = a.backend.xp.asarray(p + q)  # of numbers NumPy makes no array
    pieces = [made[id(p), id(q)] for p, q in zip(a.pieces, b.pieces, strict=True)]
    return _sharded(layout, pieces)


def neutral(op: str, dtype: Any) -> Any:
    """What changes nothing in a reduction."""
    if op in ("sum", "product"):
        return dtype.type(op == "product")
    if dtype.kind == "b":
        return np.bool_(op == "min")
    if dtype.kind in "iu":
        return getattr(np.iinfo(dtype), "min" if op == "max" else "max")
    return dtype.type(-math.inf if op == "max" else math.inf)


def placed(x: Any, target: Layout) -> Any:
    """``x``, a ShardedArray or an array that all processes hold whole, in another layout."""
    x = getattr(x, "now", x)  # of a far one what it shows
    if not hasattr(x, "layout"):
        x = _sharded(replicated(target), [x] * target.mesh.count)
    if x.layout == target:
        return x
    now: Layout = x.layout
    gone = [m for m in now.partial if target.placements[m] != now.placements[m]]
    if gone:
        x = _reduced(x, gone)
        now = x.layout
    made = [
        m for m, p in enumerate(target.placements)
        if isinstance(p, Partial) and now.placements[m] != p
    ]  # fmt: skip
    if made:
        between = target.with_placements(
            [Replicate() if m in made else p for m, p in enumerate(target.placements)]
        )
        return _spread_out(placed(x, between), target, made)
    return x if now == target else _exchanged(x, target)


def _spread_out(x: Any, target: Layout, dims: list[int]) -> Any:
    """Make values parts of a reduction: the first position along ``dims`` keeps them."""
    mesh = target.mesh
    xp = x.backend.xp
    pieces = []
    for k, piece in enumerate(x.pieces):
        where = mesh.coordinates(mesh.first + k)
        if all(where[m] == 0 for m in dims):
            pieces.append(piece.copy())
            continue
        op = next(target.placements[m] for m in dims if where[m])
        value = neutral(getattr(op, "reduce_op", "sum"), piece.dtype)
        pieces.append(xp.full(piece.shape, value, piece.dtype))
    return _sharded(target, pieces)


# -- reductions over positions


def _reduced(x: Any, dims: list[int]) -> Any:
    for m in dims:
        x = _reduced_along(x, m)
    return x


def _reduced_along(x: Any, m: int) -> Any:
    layout: Layout = x.layout
    mesh = layout.mesh
    op = OPS[getattr(layout.placements[m], "reduce_op", "sum")]
    placements: list[Placement] = list(layout.placements)
    placements[m] = Replicate()
    target = layout.with_placements(placements)
    comm = mesh.communicator
    if mesh.ndim == 1 or (comm is not None and mesh.positions == mesh.processes):
        if comm is not None and mesh.ndim > 1:
            comm = mesh.get_group(m).communicator
        whole = _over(comm, x.pieces, mesh.shape[m], op, mesh.reproducible)
        return _sharded(target, [whole] * mesh.count)
    everything = all_pieces(x)
    made: dict[tuple[int, ...], Any] = {}
    pieces = []
    for k in range(mesh.count):
        where = list(mesh.coordinates(mesh.first + k))
        line = []
        for i in range(mesh.shape[m]):
            where[m] = i
            line.append(int(np.ravel_multi_index(where, mesh.shape)))
        key = tuple(line)
        if key not in made:
            made[key] = tree_fold([everything[p] for p in line], op)
        pieces.append(made[key])
    return _sharded(target, pieces)


def _over(comm: Any, pieces: list[Any], positions: int, op: ReduceOp, reproducible: bool) -> Any:
    if comm is None:
        return tree_fold(pieces, op)
    extreme = op in (ReduceOp.MAX, ReduceOp.MIN)  # of which MPI and NCCL may lose a NaN
    if reproducible or positions != comm.size or (extreme and pieces[0].dtype.kind not in "biu"):
        return tree_all_reduce(comm, pieces, positions, op).wait()
    whole = pieces[0].copy(order="C")
    comm.all_reduce(whole, op)
    return whole


def all_pieces(x: Any) -> list[Any]:
    """The pieces of all V positions, by an all-gather: V pieces received per process."""
    layout: Layout = x.layout
    if layout.mesh.communicator is None:
        return list(x.pieces)
    flat = _all_gathered(x)
    shapes = [box[1] for box in layout.boxes]
    ends = accumulate(math.prod(s) for s in shapes)
    return [flat[end - math.prod(s) : end].reshape(s) for end, s in zip(ends, shapes, strict=True)]


def _all_gathered(x: Any) -> Any:
    """The elements of all pieces, one after the other."""
    mesh, xp = x.layout.mesh, x.backend.xp
    counts = [math.prod(box[1]) for box in x.layout.boxes]
    ends = [0, *accumulate(mesh.runs)]
    splits = [sum(counts[a:b]) for a, b in pairwise(ends)]
    mine = xp.concatenate([p.reshape(-1) for p in x.pieces])
    out = xp.empty(sum(counts), mine.dtype)
    mesh.communicator.all_gather(out, mine, splits=splits)
    return out


def _joined(x: Any) -> Any:
    """All of an array of which every position holds another part, in every process."""
    layout: Layout = x.layout
    if [d for d, _ in layout.lengths] == [0]:
        return _all_gathered(x).reshape(layout.shape)
    whole = x.backend.xp.empty(layout.shape, x.dtype)
    for (starts, lengths), piece in zip(layout.boxes, all_pieces(x), strict=True):
        whole[tuple(slice(s, s + n) for s, n in zip(starts, lengths, strict=True))] = piece
    return whole


# -- exchanging parts


_Held = tuple[tuple[int, ...], Box]


class _Chunk(NamedTuple):
    """A box that position ``source`` holds and position ``target`` needs."""

    source: int
    target: int
    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    def cut(self, box: Box) -> tuple[slice, ...]:
        """Where it stands within a box."""
        return tuple(
            slice(s - o, s - o + n)
            for s, o, n in zip(self.starts, box[0], self.lengths, strict=True)
        )

    @property
    def elements(self) -> int:
        return math.prod(self.lengths)


def _meet(a: Box, b: Box) -> Box | None:
    starts = tuple(max(s, t) for s, t in zip(a[0], b[0], strict=True))
    stops = [
        min(s + n, t + m) for s, n, t, m in zip(a[0], a[1], b[0], b[1], strict=True)
    ]  # fmt: skip
    lengths = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
    return None if any(n <= 0 for n in lengths) else (starts, lengths)


@lru_cache(maxsize=1024)
def _routes(now: Layout, target: Layout) -> tuple[tuple[_Chunk, ...], ...]:
    """Per process, the chunks its positions need, copies only once."""
    mesh = now.mesh
    firsts = [sum(mesh.runs[:r]) for r in range(len(mesh.runs))]
    holders: dict[_Held, list[int]] = {}
    for p in range(mesh.positions):
        holders.setdefault(_held(now, p), []).append(p)
    routes = []
    for first, count in zip(firsts, mesh.runs, strict=True):
        own = range(first, first + count)
        chunks: list[_Chunk] = []
        seen: set[_Held] = set()
        for p in own:
            wanted = _held(target, p)
            if wanted in seen:
                continue
            seen.add(wanted)
            for (summand, box), held in holders.items():
                meet = _meet(box, wanted[1]) if summand == wanted[0] else None
                if meet is not None:
                    source = p if p in held else next((h for h in held if h in own), held[0])
                    chunks.append(_Chunk(source, p, *meet))
        routes.append(tuple(chunks))
    return tuple(routes)


def _held(layout: Layout, position: int) -> _Held:
    """What a position holds: of which parts of sums, and which box; equal ones are copies."""
    at = layout.mesh.coordinates(position)
    return tuple(at[m] for m in layout.partial), layout.boxes[position]


def _exchanged(x: Any, target: Layout) -> Any:
    """Every position gets its box of the target; both layouts have parts of the same sums."""
    now: Layout = x.layout
    mesh = now.mesh
    own = range(mesh.first, mesh.first + mesh.count)
    pieces: list[Any] = [None] * mesh.count
    if all(_inside(target.boxes[p], now.boxes[p]) for p in range(mesh.positions)):
        for k, p in enumerate(own):  # everybody has what it needs
            chunk = _Chunk(p, p, *target.boxes[p])
            pieces[k] = x.pieces[k][chunk.cut(now.boxes[p])]
        return _sharded(target, _shared(pieces, x, target))
    everywhere = target.replicated and all(isinstance(p, Shard) for p in now.placements)
    if everywhere and mesh.communicator is not None:
        return _sharded(target, [_joined(x)] * mesh.count)
    routes = _routes(now, target)
    received = _received(x, routes)
    made: dict[_Held, Any] = {}
    xp = x.backend.xp
    for k, p in enumerate(own):
        held = _held(target, p)
        if held not in made:
            made[held] = xp.empty(held[1][1], x.dtype)
        pieces[k] = made[held]
    for chunk, values in received:
        made[_held(target, chunk.target)][chunk.cut(target.boxes[chunk.target])] = values
    return _sharded(target, pieces)


def _inside(small: Box, large: Box) -> bool:
    return all(
        n == 0 or (o <= s and s + n <= o + m)
        for s, n, o, m in zip(small[0], small[1], large[0], large[1], strict=True)
    )


def _shared(pieces: list[Any], x: Any, target: Layout) -> list[Any]:
    """Copies of one position share one object again."""
    first = target.mesh.first
    out: list[Any] = []
    for k, piece in enumerate(pieces):
        twin = target.twins[first + k] - first
        out.append(out[twin] if 0 <= twin < k and x.pieces[twin] is x.pieces[k] else piece)
    return out


def _received(x: Any, routes: tuple[tuple[_Chunk, ...], ...]) -> list[tuple[_Chunk, Any]]:
    """Send what others need; give back the chunks that this process needs, with their values."""
    now: Layout = x.layout
    mesh = now.mesh
    own = range(mesh.first, mesh.first + mesh.count)

    def values(chunk: _Chunk) -> Any:
        return x.pieces[chunk.source - mesh.first][chunk.cut(now.boxes[chunk.source])]

    me = mesh.get_rank()
    comm = mesh.communicator
    done = [(c, values(c)) for c in routes[me] if c.source in own]
    if comm is None:
        return done
    xp = x.backend.xp
    owner = [r for r, n in enumerate(mesh.runs) for _ in range(n)]
    sent: list[Any] = []
    in_splits = []
    for r in range(mesh.processes):
        chunks = [c for c in routes[r] if r != me and c.source in own]
        in_splits.append(sum(c.elements for c in chunks))
        sent += [values(c).reshape(-1) for c in chunks]
    wanted: list[list[_Chunk]] = [[] for _ in range(mesh.processes)]
    for c in routes[me]:
        if c.source not in own:
            wanted[owner[c.source]].append(c)
    out_splits = [sum(c.elements for c in chunks) for chunks in wanted]
    parts = xp.concatenate(sent) if sent else xp.empty(0, x.dtype)
    out = xp.empty(sum(out_splits), x.dtype)
    comm.all_to_all(out, parts, out_splits=out_splits, in_splits=in_splits)
    at = 0
    for chunks in wanted:
        for c in chunks:
            done.append((c, out[at : at + c.elements].reshape(c.lengths)))
            at += c.elements
    return done
