"""Elements picked, written and turned around along a cut dimension (see `rows`).

``x[numbers]`` is cut as the numbers are, or as ``x`` if there are as many; its gradient is cut as
``x`` was. What is written to ``x[numbers]`` goes to the positions that hold these rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.data.view import shares
from isograd.distributed.tensor import moves
from isograd.distributed.tensor.layout import Layout, Lengths
from isograd.distributed.tensor.partitioner import composed
from isograd.distributed.tensor.placement import Shard
from isograd.distributed.tensor.rows import Numbers, add_rows, fetch_rows, host_numbers, lone_cut
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply, run_forward
from isograd.tensor.primitive import PRIMITIVES, Primitive
from isograd.tensor.spread import whole

__all__ = ["put_rows"]

Params = dict[str, Any]
Inputs = tuple[Any, ...]
Dims = tuple[int, ...]


def _now(t: Any) -> Any:
    array = t._array
    return getattr(array, "now", array)


class _Picks:
    """What every position picks of an array that lies in ``layout``."""

    def __init__(self, layout: Layout, indices: tuple[Any, ...], dims: Dims) -> None:
        self.layout, self.mesh = layout, layout.mesh
        self.dim, lengths = layout.lengths[0]
        self.dims = dims
        arrays = [_now(t) for t in indices]
        self.picked = np.broadcast_shapes(*[tuple(a.shape) for a in arrays])
        adjacent = dims[-1] - dims[0] + 1 == len(dims)
        self.at = dims[0] if adjacent else 0  # of the result
        self.parts = self._parts(arrays, lengths)
        numbers = host_numbers(arrays[dims.index(self.dim)], layout.shape[self.dim], self.dim)
        ends = np.cumsum(self.parts)
        self.wanted: list[Numbers] = []
        self.local: list[Numbers] = []
        for n, end in zip(self.parts, ends, strict=True):
            part = self._slice(numbers, int(end) - n, n)
            found, inverse = np.unique(part, return_inverse=True)
            self.wanted.append(found)
            self.local.append(inverse.reshape(part.shape))
        self.others = [
            None if d == self.dim else self._own(a) for d, a in zip(dims, arrays, strict=True)
        ]

    def _parts(self, arrays: list[Any], lengths: Lengths) -> Lengths:
        n = self.picked[0]
        for a in arrays:
            cut = lone_cut(a)
            if cut is not None and cut[0] == 0 and self._spans(a):
                return cut[1]
        return lengths if n == sum(lengths) else shares(n, self.mesh.positions)

    def _spans(self, array: Any) -> bool:
        """Whether an index runs along the first of the picked dimensions."""
        return len(array.shape) == len(self.picked) and array.shape[0] == self.picked[0]

    def _slice(self, numbers: Numbers, start: int, n: int) -> Numbers:
        return numbers[start : start + n] if self._spans(numbers) else numbers

    def _own(self, array: Any) -> list[Any]:
        """An index's parts for the own positions."""
        if not self._spans(array):
            return [whole(array)] * self.mesh.count
        target = Layout(self.mesh, tuple(array.shape), (Shard(0),), {0: self.parts})
        pieces: list[Any] = moves.placed(array, target).pieces
        return pieces

    def indices(self, xp: Any, k: int) -> list[Any]:
        """The own position's indices into the rows that it wants."""
        position = self.mesh.first + k
        return [xp.asarray(self.local[position]) if o is None else o[k] for o in self.others]

    def result(self, shape: tuple[int, ...]) -> Layout:
        """The layout of what is picked; ``shape`` is that of one part."""
        made = (*shape[: self.at], self.picked[0], *shape[self.at + 1 :])
        return Layout(self.mesh, made, (Shard(self.at),), {self.at: self.parts})

    def rows_shape(self, position: int) -> tuple[int, ...]:
        shape = self.layout.shape
        return (*shape[: self.dim], len(self.wanted[position]), *shape[self.dim + 1 :])


