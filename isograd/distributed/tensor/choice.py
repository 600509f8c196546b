"""Which way to cut an operation: the one that moves the fewest bytes.

Decided for each mesh dimension by itself, from layouts, shapes and sizes alone: never from the
number of processes or from values, so all processes decide alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.mesh import DeviceMesh
from isograd.distributed.tensor.placement import Partial, Shard
from isograd.tensor.cuts import Cut

__all__ = ["choose", "units_of"]

_LATENCY = 4096.0  # bytes that could have been moved while a message is on its way
_NEVER = float("inf")


def choose(
    mesh: DeviceMesh,
    layouts: Sequence[Layout | None],
    sizes: Sequence[int],
    ways: Iterable[Cut],
) -> list[Cut | None]:
    """Per mesh dimension the cheapest of the ways, None for inputs whole.

    Args:
        layouts: of the inputs; None for what is no tensor.
        sizes: bytes of the inputs.
    """
    listed = list(ways)
    chosen: list[Cut | None] = []
    for m in range(mesh.ndim):
        best, cost = None, _cost_whole(layouts, sizes, m)
        if cost > 0:
            for cut in listed:
                price = _cost(cut, layouts, sizes, m, mesh.shape[m])
                if price < cost and not _clashes(cut, chosen):
                    best, cost = cut, price
        chosen.append(best)
    return chosen


def _cost_whole(layouts: Sequence[Layout | None], sizes: Sequence[int], m: int) -> float:
    return sum(
        _LATENCY + 2 * size
        for layout, size in zip(layouts, sizes, strict=True)
        if layout is not None and isinstance(layout.placements[m], (Shard, Partial))
    )


def _cost(
    cut: Cut, layouts: Sequence[Layout | None], sizes: Sequence[int], m: int, parts: int
) -> float:
    """Bytes moved, and messages, to bring the inputs into the layouts that the cut needs.

    What is brought from one dimension to another will mostly have to come back, so it is not
    counted as cheap unless another input stays where it is. Parts of sums that are passed on
    must be summed up later: free only where the other inputs are there already.
    """
    cost = 0.0
    lengths = None
    stays = partial = False
    later = uprooted = 0.0
    for i, (need, layout, size) in enumerate(zip(cut.ins, layouts, sizes, strict=True)):
        if layout is None:
            if need is not None:
                return _NEVER
            continue
        p = layout.placements[m]
        if isinstance(need, str):
            if isinstance(p, Shard) or (isinstance(p, Partial) and p.reduce_op != need):
                return _NEVER
            if isinstance(p, Partial):
                partial, later = True, max(later, 2.0 * size)
            else:
                cost += 0.001 * (size + 1)
        elif isinstance(p, Partial):
            cost += _LATENCY + 2 * size
        elif need is None:
            cost += _LATENCY + size if isinstance(p, Shard) else 0.0
        elif isinstance(p, Shard):
            found = layout.lengths_of(need) if p.dim == need else None
            units = None if found is None else units_of(cut, i, found)
            if units is None or lengths not in (None, units):
                cost += _LATENCY + size / parts
                uprooted += size - size / parts
            else:
                lengths, stays = units, True
        if isinstance(need, int) and layout.shape[need] == 0:
            return _NEVER
    if not partial and any(isinstance(need, str) for need in cut.ins):
        return _NEVER
    if cost >= _LATENCY:
        cost += later
    return cost if stays else cost + uprooted


def units_of(cut: Cut, i: int, lengths: tuple[int, ...]) -> tuple[int, ...] | None:
    """An input's lengths in units of the cut; None if they are no multiples."""
    width = cut.width(i)
    if any(n % (width * cut.per) for n in lengths):
        return None
    return lengths if width == 1 else tuple(n // width for n in lengths)


def _clashes(cut: Cut, chosen: list[Cut | None]) -> bool:
    """Whether another mesh dimension already cuts the same dimension in another way."""
    for other in chosen:
        if other is None or other == cut:
            continue
        for mine, theirs in ((cut.ins, other.ins), (cut.outs, other.outs)):
            if any(isinstance(a, int) and a == b for a, b in zip(mine, theirs, strict=False)):
                return True
    return False
