"""Plan: how one operation on inputs of known layouts is run, kept for the next time.

Made once per operation, layouts, shapes and params: the way it is cut, the layout that every input
is brought into, the params of every own part, the layouts of the results.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.distributed.fingerprint import script_level
from isograd.distributed.tensor import moves
from isograd.distributed.tensor.choice import choose, units_of
from isograd.distributed.tensor.gathers import GATHERS
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.mesh import DeviceMesh
from isograd.distributed.tensor.placement import Partial, Placement, Replicate, Shard
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, Place, Seen
from isograd.tensor.door import run_forward
from isograd.tensor.primitive import Primitive

__all__ = ["Plan", "counts_of"]

_warned: set[str] = set()


class Plan:
    """How one operation on inputs of known layouts is run."""

    def __init__(self, primitive: Primitive, inputs: Sequence[Any], params: dict[str, Any]) -> None:
        arrays = [t._array if isinstance(t, Tensor) else None for t in inputs]
        layouts = [a.layout for a in arrays if isinstance(a, ShardedArray)]
        self.mesh: DeviceMesh = layouts[0].mesh
        for layout in layouts:
            if layout.mesh != self.mesh:
                raise RuntimeError(
                    f"{primitive.name}: expected tensors on one mesh, got {layout.mesh!r} and "
                    f"{self.mesh!r}; bring one over with full_tensor()"
                )
        self.shapes = tuple(_seen(a) for a in arrays)
        self.sizes = [0 if a is None else int(a.size) * int(a.dtype.itemsize) for a in arrays]
        self.layouts: list[Layout | None] = [
            None if a is None
            else a.layout if isinstance(a, ShardedArray)
            else Layout(self.mesh, tuple(a.shape), (Replicate(),) * self.mesh.ndim)
            for a in arrays
        ]  # fmt: skip
        ways = () if primitive.cuts is None else primitive.cuts(params, *self.shapes)
        self.cuts = choose(self.mesh, self.layouts, self.sizes, ways)
        self.replicated = all(c is None for c in self.cuts)
        self._prepare(params)
        self.xp: Any = next(a for a in arrays if isinstance(a, ShardedArray)).backend.xp
        self.modes = self._modes(arrays)
        if self.replicated:
            _gathers(primitive, self.layouts, self.cuts)

    # -- layouts

    def _prepare(self, params: dict[str, Any]) -> None:
        """Target layouts of the inputs, lengths of the outputs' parts, params of every part."""
        mesh = self.mesh
        groups: dict[Any, tuple[int, ...]] = {}
        for m, cut in enumerate(self.cuts):
            if cut is not None and any(isinstance(i, int) for i in cut.ins):
                groups[cut] = (*groups.get(cut, ()), m)
        self.lengths = {cut: self._lengths(cut, dims) for cut, dims in groups.items()}
        self.groups = groups
        self.targets: list[Layout | None] = []
        for i, layout in enumerate(self.layouts):
            if layout is None:
                self.targets.append(None)
                continue
            needs = [None if cut is None else cut.ins[i] for cut in self.cuts]
            known = {
                cut.ins[i]: tuple(n * cut.width(i) for n in lengths)
                for cut, lengths in self.lengths.items()
                if isinstance(cut.ins[i], int)
            }
            placements = tuple(_placement(need) for need in needs)
            target = Layout(mesh, layout.shape, placements, known)
            self.targets.append(layout if target == layout else target)  # its boxes are known
        self.changes = self._localized(params)
        self.empty = self._empty_parts()
        self.outs: list[Layout] | None = None
        self.counted = any(cut is not None and cut.counted for cut in self.cuts)

    def _lengths(self, cut: Cut, dims: tuple[int, ...]) -> tuple[int, ...]:
        """The parts' lengths in units: of the largest input that is already cut so."""
        order = sorted(range(len(self.sizes)), key=lambda i: -self.sizes[i])
        fallback = 0
        for i in order:
            need, layout = cut.ins[i], self.layouts[i]
            if isinstance(need, int) and layout is not None:
                fallback = fallback or layout.shape[need] // cut.width(i)
                found = layout.lengths_of(need)
                if found is not None and layout.cutters(need) == dims:
                    units = units_of(cut, i, found)
                    if units is not None:
                        return units
        parts = 1
        for m in dims:
            parts *= self.mesh.shape[m]
        return tuple(n * cut.per for n in moves.shares(fallback // cut.per, parts))

    def _place(self, k: int) -> tuple[list[tuple[int, ...]], Place]:
        """The shapes of a position's input parts, and where the first cut one begins."""
        position = self.mesh.first + k
        shapes: list[tuple[int, ...]] = []
        starts: tuple[int, ...] = ()
        for target in self.targets:
            if target is None:
                shapes.append(())
                continue
            box = target.boxes[position]
            shapes.append(box[1])
            if target.lengths and not starts:
                starts = box[0]
        return shapes, Place(starts, self.shapes)

    def _localized(self, params: dict[str, Any]) -> list[dict[str, Any] | None]:
        """Per own position, the params that differ for its part."""
        localizers = [cut.localize for cut in self.groups if cut.localize is not None]
        if not localizers:
            return [None] * self.mesh.count
        out: list[dict[str, Any] | None] = []
        for k in range(self.mesh.count):
            shapes, place = self._place(k)
            mine = params
            for localize in localizers:
                mine = localize(mine, shapes, place)
            out.append({n: v for n, v in mine.items() if v is not params.get(n, _MISSING)})
        return out

    def _empty_parts(self) -> list[bool]:
        """Per own position, whether its part has no elements and needs a made up one."""
        if all(cut.empties for cut in self.groups):
            return [False] * self.mesh.count
        places = [self._place(k)[0] for k in range(self.mesh.count)]
        return [bool(self._gone(shapes)) for shapes in places]

    def _gone(self, shapes: Sequence[tuple[int, ...]]) -> list[Cut]:
        """The cuts of which parts of these shapes have nothing, where the forward minds."""
        return [c for c in self.groups if not c.empties and self._is_empty(c, shapes)]

    def _is_empty(self, cut: Cut, shapes: Sequence[tuple[int, ...]]) -> bool:
        """Whether parts of these shapes have no elements along the cut's dimensions."""
        return any(
            target is not None and isinstance(d, int) and shape[d] == 0
            for d, shape, target in zip(cut.ins, shapes, self.targets, strict=True)
        )

    # -- running

    def run(self, primitive: Primitive, inputs: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        """The results as arrays, plain ones where everybody has all of them."""
        columns = [
            self._column(i, t, mode)
            for i, (t, mode) in enumerate(zip(inputs, self.modes, strict=True))
        ]
        one = primitive.outputs == 1
        rows: list[list[Any]] = []
        for k in range(1 if self.replicated else self.mesh.count):
            changes = self.changes[k]
            mine = params if changes is None else {**params, **changes}
            arguments = [column[k] for column in columns]
            if self.empty[k]:
                rows.append(self._run_empty(self.xp, primitive, arguments, params, k))
                continue
            made = run_forward(self.xp, primitive, arguments, mine)
            rows.append(_arrays((made,) if one else made))
        if not primitive.view:
            rows = [[_in_rows(r) for r in row] for row in rows]
        return self._collected(rows)

    def _column(self, i: int, t: Any, mode: str) -> Any:
        """One input as every own position needs it."""
        if mode == "pieces":
            return t._array.pieces
        if mode == "value":
            return [t] * self.mesh.count
        a = t._array
        if mode == "plain":
            return [a] * self.mesh.count
        if mode == "slices":
            return [a[part] for part in self.slices[i]]
        target: Any = self.targets[i]
        if isinstance(a, ShardedArray) and a.layout.partial and self.mesh.ndim == 1:
            if not target.partial and not a.viewed:
                a.whole()  # complete from now on: others may want it, too
        return moves.placed(a, target).pieces

    def _modes(self, arrays: Sequence[Any]) -> list[str]:
        """Per input, what has to be done with it; cuts of plain arrays are prepared."""
        mesh = self.mesh
        modes = []
        self.slices: dict[int, list[Any]] = {}
        for i, (a, layout, target) in enumerate(
            zip(arrays, self.layouts, self.targets, strict=True)
        ):
            if a is None or target is None:
                modes.append("value")
            elif a.__class__ is ShardedArray:
                modes.append("pieces" if layout == target else "moved")
            elif layout == target:
                modes.append("plain")
            elif target.partial:
                modes.append("moved")
            else:
                modes.append("slices")
                boxes = target.boxes[mesh.first : mesh.first + mesh.count]
                self.slices[i] = [
                    tuple(slice(s, s + n) for s, n in zip(*box, strict=True)) for box in boxes
                ]
        return modes

    def _run_empty(
        self, xp: Any, primitive: Primitive, arguments: list[Any], params: dict[str, Any], k: int
    ) -> list[Any]:
        """Results for a part without elements: those of one made up element, emptied."""
        shapes, place = self._place(k)
        gone = self._gone(shapes)
        full = []
        for i, a in enumerate(arguments):
            if self.targets[i] is None:
                full.append(a)
                continue
            shape = list(shapes[i])
            for cut in gone:
                d = cut.ins[i]
                if isinstance(d, int) and shape[d] == 0:
                    shape[d] = cut.per * cut.width(i)
            shapes[i] = tuple(shape)
            full.append(a if tuple(shape) == a.shape else xp.zeros(shape, a.dtype))
        for cut in self.groups:
            if cut.localize is not None:
                params = cut.localize(params, shapes, place)
        made = run_forward(xp, primitive, full, params)
        results = _arrays([made] if primitive.outputs == 1 else made)
        out = []
        for o, r in enumerate(results):
            for cut in gone:
                to = cut.outs[o] if o < len(cut.outs) else cut.outs[-1]
                if isinstance(to, int):
                    r = r[(slice(None),) * to + (slice(0, 0),)]
                elif to is not None:
                    r = xp.full(r.shape, moves.neutral(to, r.dtype), r.dtype)
            out.append(r)
        return out

    def _collected(self, rows: list[list[Any]]) -> list[Any]:
        mesh = self.mesh
        if self.replicated:
            if mesh.implicit:
                return rows[0]
            return [
                ShardedArray(
                    Layout(mesh, tuple(r.shape), (Replicate(),) * mesh.ndim), [r] * mesh.count
                )
                for r in rows[0]
            ]
        outs = self.outs  # threads may share the plan
        if outs is None or self.counted or self._differ(rows[0], outs):
            outs = self.outs = [self._out_layout(o, rows) for o in range(len(rows[0]))]
        return [self._out(layout, [row[o] for row in rows]) for o, layout in enumerate(outs)]

    def _differ(self, row: list[Any], outs: list[Layout]) -> bool:
        """Whether results have other shapes than before: those of a mask follow from its values."""
        first = self.mesh.first
        return any(r.shape != layout.boxes[first][1] for r, layout in zip(row, outs, strict=True))

    def _out(self, layout: Layout, pieces: list[Any]) -> Any:
        if layout.replicated and self.mesh.implicit:
            return pieces[0]
        return ShardedArray(layout, pieces)

    def _out_layout(self, o: int, rows: list[list[Any]]) -> Layout:
        placements = tuple(
            _placement(None if cut is None else _at(cut.outs, o)) for cut in self.cuts
        )
        shape = list(rows[0][o].shape)
        known: dict[int, tuple[int, ...]] = {}
        for cut, lengths in self.lengths.items():
            to = _at(cut.outs, o)
            if not isinstance(to, int):
                continue
            if cut.counted:
                known[to] = counts_of(
                    self.mesh, [row[o].shape[to] for row in rows], self.groups[cut]
                )
            else:
                known[to] = tuple(cut.out_length(o, n) for n in lengths)
            shape[to] = sum(known[to])
        layout = Layout(self.mesh, tuple(shape), placements, known)
        for k, row in enumerate(rows):
            box = layout.boxes[self.mesh.first + k]
            if tuple(row[o].shape) != box[1]:
                raise RuntimeError(
                    f"a part of the result has shape {row[o].shape}, expected {box[1]} of "
                    f"{layout}: the operation's cuts are wrong"
                )
        return layout


def counts_of(mesh: DeviceMesh, own: list[int], dims: Sequence[int] = ()) -> tuple[int, ...]:
    """A number per position, from those of the own ones; a small exchange.

    Args:
        dims: one number per part instead, where these mesh dimensions cut into parts.
    """
    comm = mesh.communicator
    counts = tuple(own)
    if comm is not None:
        texts = comm.exchange_bytes(" ".join(map(str, own)).encode())
        counts = tuple(int(n) for text in texts for n in text.split())
    if not dims or len(dims) == mesh.ndim:
        return counts
    parts: dict[tuple[int, ...], int] = {}
    for position, n in enumerate(counts):
        where = mesh.coordinates(position)
        parts.setdefault(tuple(where[m] for m in dims), n)
    return tuple(parts[key] for key in sorted(parts))


_MISSING = object()


def _seen(array: Any) -> Seen:
    if array is None:
        return Seen()
    made = Seen(array.shape)
    made.kind = array.dtype.kind
    return made


def _in_rows(array: Any) -> Any:
    """In row order, which all processes know of (see `strides`)."""
    if not isinstance(array, np.ndarray) and not hasattr(array, "flags"):
        return array
    return array if array.flags.c_contiguous else array.copy(order="C")


def _arrays(made: Sequence[Any]) -> list[Any]:
    """Results as arrays: NumPy's reductions to a single number give scalars."""
    return [np.asarray(r) if isinstance(r, np.generic) else r for r in made]


def _at(outs: tuple[Any, ...], o: int) -> Any:
    return outs[o] if o < len(outs) else outs[-1]


def _placement(need: int | str | None) -> Placement:
    if need is None:
        return Replicate()
    return Partial(need) if isinstance(need, str) else Shard(need)


def _gathers(
    primitive: Primitive, layouts: Sequence[Layout | None], cuts: Sequence[Cut | None]
) -> None:
    """Name, once, an operation that has no way to be cut and was given more than a number."""
    if primitive.cuts is not None or primitive.name in _warned:
        return
    if any(layout is not None and layout.lengths for layout in layouts):
        _warned.add(primitive.name)
        reason = GATHERS.get(primitive.name, "not as its inputs are cut here")
        warnings.warn(
            f"{primitive.name} cannot be computed in parts: {reason}. Its inputs are gathered and "
            "every process computes all of it (correct, but no faster with more processes)",
            stacklevel=script_level(),
        )
