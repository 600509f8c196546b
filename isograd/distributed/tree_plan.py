"""Who reduces what, and who sends what, in a reduction along the fixed tree; see `tree.py`.

A rank's part of the tree is the maximal nodes of its run of positions; its part of the array is
one slice. The exchange turns the first into the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from isograd.data.view import shares
from isograd.distributed.reduce_op import ReduceOp, accumulation_dtype, elementwise
from isograd.distributed.staging import cupy, is_device
from isograd.distributed.transport import Transport

__all__ = ["DEVICE_SLICE", "HOST_SLICE", "Array", "Node", "Plan", "fold_root", "plan_for", "xp_of"]

Array = Any  # numpy.ndarray or cupy.ndarray
Node = tuple[int, int]  # the positions [lo, hi)

HOST_SLICE = 1 << 20  # bytes of a rank's slice: larger arrays go chunk by chunk,
DEVICE_SLICE = 1 << 26  # so that the buffers between stay warm and small

_SMALL = 4096  # bytes: up to here whole nodes are gathered, in one message instead of two
_GRAIN = 64  # elements; see tree.py
_BLOCK = 1 << 15  # elements folded at a time, so that partial sums stay in the cache


def xp_of(array: Array) -> Any:
    """numpy or cupy."""
    return cupy() if is_device(array) else np


def _middle(lo: int, hi: int) -> int:
    """Where the node [lo, hi) is cut."""
    return lo + (1 << ((hi - lo - 1).bit_length() - 1))


def _cover(node: Node, run: Node) -> list[Node]:
    """The maximal nodes below `node` that lie in `run`, from left to right."""
    lo, hi = node
    if hi <= run[0] or run[1] <= lo:
        return []
    if run[0] <= lo and hi <= run[1]:
        return [node]
    middle = _middle(lo, hi)
    return _cover((lo, middle), run) + _cover((middle, hi), run)


def fold_root(out: Array, nodes: Mapping[Node, Array], positions: int, op: ReduceOp) -> None:
    """Write the reduction over all positions to `out`, given flat arrays of nodes that cover it."""
    divisor = positions if op is ReduceOp.AVG else 1
    _fold(out, nodes, (0, positions), op, divisor)


def _fold(
    out: Array, nodes: Mapping[Node, Array], root: Node, op: ReduceOp, divisor: int = 1
) -> None:
    """Reduce to the node `root` in the accumulation dtype, divide, and round once to `out`."""
    combine = elementwise(op, xp_of(out))
    wide = accumulation_dtype(out.dtype)

    def value(node: Node, cut: slice, into: Array | None = None) -> Array:
        known = nodes.get(node)
        if known is not None:
            return known[cut].astype(wide, copy=False)
        middle = _middle(*node)
        halves = value((node[0], middle), cut), value((middle, node[1]), cut)
        return combine(*halves) if into is None else combine(*halves, out=into)

    block = out.size if is_device(out) else _BLOCK
    for start in range(0, out.size, max(block, 1)):
        cut = slice(start, start + block)
        target = out[cut]
        with np.errstate(all="ignore"):  # an overflow is a value like any other
            made = value(root, cut, target if out.dtype == wide else None)
            if divisor != 1:
                made = made / divisor
            if made is not target:
                target[...] = made


@dataclass(frozen=True)
class Plan:
    """One reduction: V positions on W ranks, arrays of n elements.

    Args:
        nodes: the maximal nodes of each rank's run.
        chunks: for each stretch of the array in turn, the lengths of the slices that the ranks
            reduce; empty for small arrays, which are not cut.
        dtype: of the arrays.
        carried: the dtype in which nodes travel.
    """

    positions: int
    nodes: tuple[tuple[Node, ...], ...]
    size: int
    chunks: tuple[tuple[int, ...], ...]
    dtype: np.dtype[Any]
    carried: np.dtype[Any]

    def exchange(
        self, transport: Transport, parts: Sequence[Array], total: Array, op: ReduceOp
    ) -> None:
        """Reduce this rank's positions and the other ranks' to `total`."""
        if self.size == 0:
            return
        first = sum(shares(self.positions, transport.size)[: transport.rank])
        flats = {
            (first + i, first + i + 1): transport.stage(part, fill=True)
            for i, part in enumerate(parts)
        }
        whole = transport.stage(total, fill=False)
        if self.chunks:
            self._by_slices(transport, flats, whole, op)
        else:
            self._at_once(transport, flats, whole, op)
        transport.unstage(whole, total)

    def _at_once(
        self, transport: Transport, flats: Mapping[Node, Array], whole: Array, op: ReduceOp
    ) -> None:
        counts = [len(held) * self.size for held in self.nodes]
        with transport.computing():
            incoming = xp_of(whole).empty(sum(counts), self.carried)
            room = xp_of(whole).empty(counts[transport.rank], self.carried)
            packed = self._pack(room, flats, transport.rank, 0, (self.size,), op)
        transport.all_gather(incoming, packed, counts)
        with transport.computing():
            self._finish(whole, incoming, op)

    def _by_slices(
        self, transport: Transport, flats: Mapping[Node, Array], whole: Array, op: ReduceOp
    ) -> None:
        rank, start = transport.rank, 0
        own, held = len(self.nodes[rank]), [len(nodes) for nodes in self.nodes]
        widest = max(map(max, self.chunks))
        with transport.computing():  # memory for every chunk in turn
            inbox = xp_of(whole).empty(sum(held) * widest, self.carried)
            room = xp_of(whole).empty(own * max(map(sum, self.chunks)), self.carried)
            part = xp_of(whole).empty(widest, self.dtype)
        for slices in self.chunks:
            stop, mine = start + sum(slices), part[: slices[rank]]
            with transport.computing():
                packed = self._pack(room, flats, rank, start, slices, op)
            in_counts = [own * length for length in slices]
            out_counts = [count * mine.size for count in held]
            incoming = inbox[: sum(out_counts)]
            even = len(set(slices)) == 1 and len(set(held)) == 1
            longest = max(max(held) * sum(slices), sum(held) * max(slices))
            transport.all_to_all(incoming, packed, out_counts, in_counts, even, longest)
            with transport.computing():
                self._finish(mine, incoming, op)
            transport.all_gather(whole[start:stop], mine, slices)
            start = stop

    def _pack(
        self,
        room: Array,
        flats: Mapping[Node, Array],
        rank: int,
        start: int,
        slices: Sequence[int],
        op: ReduceOp,
    ) -> Array:
        """What this rank sends of one chunk: for each slice, its part of each of its nodes."""
        nodes = self.nodes[rank]
        known = flats.get(nodes[0])
        if len(nodes) == 1 and known is not None and known.dtype == self.carried:
            return known[start : start + sum(slices)]
        offset = 0
        for length in slices:
            cut = {leaf: flat[start : start + length] for leaf, flat in flats.items()}
            for node in nodes:
                _fold(room[offset : offset + length], cut, node, op)
                offset += length
            start += length
        return room[:offset]

    def _finish(self, out: Array, incoming: Array, op: ReduceOp) -> None:
        """Reduce what came, a stretch of `out.size` elements per node, to the root."""
        nodes = [node for held in self.nodes for node in held]
        n = out.size
        pieces = {node: incoming[i * n : (i + 1) * n] for i, node in enumerate(nodes)}
        fold_root(out, pieces, self.positions, op)

    def traffic(self, rank: int) -> tuple[int, int]:
        """Bytes this rank sends and receives."""
        ranks, own = len(self.nodes), len(self.nodes[rank])
        others = sum(len(held) for held in self.nodes) - own
        width, narrow = self.carried.itemsize, self.dtype.itemsize
        if not self.chunks:
            return (ranks - 1) * own * self.size * width, others * self.size * width
        mine = sum(slices[rank] for slices in self.chunks)
        rest = self.size - mine
        sent = own * rest * width + (ranks - 1) * mine * narrow
        return sent, others * mine * width + rest * narrow


def plan_for(positions: int, ranks: int, array: Array) -> Plan:
    """The plan of a reduction of `positions` arrays like `array` on `ranks` ranks."""
    limit = DEVICE_SLICE if is_device(array) else HOST_SLICE
    return _planned(positions, ranks, array.size, array.dtype, limit)


@lru_cache(maxsize=256)
def _planned(positions: int, ranks: int, size: int, dtype: np.dtype[Any], limit: int) -> Plan:
    ends = list(accumulate(shares(positions, ranks)))
    runs = zip([0, *ends], ends, strict=False)
    nodes = tuple(tuple(_cover((0, positions), run)) for run in runs)
    # a single position's value has not been rounded yet, so it may travel narrow
    carried = dtype if positions == ranks else accumulation_dtype(dtype)
    chunk = ranks * max(limit // carried.itemsize // _GRAIN, 1) * _GRAIN
    starts = range(0, size, chunk) if size * dtype.itemsize > _SMALL else ()
    chunks = tuple(_slices(min(chunk, size - start), ranks) for start in starts)
    return Plan(positions, nodes, size, chunks, dtype, carried)


def _slices(size: int, ranks: int) -> tuple[int, ...]:
    """Lengths of W slices of nearly equal length that begin at multiples of the grain."""
    grains = list(accumulate(shares(-(-size // _GRAIN), ranks)))
    ends = [min(g * _GRAIN, size) for g in grains]
    return tuple(hi - lo for lo, hi in zip([0, *ends], ends, strict=False))
