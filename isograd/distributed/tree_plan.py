"""Who reduces what, and who sends what, in a reduction along the fixed tree; see `tree.py`.

A rank's part of the tree is the maximal nodes of its run of positions; its part of the array is
one slice. The exchange turns the first into the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from isograd.data.view import shares
from isograd.distributed.reduce_op import ReduceOp, accumulation_dtype, elementwise
from isograd.distributed.staging import cupy, is_device
from isograd.distributed.transport import Transport

__all__ = ["Array", "Node", "Plan", "device_of", "fold_root", "plan_for", "xp_of"]

Array = Any  # numpy.ndarray or cupy.ndarray
Node = tuple[int, int]  # the positions [lo, hi)

_SMALL = 4096  # bytes: up to here whole nodes are gathered, in one message instead of two
_GRAIN = 64  # elements; see tree.py
_BLOCK = 1 << 15  # elements folded at a time, so that partial sums stay in the cache


def device_of(array: Array) -> AbstractContextManager[Any]:
    """Makes the device of `array` the current one."""
    where: AbstractContextManager[Any] = array.device if is_device(array) else nullcontext()
    return where


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
        slices: length of the slice that each rank reduces, adding up to n; empty for small arrays.
        dtype: of the arrays.
        carried: the dtype in which nodes travel.
    """

    positions: int
    nodes: tuple[tuple[Node, ...], ...]
    size: int
    slices: tuple[int, ...]
    dtype: np.dtype[Any]
    carried: np.dtype[Any]

    def pack(self, rank: int, parts: Sequence[Array], op: ReduceOp) -> Array:
        """What this rank sends: for each slice, its part of each of the rank's nodes."""
        first = sum(shares(self.positions, len(self.nodes))[:rank])
        flats = {(first + i, first + i + 1): p.reshape(-1) for i, p in enumerate(parts)}
        made = [self._local(flats, node, op) for node in self.nodes[rank]]
        if len(made) == 1:
            return made[0]
        starts = [0, *accumulate(self.slices or [self.size])]
        cuts = [slice(lo, hi) for lo, hi in zip(starts, starts[1:], strict=False)]
        return xp_of(made[0]).concatenate([m[cut] for cut in cuts for m in made])

    def _local(self, flats: Mapping[Node, Array], node: Node, op: ReduceOp) -> Array:
        known = flats.get(node)
        if known is not None:
            return known.astype(self.carried, copy=False)
        out = xp_of(next(iter(flats.values()))).empty(self.size, self.carried)
        _fold(out, flats, node, op)
        return out

    def exchange(self, transport: Transport, packed: Array, total: Array, op: ReduceOp) -> None:
        """Move the data; `total` gets the reduction."""
        if self.size == 0:
            return
        source = transport.stage(packed, fill=True)
        whole = transport.stage(total, fill=False)
        if self.slices:
            self._by_slices(transport, source, whole, op)
        else:
            self._whole(transport, source, whole, op)
        transport.unstage(whole, total)

    def _whole(self, transport: Transport, source: Array, whole: Array, op: ReduceOp) -> None:
        counts = [len(held) * self.size for held in self.nodes]
        with transport.computing():
            incoming = xp_of(source).empty(sum(counts), self.carried)
        transport.all_gather(incoming, source, counts)
        with transport.computing():
            self._finish(whole, incoming, op)

    def _by_slices(self, transport: Transport, source: Array, whole: Array, op: ReduceOp) -> None:
        mine = self.slices[transport.rank]
        out_counts = [len(held) * mine for held in self.nodes]
        in_counts = [len(self.nodes[transport.rank]) * length for length in self.slices]
        with transport.computing():
            incoming = xp_of(source).empty(sum(out_counts), self.carried)
        even = len(set(self.slices)) == 1 and len({len(held) for held in self.nodes}) == 1
        transport.all_to_all(incoming, source, out_counts, in_counts, even, self._longest())
        with transport.computing():
            part = xp_of(whole).empty(mine, self.dtype)
            self._finish(part, incoming, op)
        transport.all_gather(whole, part, self.slices)

    def _longest(self) -> int:
        """Elements of the longest buffer of the all-to-all on any rank."""
        most = max(len(held) for held in self.nodes)
        return max(most * self.size, sum(len(held) for held in self.nodes) * max(self.slices))

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
        if not self.slices:
            return (ranks - 1) * own * self.size * width, others * self.size * width
        mine = self.slices[rank]
        rest = self.size - mine
        sent = own * rest * width + (ranks - 1) * mine * narrow
        return sent, others * mine * width + rest * narrow


@lru_cache(maxsize=256)
def plan_for(positions: int, ranks: int, size: int, dtype: np.dtype[Any]) -> Plan:
    """The plan of a reduction of `positions` arrays of `size` elements on `ranks` ranks."""
    ends = list(accumulate(shares(positions, ranks)))
    runs = zip([0, *ends], ends, strict=False)
    nodes = tuple(tuple(_cover((0, positions), run)) for run in runs)
    # a single position's value has not been rounded yet, so it may travel narrow
    carried = dtype if positions == ranks else accumulation_dtype(dtype)
    slices = () if size * dtype.itemsize <= _SMALL else _slices(size, ranks)
    return Plan(positions, nodes, size, slices, dtype, carried)


def _slices(size: int, ranks: int) -> tuple[int, ...]:
    """Lengths of W slices of nearly equal length that begin at multiples of the grain."""
    grains = list(accumulate(shares(-(-size // _GRAIN), ranks)))
    ends = [min(g * _GRAIN, size) for g in grains]
    return tuple(hi - lo for lo, hi in zip([0, *ends], ends, strict=False))
