"""Gradients of cut tensors are cut as these were.

A gradient may come as parts of a sum, or whole to everybody, or cut elsewhere: where a tensor was
needed whole by all positions, as by a similarity of all samples with all others. What lies behind
it in the graph was computed in parts; so its gradient is brought back once, at once, and not in
every operation that meets it. Gradients of what all hold alike (parameters) stay parts of sums.
"""

from __future__ import annotations

from isograd.distributed.tensor import moves, sharded
from isograd.distributed.tensor.api import _place
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.placement import Placement, Replicate, Shard
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import mode

__all__ = ["fit"]


def fit(layout: Layout, g: Tensor) -> Tensor:
    """The gradient of a tensor that lay so, along the mesh dimensions that cut it.

    Communication: none where it lies there already; an all-reduce of parts of a sum.
    """
    array = getattr(g._array, "now", g._array)
    spread = isinstance(array, ShardedArray)
    if spread and array.layout.mesh != layout.mesh:
        return g
    have = array.layout if spread else moves.replicated(layout)
    if have == layout:
        return g
    placements: list[Placement] = [
        want if isinstance(want, Shard) else Replicate() if isinstance(p, Shard) else p
        for want, p in zip(layout.placements, have.placements, strict=True)
    ]
    target = layout.with_placements(placements)
    if target == have:
        return g
    if mode.grad:
        return _place(g, target)
    return wrap(moves.placed(array, target))


sharded._fitting[:] = [fit]