def _picked(x: Any, indices: Inputs, dims: Dims, layout: Layout) -> ShardedArray:
    x = moves.placed(x, layout)
    picks = _Picks(layout, indices, dims)
    xp, forward = x.backend.xp, PRIMITIVES["index"].forward
    pieces = [
        forward(xp, rows, *picks.indices(xp, k), dims=dims)
        for k, rows in enumerate(fetch_rows(x, picks.dim, picks.wanted))
    ]
    return ShardedArray(picks.result(tuple(pieces[0].shape)), pieces)


def _given_back(g: Any, indices: Inputs, dims: Dims, layout: Layout) -> ShardedArray:
    picks = _Picks(layout, indices, dims)
    g = moves.placed(g, picks.result(tuple(g.shape)))
    xp, back = g.backend.xp, PRIMITIVES["index_backward"]
    pieces = [
        run_forward(
            xp, back, [piece, *picks.indices(xp, k)],
            {"dims": dims, "shape": picks.rows_shape(picks.mesh.first + k)},
        )
        for k, piece in enumerate(g.pieces)
    ]  # fmt: skip
    return add_rows(pieces, picks.dim, picks.wanted, layout, g)


def _plain(name: str) -> Any:
    """On plain arrays: as the operation without a layout."""

    def forward(xp: Any, x: Any, *indices: Any, dims: Dims, layout: Layout) -> Any:
        more = {} if name == "index" else {"shape": layout.shape}
        return PRIMITIVES[name].forward(xp, x, *indices, dims=dims, **more)

    return forward


_index_rows: Primitive = Primitive(
    "index_rows",
    _plain("index"),
    vjp_all=lambda g, indices, dims, layout: (
        apply(_index_rows_backward, g, *indices, dims=dims, layout=layout),
        *(None for _ in indices),
    ),
    doc="The elements that integer tensors pick of a tensor cut along one of ``dims``.",
)
_index_rows_backward: Primitive = Primitive(
    "index_rows_backward",
    _plain("index_backward"),
    vjp_all=lambda g, indices, dims, layout: (
        apply(_index_rows, g, *indices, dims=dims, layout=layout),
        *(None for _ in indices),
    ),
    doc="Zeros cut as the tensor was, with values added at the picked elements.",
)


@composed("index_rows", "index_rows_backward")
def _in_rows(primitive: Primitive, inputs: Inputs, params: Params) -> Tensor:
    x, *indices = inputs
    made = _picked if primitive is _index_rows else _given_back
    return wrap(made(_now(x), tuple(indices), **params))


