"""Rows of a cut dimension by number: fetched from whoever holds them, and given back.

All processes know all the numbers asked for, so each knows what to send without being asked, and
where nobody needs a row of another process nothing is sent: ``x[arange(B), last]`` stays where it
is. Every row travels once to a process's position that picks it, however often. Sums of what is
given back are taken in the order of the positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isograd.distributed.tensor.layout import Layout, Lengths
from isograd.distributed.tensor.mesh import DeviceMesh
from isograd.distributed.tensor.sharded import ShardedArray

__all__ = ["Numbers", "add_rows", "fetch_rows", "host_numbers", "lone_cut"]

Numbers = np.ndarray[Any, Any]


def lone_cut(array: Any) -> tuple[int, Lengths] | None:
    """The dimension that an array is cut along, and its parts, on a mesh of one dimension."""
    if not isinstance(array, ShardedArray) or array.layout.mesh.ndim > 1:
        return None
    lengths = array.layout.lengths
    return lengths[0] if len(lengths) == 1 else None


def host_numbers(array: Any, size: int, dim: int) -> Numbers:
    """All numbers of an index, from 0 on, in the memory of the host.

    Raises:
        IndexError: in all processes, for one out of bounds.
    """
    if isinstance(array, ShardedArray):
        array = array.backend.to_numpy(array.whole())
    elif not isinstance(array, np.ndarray):
        array = array.get()
    numbers: Numbers = array.astype(np.int64)
    if numbers.size:
        low, high = int(numbers.min()), int(numbers.max())
        if low < -size or high >= size:
            bad = high if high >= size else low
            raise IndexError(f"index {bad} is out of bounds for dimension {dim} with size {size}")
        if low < 0:
            numbers = np.where(numbers < 0, numbers + size, numbers)
    return numbers


class _Shares:
    """Which of the rows that each position wants each position holds.

    Args:
        wanted: per position, ascending numbers.
    """

    def __init__(self, lengths: Lengths, wanted: Sequence[Numbers]) -> None:
        self.starts = np.cumsum([0, *lengths])
        self.wanted = wanted
        self.bounds = [np.searchsorted(w, self.starts) for w in wanted]

    def count(self, holder: int, target: int) -> int:
        at = self.bounds[target]
        return int(at[holder + 1] - at[holder])

    def within(self, holder: int, target: int) -> Numbers:
        """Places within the holder's part."""
        at = self.bounds[target]
        found: Numbers = self.wanted[target][at[holder] : at[holder + 1]] - self.starts[holder]
        return found


def _travel(
    mesh: DeviceMesh,
    like: Any,
    chunk: Callable[[int, int], Any],
    count: Callable[[int, int], int],
) -> Callable[[int, int], Any]:
    """Bring chunks of rows from positions to positions; gives those for the own ones.

    Args:
        like: an array in pieces of the kind that travels.
        chunk: ``(source, target)`` -> flat elements, for own sources.
        count: ``(source, target)`` -> how many they are.
    """
    comm = mesh.communicator
    runs = [range(sum(mesh.runs[:r]), sum(mesh.runs[: r + 1])) for r in range(len(mesh.runs))]
    own = range(mesh.first, mesh.first + mesh.count)
    apart = [(a, b) for a in runs for b in runs if a is not b]
    if comm is None or not any(count(s, t) for a, b in apart for s in a for t in b):
        return chunk
    xp = like.backend.xp
    sent, in_splits, out_splits, places = [], [], [], {}
    at = 0
    for run in runs:
        here = run == own
        pairs = [] if here else [(s, t) for s in own for t in run if count(s, t)]
        sent += [chunk(s, t) for s, t in pairs]
        in_splits.append(sum(count(s, t) for s, t in pairs))
        first = at
        for s, t in [] if here else [(s, t) for s in run for t in own]:
            places[s, t] = (at, at + count(s, t))
            at += count(s, t)
        out_splits.append(at - first)
    parts = xp.concatenate(sent) if sent else xp.empty(0, like.dtype)
    out = xp.empty(at, like.dtype)
    comm.all_to_all(out, parts, out_splits=out_splits, in_splits=in_splits)

    def received(source: int, target: int) -> Any:
        if source in own:
            return chunk(source, target)
        return out[slice(*places[source, target])]

    return received


def fetch_rows(x: ShardedArray, dim: int, wanted: Sequence[Numbers]) -> list[Any]:
    """Per own position, the rows along the cut ``dim`` that it wants.

    Args:
        wanted: per position of the mesh, ascending numbers without repetition.
    """
    layout, xp = x.layout, x.backend.xp
    mesh, lengths = layout.mesh, layout.lengths_of(dim) or ()
    shares = _Shares(lengths, wanted)
    width = math.prod(n for d, n in enumerate(layout.shape) if d != dim)

    def chunk(source: int, target: int) -> Any:
        places = shares.within(source, target)
        return x.pieces[source - mesh.first].take(xp.asarray(places), axis=dim).reshape(-1)

    def count(source: int, target: int) -> int:
        return shares.count(source, target) * width

    came = _travel(mesh, x, chunk, count)
    pieces = []
    for t in range(mesh.first, mesh.first + mesh.count):
        held = shares.count(t, t)
        if held == len(wanted[t]) == lengths[t]:
            pieces.append(x.pieces[t - mesh.first])  # all of the own ones, nothing else
            continue
        rows = [
            came(s, t).reshape(_with(layout.shape, dim, shares.count(s, t)))
            for s in range(mesh.positions)
            if shares.count(s, t) or s == t
        ]
        pieces.append(rows[0] if len(rows) == 1 else xp.concatenate(rows, axis=dim))
    return pieces


def add_rows(
    pieces: Sequence[Any], dim: int, wanted: Sequence[Numbers], layout: Layout, like: ShardedArray
) -> ShardedArray:
    """Zeros in a layout, with what every position has for the rows that it wanted added there."""
    mesh, xp = layout.mesh, like.backend.xp
    shares = _Shares(layout.lengths_of(dim) or (), wanted)
    width = math.prod(n for d, n in enumerate(layout.shape) if d != dim)
    before = (slice(None),) * dim

    def chunk(source: int, target: int) -> Any:
        at = shares.bounds[source]
        part = pieces[source - mesh.first][(*before, slice(at[target], at[target + 1]))]
        return part.reshape(-1)

    def count(source: int, target: int) -> int:
        return shares.count(target, source) * width

    came = _travel(mesh, like, chunk, count)
    made = []
    for t in range(mesh.first, mesh.first + mesh.count):
        out = xp.zeros(layout.boxes[t][1], like.dtype)
        for s in range(mesh.positions):
            rows = shares.count(t, s)
            if rows:
                where = (*before, xp.asarray(shares.within(t, s)))
                out[where] += came(s, t).reshape(_with(layout.shape, dim, rows))
        made.append(out)
    return ShardedArray(layout, made)


def _with(shape: tuple[int, ...], dim: int, n: int) -> tuple[int, ...]:
    return (*shape[:dim], n, *shape[dim + 1 :])
