"""ShardedArray: one array of a global shape in pieces, one per position that this process owns.

It stands in a tensor where a NumPy or CuPy array would. Operations on it are run by `partitioner`,
conversions from one layout to another by `moves`; here is its face.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from isograd.distributed.tensor import moves
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.placement import Partial, Shard
from isograd.distributed.tensor.strides import in_row_order, row_strides
from isograd.tensor.backends import backend_of
from isograd.tensor.inplace import need_writeable
from isograd.tensor.spread import SpreadArray, SpreadShape

__all__ = ["ShardedArray"]


class _Flags:
    """The flags that are asked for."""

    __slots__ = ("c_contiguous", "writeable")

    def __init__(self, c_contiguous: bool, writeable: bool) -> None:
        self.c_contiguous = c_contiguous
        self.writeable = writeable


class ShardedArray(SpreadArray):
    """Pieces of one array.

    Args:
        layout: shape and placement of the whole.
        pieces: one array per own position; positions that hold copies may share one object.
    """

    __slots__ = ("habit", "layout", "pending", "pieces", "steps", "viewed")

    __array_priority__ = 2000  # NumPy's operators leave the work to ours

    def __init__(self, layout: Layout, pieces: Sequence[Any]) -> None:
        self.layout = layout
        self.pieces = list(pieces)
        self.pending: Any = None  # a reduction under way (see `gradients`)
        self.habit: Any = None  # how the parameter whose gradient this is uses it
        self.steps: tuple[int, ...] | None = None  # strides of the whole; None: it is in row order
        self.viewed = False  # parts of a sum that a view shares, or is

    # -- the face of an array

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.layout.shape

    @property
    def dtype(self) -> Any:
        return self.pieces[0].dtype

    @property
    def ndim(self) -> int:
        return len(self.layout.shape)

    @property
    def size(self) -> int:
        total = 1
        for n in self.layout.shape:
            total *= n
        return total

    @property
    def nbytes(self) -> int:
        return self.size * int(self.dtype.itemsize)

    @property
    def base(self) -> Any:
        """Whose memory a view looks into; None when the pieces are their own."""
        return next((p.base for p in self.pieces if p.base is not None), None)

    @property
    def flags(self) -> _Flags:
        item = int(self.dtype.itemsize)
        return _Flags(
            self.steps is None or in_row_order(self.shape, self.steps, item),
            all(getattr(p.flags, "writeable", True) for p in self.pieces),  # CuPy has no such flag
        )

    @property
    def strides(self) -> tuple[int, ...]:
        """Of the whole, if it lay in one memory (see `strides`)."""
        if self.steps is not None:
            return self.steps
        return row_strides(self.shape, int(self.dtype.itemsize))

    @property
    def device(self) -> Any:
        return self.pieces[0].device

    @property
    def ctypes(self) -> Any:
        return self.pieces[0].ctypes

    @property
    def data(self) -> Any:
        return self.pieces[0].data

    @property
    def backend(self) -> Any:
        return backend_of(self.pieces[0])

    def each(self, fn: Callable[[Any], Any]) -> ShardedArray:
        """``fn`` of every piece, once for copies that share an array."""
        done: dict[int, Any] = {}
        made = []
        for p in self.pieces:
            if id(p) not in done:
                done[id(p)] = fn(p)
            made.append(done[id(p)])
        return ShardedArray(self.layout, made)

    def copy(self, order: str = "C") -> ShardedArray:
        return self.each(lambda p: p.copy(order="C"))

    def in_rows(self) -> ShardedArray:
        """This array, or a copy where pieces are not in row order (those of views are not)."""
        if self.steps is None and all(p.flags.c_contiguous for p in self.pieces):
            return self
        return self.copy()

    def astype(self, dtype: Any, copy: bool = True) -> ShardedArray:
        if not copy and self.dtype == dtype:
            return self
        source, target = self, np.dtype(dtype)
        rounds = target.kind not in "fc" or target.itemsize < min(4, self.dtype.itemsize)
        if self.layout.partial and rounds:
            source = moves.completed(self)  # rounding parts would not round the sum
        return source.each(lambda p: p.astype(dtype, order="C"))

    def fill(self, value: Any) -> None:
        if self.habit is not None:
            self.habit.end(was_read=False)
        self[...] = np.asarray(value, self.dtype)

    def full(self, value: Any, dtype: Any) -> ShardedArray:
        target = self
        if self.layout.partial:
            layout = moves.without_partial(self.layout)
            shapes = [layout.boxes[self.layout.mesh.first + k][1] for k in range(len(self.pieces))]
            xp = self.backend.xp
            if layout.replicated and layout.mesh.implicit:
                return xp.full(layout.shape, value, dtype)
            return ShardedArray(layout, [xp.full(s, value, dtype) for s in shapes])
        xp = self.backend.xp
        return target.each(lambda p: xp.full(p.shape, value, dtype))

    def __setitem__(self, key: Any, values: Any) -> None:
        if key is not Ellipsis:
            raise TypeError(f"ShardedArray: expected assignment to [...], got {key!r}")
        need_writeable(self, "assignment")
        if not isinstance(values, ShardedArray):
            values = self.backend.xp.asarray(values)
            if values.shape != self.shape:
                values = self.backend.xp.broadcast_to(values, self.shape)
        elif values.shape != self.shape:
            values = self.backend.xp.broadcast_to(values.whole(), self.shape)
        placed = moves.placed(values, self.layout)
        written: set[int] = set()
        for piece, value in zip(self.pieces, placed.pieces, strict=True):
            if id(piece) not in written:
                written.add(id(piece))
                if piece is not value:
                    piece[...] = value
        self.pending = None

    def __iadd__(self, other: Any) -> Any:
        self.pending = None
        if isinstance(other, ShardedArray) and other.layout == self.layout:
            done: set[int] = set()
            for mine, theirs in zip(self.pieces, other.pieces, strict=True):
                if id(mine) not in done:
                    done.add(id(mine))
                    mine += theirs
            return self
        return moves.total(self, other)

    def __radd__(self, other: Any) -> Any:
        return moves.total(self, other)

    # -- values out: calls that all owners make together

    def whole(self) -> Any:
        if not self.layout.replicated:
            done = moves.completed(self)
            if self.layout.partial and not self.viewed:  # looked at once, complete from now on
                self.layout, self.pieces = done.layout, done.pieces
            return done.pieces[0]
        return self.pieces[0]

    def item(self) -> Any:
        return self.whole().item()

    def any(self) -> Any:
        return self.whole().any()

    def sum(self) -> Any:
        return self.whole().sum()

    def all(self) -> Any:
        return self.whole().all()

    def min(self) -> Any:
        return self._extreme("min")

    def max(self) -> Any:
        return self._extreme("max")

    def _extreme(self, op: str) -> Any:
        """Of the pieces first: a single number travels."""
        if self.layout.partial:
            return getattr(self.whole(), op)()
        xp, mesh = self.backend.xp, self.layout.mesh
        own = [
            xp.asarray(getattr(p, op)() if p.size else moves.neutral(op, self.dtype))
            for p in self.pieces
        ]
        placements = tuple(
            Partial(op) if isinstance(p, Shard) else p for p in self.layout.placements
        )
        return moves.completed(ShardedArray(Layout(mesh, (), placements), own)).pieces[0]

    def nonzero(self) -> Any:
        return self.whole().nonzero()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.backend.to_numpy(self.whole())
        return array if dtype is None else array.astype(dtype)

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    # -- what `distributed.checkpoint` asks

    def own_parts(self) -> list[tuple[tuple[int, ...], Any]]:
        """The parts of the whole that this process answers for: (starts, array)."""
        done = moves.completed(self) if self.layout.partial else self
        layout, first = done.layout, done.layout.mesh.first
        return [
            (layout.boxes[first + k][0], piece)
            for k, piece in enumerate(done.pieces)
            if layout.writers[first + k]
        ]

    def fill_from(self, read: Callable[[tuple[int, ...], tuple[int, ...]], Any]) -> None:
        """Set every own piece to ``read(starts, lengths)``."""
        layout = self.layout
        if layout.partial:
            raise RuntimeError("ShardedArray: parts of a sum cannot be read from a file")
        written: set[int] = set()
        for k, piece in enumerate(self.pieces):
            if id(piece) not in written:
                written.add(id(piece))
                piece[...] = self.backend.xp.asarray(read(*layout.boxes[layout.mesh.first + k]))

    # -- what other floors ask

    def cut(self) -> int | None:
        layout = self.layout
        if layout.mesh.ndim > 1 or not layout.mesh.implicit or not layout.lengths:
            return None
        return layout.lengths[0][0]

    def cut_alike(self, array: Any, dim: int) -> ShardedArray:
        layout = self.layout
        target = Layout(layout.mesh, tuple(array.shape), (Shard(dim),), {dim: layout.lengths[0][1]})
        made: ShardedArray = moves.placed(array, target)
        return made.copy()

    def beside(self, others: Sequence[Any]) -> list[list[Any]]:
        if self.layout.partial:
            raise RuntimeError(
                f"{self.layout!r}: a parameter that is parts of a sum cannot be updated in place; "
                "redistribute() it to Shard or Replicate"
            )
        placed = [moves.placed(other, self.layout).pieces for other in others]
        rows = zip(self.pieces, *placed, strict=True)
        return list({id(row[0]): list(row) for row in rows}.values())

    def noted(self) -> tuple[int, ...]:
        if not self.layout.lengths:
            return self.layout.shape
        shape = SpreadShape(self.layout.shape)
        shape.fit = partial(_fitting[0], self.layout)
        return shape

    def apply(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return _runner[0](primitive, inputs, params)

    def shares(self, other: Any) -> bool:
        theirs = other.pieces if isinstance(other, ShardedArray) else [other]
        known = {id(q) for q in theirs}
        return any(id(p) in known for p in self.pieces)

    def settled(self, leaf: Any) -> Any:
        if isinstance(leaf, ShardedArray):
            return moves.placed(self, leaf.layout)
        return _landing[1](self) if self.layout.partial else self.whole()

    def landed(self, leaf: Any) -> None:
        if self.layout.partial:
            _landing[0](self, leaf)


_runner: list[Callable[..., Any]] = []  # set by `partitioner`
_landing: list[Callable[..., Any]] = []  # set by `gradients`: a gradient has come, is read
_fitting: list[Callable[..., Any]] = []  # set by `fitting`: a gradient is brought to a layout
