"""Cuts: in which ways an operation may be computed in independent parts.

A cut says: *if these inputs are cut along these dimensions, the output is cut along that one*, and
each part of the output follows from the parts of the inputs alone. Nothing here knows who holds
the parts. A record's ``cuts`` is a function of its params and of its inputs' shapes that gives all
ways there are; an operation without one needs its inputs whole.

Where a dimension is reduced that is cut, every part yields a *part of a sum* (or of a maximum,
...), written as ``"sum"``. Linear operations take and give such parts too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Cut", "Cuts", "Localize", "Place", "Seen", "along", "elementwise", "groups", "linear",
    "local_shape", "reduction", "reshaped",
]  # fmt: skip

Shape = tuple[int, ...]


class Seen(tuple[int, ...]):
    """An input's whole shape, with the kind of its dtype (NumPy's letter)."""

    kind: str = ""


Where = int | str | None  # a dimension, "sum" (a part of a reduction), None: whole
Localize = Callable[[dict[str, Any], Sequence[Shape], "Place"], dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """Which part is computed.

    Args:
        starts: where the first cut input's part begins, per dimension.
        shapes: the inputs' whole shapes.
    """

    starts: Shape
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Cut:
    """One way to compute in parts.

    Args:
        ins: per input the dimension it is cut along, ``"sum"``, or None if it is needed whole.
        outs: per output likewise.
        localize: ``(params, shapes of the parts, place)`` -> the params for one part.
        times, per: a part of length n of the inputs makes one of length ``n * times // per`` (or
            ``times[o]`` for output o); the lengths of the inputs' parts are multiples of ``per``.
        widths: input i's part has the length ``n * widths[i]``; without, all have the length n.
        counted: the lengths of the output's parts follow from the values alone.
        empties: the forward copes with parts of length 0; without, it is run on a made up zero
            element instead, whose result is emptied.
    """

    ins: tuple[Where, ...]
    outs: tuple[Where, ...]
    localize: Localize | None = None
    times: int | tuple[int, ...] = 1
    per: int = 1
    widths: tuple[int, ...] | None = None
    counted: bool = False
    empties: bool = False

    def width(self, i: int) -> int:
        """Elements of input ``i`` along its cut dimension for one of the parts' units."""
        return 1 if self.widths is None else self.widths[i]

    def out_length(self, o: int, n: int) -> int:
        """Length of output ``o``'s part for parts of ``n`` units."""
        times = self.times if isinstance(self.times, int) else self.times[o]
        return n * times // self.per


Cuts = Callable[..., Iterable[Cut]]


def _broadcast(shapes: Sequence[Shape]) -> Shape | None:
    rank = max(map(len, shapes))
    out = [1] * rank
    for shape in shapes:
        for i, n in enumerate(shape, rank - len(shape)):
            if n != 1:
                if out[i] not in (1, n):
                    return None
                out[i] = n
    return tuple(out)


def elementwise(outputs: int = 1, sums: Sequence[tuple[int, ...]] = ()) -> Cuts:
    """Of operations on elements that broadcast.

    Args:
        sums: sets of inputs in which the operation is linear together: ``[(0, 1)]`` of a sum,
            ``[(0,), (1,)]`` of a product.
    """

    def cuts(params: Any, *shapes: Shape) -> Iterable[Cut]:
        out = _broadcast(shapes)
        if out is None:
            return
        rank = len(out)
        for d, n in enumerate(out):
            ins = []
            for shape in shapes:
                at = d - rank + len(shape)
                ins.append(at if at >= 0 and shape[at] == n else None)
            yield Cut(tuple(ins), (d,) * outputs, empties=True)
        for together in sums:
            yield Cut(
                tuple("sum" if i in together else None for i in range(len(shapes))),
                ("sum",) * outputs,
            )

    return cuts