@composed("index", records=True)
def _index(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """Recorded as what it becomes, so that the gradient is cut as ``x`` is."""
    x, *indices = inputs
    dims, cut = params["dims"], lone_cut(x._array)
    if cut is None:
        return NotImplemented
    mask = indices[0]
    if mask._array.dtype.kind == "b":
        if cut[0] != dims[0] or lone_cut(mask._array) == (0, cut[1]):
            return NotImplemented
        target = Layout(x._array.layout.mesh, tuple(mask.shape), (Shard(0),), {0: cut[1]})
        spread = wrap(moves.placed(_now(mask), target))
        return apply(primitive, x, spread, **params)
    if cut[0] not in dims:
        return NotImplemented
    return apply(_index_rows, x, *indices, dims=dims, layout=x._array.layout)


# -- written


def put_rows(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """``index_put`` with integers: along a cut dimension, or added to what all hold whole."""
    x, values, *indices = inputs
    dims, cut = params["dims"], lone_cut(x._array)
    if any(_now(i).dtype.kind == "b" for i in indices):
        return NotImplemented
    if cut is None or cut[0] not in dims:
        return _add_to_whole(x, values, indices, params)
    shape = np.broadcast_shapes(*[tuple(i.shape) for i in indices])
    if len(shape) != 1 or x._array.layout.partial:
        return NotImplemented
    array, (dim, lengths) = x._array, cut
    mesh, xp = array.layout.mesh, array.backend.xp
    numbers = host_numbers(_now(indices[dims.index(dim)]), x.shape[dim], dim)
    numbers = np.broadcast_to(numbers, shape)
    others = [None if d == dim else whole(_now(i)) for d, i in zip(dims, indices, strict=True)]
    starts = np.cumsum([0, *lengths])
    chosen = [
        np.flatnonzero((numbers >= a) & (numbers < b))
        for a, b in zip(starts, starts[1:], strict=False)
    ]
    adjacent = dims[-1] - dims[0] + 1 == len(dims)
    rank = x.ndim - len(dims) + 1
    at = (dims[0] if adjacent else 0) - rank + values.ndim
    shared = _shares_of(_now(values), at, shape[0], chosen, mesh, xp)
    pieces = []
    for k, piece in enumerate(array.pieces):
        mine = chosen[mesh.first + k]
        key = [
            xp.asarray(numbers[mine] - starts[mesh.first + k]) if o is None
            else o.take(xp.asarray(mine)) if o.shape[0] == shape[0] else o
            for o in others
        ]  # fmt: skip
        pieces.append(run_forward(xp, primitive, [piece, shared[k], *key], params))
    return wrap(ShardedArray(array.layout, pieces))


def _shares_of(
    values: Any, at: int, n: int, chosen: list[Numbers], mesh: Any, xp: Any
) -> list[Any]:
    """Per own position, the values that go to it."""
    if at < 0 or values.shape[at] != n:
        return [whole(values)] * mesh.count
    cut = lone_cut(values)
    if cut is not None and cut[0] == at:
        return fetch_rows(values, at, chosen)
    values = whole(values)
    own = chosen[mesh.first : mesh.first + mesh.count]
    return [values.take(xp.asarray(mine), axis=at) for mine in own]


def _add_to_whole(x: Tensor, values: Tensor, indices: list[Any], params: Params) -> Any:
    """Values that are cut along what is picked, added to what all hold: parts of a sum."""
    dims = params["dims"]
    adjacent = dims[-1] - dims[0] + 1 == len(dims)
    picked = np.broadcast_shapes(*[tuple(i.shape) for i in indices])
    at = dims[0] if adjacent else 0
    rest = [n for d, n in enumerate(x.shape) if d not in dims]
    shape = (*rest[:at], *picked, *rest[at:])
    cut = lone_cut(_now(values))
    at = 0 if cut is None else cut[0] + len(shape) - values.ndim - at
    inside = cut is not None and 0 <= at < len(picked)
    if not params["accumulate"] or isinstance(x._array, ShardedArray) or not inside:
        return NotImplemented
    if x._array.dtype.kind == "b":  # the sum of truths is a truth
        return NotImplemented
    back = PRIMITIVES["index_backward"]
    made = apply(back, values.expand(shape), *indices, dims=dims, shape=tuple(x.shape))
    return x + made


# -- turned around


def _rearranged(x: ShardedArray, dim: int, numbers: Numbers) -> ShardedArray:
    """Rows in another order, in parts of the lengths that there are."""
    layout: Layout = x.layout
    ends = np.cumsum(layout.lengths_of(dim) or ())
    found = [np.unique(p, return_inverse=True) for p in np.split(numbers, ends[:-1])]
    rows = fetch_rows(x, dim, [w for w, _ in found])
    first, xp = layout.mesh.first, x.backend.xp
    return ShardedArray(
        layout,
        [r.take(xp.asarray(found[first + k][1]), axis=dim) for k, r in enumerate(rows)],
    )


@composed("flip")
def _flip(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    x, dims = inputs[0], params["dims"]
    cut = lone_cut(x._array)
    if cut is None or cut[0] not in dims or x._array.layout.partial:
        return NotImplemented
    made = wrap(_rearranged(x._array, cut[0], np.arange(x.shape[cut[0]])[::-1]))
    rest = tuple(d for d in dims if d != cut[0])
    return apply(primitive, made, dims=rest) if rest else made


@composed("roll")
def _roll(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    x, dims, by = inputs[0], params["dims"], params["shifts"]
    cut = lone_cut(x._array)
    if cut is None or cut[0] not in dims or x._array.layout.partial:
        return NotImplemented
    shift = sum(s for s, d in zip(by, dims, strict=True) if d == cut[0])
    made = wrap(_rearranged(x._array, cut[0], np.roll(np.arange(x.shape[cut[0]]), shift)))
    rest = [(s, d) for s, d in zip(by, dims, strict=True) if d != cut[0]]
    if not rest:
        return made
    return apply(primitive, made, shifts=tuple(s for s, _ in rest), dims=tuple(d for _, d in rest))