def along(
    *dims: str,
    outputs: int = 1,
    sums: bool = False,
    first_sums: bool = False,
    inputs: int | None = None,
) -> Cuts:
    """Of operations within the dimensions that the params name (softmax, sort): cut any other.

    Args:
        dims: names of params that hold a dimension or several.
        inputs: how many inputs have that shape; the others are needed whole. None: all.
        sums: the operation is linear in all inputs together.
        first_sums: it is linear in the first.
    """

    def cuts(params: Any, *shapes: Shape) -> Iterable[Cut]:
        inside: set[int] = set()
        for name in dims:
            value = params[name]
            rank = len(shapes[0])
            inside |= {v % max(1, rank) for v in (value if isinstance(value, tuple) else (value,))}
        same = len(shapes) if inputs is None else inputs
        for d in range(len(shapes[0])):
            if d not in inside:
                yield Cut(
                    tuple(d if i < same else None for i in range(len(shapes))), (d,) * outputs
                )
        if sums:
            yield Cut(("sum",) * len(shapes), ("sum",) * outputs)
        if first_sums:
            yield Cut(("sum", *(None,) * (len(shapes) - 1)), ("sum",) * outputs)

    return cuts


def reduction(over: str | None = "sum", dims: str = "dims", keep: str = "keepdim",
              localize: Localize | None = None) -> Cuts:  # fmt: skip
    """Of reductions of one input: cut what stays, or what goes if parts can be combined.

    Args:
        over: how parts are combined: "sum", "max", "min", "product"; None: they cannot be.
    """

    def cuts(params: Any, x: Shape, *others: Shape) -> Iterable[Cut]:
        gone = params[dims]
        gone = (gone,) if isinstance(gone, int) else gone
        gone = tuple(range(len(x))) if gone is None else tuple(d % max(1, len(x)) for d in gone)
        kept = params.get(keep, False)
        unordered = getattr(x, "kind", "") == "c"  # positions compare real numbers only
        rest = (None,) * len(others)
        for d in range(len(x)):
            if d not in gone:
                yield Cut((d, *rest), (d if kept else d - sum(1 for g in gone if g < d),))
            elif over is not None and not (unordered and over in ("max", "min")):
                yield Cut((d, *rest), (over,), localize)
        if over == "sum":
            yield Cut(("sum", *rest), ("sum",))

    return cuts


def linear(cuts: Cuts) -> Cuts:
    """The ways of ``cuts``, and parts of a sum of the first input as parts of the output."""

    def more(params: Any, *shapes: Shape) -> Iterable[Cut]:
        outputs = 1
        for cut in cuts(params, *shapes):
            outputs = len(cut.outs)
            yield cut
        yield Cut(("sum", *(None,) * (len(shapes) - 1)), ("sum",) * outputs)

    return more


def local_shape(name: str, at: int, source: int = 0, dim: int | None = None,
                times: int = 1, per: int = 1) -> Localize:  # fmt: skip
    """The param ``name`` is a shape: its entry ``at`` becomes that of the part.

    Args:
        source, dim: the input and its dimension whose length, ``* times // per``, it is.
    """

    def localize(params: dict[str, Any], shapes: Sequence[Shape], place: Place) -> dict[str, Any]:
        shape = list(params[name])
        shape[at] = shapes[source][at if dim is None else dim] * times // per
        return {**params, name: tuple(shape)}

    return localize


def reshaped(params: Any, x: Shape) -> Iterable[Cut]:
    """Of a reshape: the leading dimension of each group that is merged or split may be cut."""
    new: Shape = tuple(params["shape"])
    for start, stop, first, last in groups(x, new):
        # x[start:stop] and new[first:last] hold the same elements in the same order
        a = next((d for d in range(start, stop) if x[d] != 1), start)
        b = next((d for d in range(first, last) if new[d] != 1), first)
        if a >= stop or b >= last:
            continue
        inner_x, inner_new = math.prod(x[a + 1 : stop]), math.prod(new[b + 1 : last])
        if inner_x == 0 or inner_new == 0:
            continue
        common = math.gcd(inner_x, inner_new)
        times, per = inner_x // common, inner_new // common
        if x[a] % per == 0:
            yield Cut((a,), (b,), local_shape("shape", b, 0, a, times, per), times, per)
    yield Cut(("sum",), ("sum",))


def groups(x: Shape, new: Shape) -> Iterable[tuple[int, int, int, int]]:
    """Runs of dimensions of two shapes that have equal products, as short as can be."""
    if 0 in x:
        if x == new:
            yield from ((d, d + 1, d, d + 1) for d in range(len(x)))
        return
    i = j = 0
    while i < len(x) and j < len(new):
        start, first = i, j
        p, q = x[i], new[j]
        i, j = i + 1, j + 1
        while p != q:
            if p < q:
                p *= x[i]
                i += 1
            else:
                q *= new[j]
                j += 1
        yield start, i, first, j
