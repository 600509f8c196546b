"""Pooling: the largest or the mean element of every window.

A maximum keeps the place of each winner (the first among equals; the last nan), so its gradient
puts numbers at places. A mean over a box is a sum along one axis after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from isograd.tensor.accumulate import accumulate
from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, Seen, linear
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.primitives.columns import inside, offsets, windows
from isograd.tensor.primitives.gathering import gather

__all__ = ["adaptive_max_pool", "adaptive_spans", "avg_pool", "max_pool", "pooled_sizes"]

Ints = tuple[int, ...]


def pooled_sizes(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil: bool
) -> Ints:
    """How many windows along each dimension; with ``ceil`` a last one may hang over the end."""
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        count = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil else 0)) // s + 1
        if ceil and (count - 1) * s >= n + p:  # it must start inside the input or its left border
            count -= 1
        out.append(count)
    return tuple(out)


def _bordered(xp: Any, x: Any, padding: Ints, reach: Ints, value: Any) -> Any:
    """(N, C, *S) with a border of ``value``, at least ``reach`` long."""
    size = x.shape[2:]
    whole = [max(r, p + n) for r, p, n in zip(reach, padding, size, strict=True)]
    if tuple(whole) == size:
        return x
    out = xp.full((*x.shape[:2], *whole), value, x.dtype)
    out[inside(padding, size)] = x
    return out


def _reach(count: Ints, kernel: Ints, stride: Ints, dilation: Ints) -> Ints:
    return tuple([
        (c - 1) * s + d * (k - 1) + 1
        for c, k, s, d in zip(count, kernel, stride, dilation, strict=True)
    ])  # fmt: skip


def _image_cuts(params: Any, *shapes: Ints) -> Iterable[Cut]:
    """Of operations within each image of (N, C, *S): cut the batch or the channels."""
    for d in (0, 1):
        yield Cut((d,) * len(shapes), (d,))


# -- maxima


def _flat(parts: list[Any], size: Ints) -> Any:
    """Places in a row-major image from the places along each of its axes."""
    out: Any = 0
    for d, part in enumerate(parts):
        step = math.prod(size[d + 1 :])
        out = out + part.reshape((-1,) + (1,) * (len(size) - d - 1)) * step
    return out


def _winners(
    xp: Any, kernel: Ints, patch: Callable[[Ints], Any], place: Callable[[Ints], Any], first: Any
) -> tuple[Any, Any]:
    """The largest over all kernel positions and its place.

    Args:
        patch: the elements at one kernel position, (N, C, *L).
        place: their places, (*L).
        first: the place of every window's first element that is not border, (*L).
    """
    for careful in (False, True) if xp is np else (True,):
        best: Any = None
        for at in offsets(kernel):
            seen = patch(at)
            if best is None:
                best = seen.copy()
                index = xp.empty(best.shape, np.int64)
                index[...] = xp.asarray(first)
                continue
            better = seen > best
            if careful and seen.dtype.kind == "f":
                better |= xp.isnan(seen)
            xp.copyto(index, xp.asarray(place(at)), where=better)
            xp.maximum(best, seen, out=best)
        if best.dtype.kind != "f" or (not careful and not np.isnan(best).any()):
            break
    return best, index


def _lowest(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _max_pool(
    xp: Any, x: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil: bool
) -> Any:
    size = x.shape[2:]
    count = pooled_sizes(size, kernel, stride, padding, dilation, ceil)
    reach = _reach(count, kernel, stride, dilation)
    border = _bordered(xp, x, padding, reach, _lowest(x.dtype))
    seen = windows(xp, border, kernel, stride, dilation, count)
    starts = [np.arange(c) * s - p for c, s, p in zip(count, stride, padding, strict=True)]

    def place(at: Ints) -> Any:
        return _flat([s + t * d for s, t, d in zip(starts, at, dilation, strict=True)], size)

    valid = [
        s + (np.maximum(-s, 0) + d - 1) // d * d for s, d in zip(starts, dilation, strict=True)
    ]
    return _winners(
        xp, kernel, lambda at: seen[(slice(None), slice(None), *at)], place, _flat(valid, size)
    )


@lru_cache(maxsize=256)
def adaptive_spans(size: int, count: int) -> tuple[Any, Any]:
    """Starts and ends of ``count`` windows that cover ``size`` elements."""
    i = np.arange(count)
    return i * size // count, -((i + 1) * size // -count)


def _adaptive_max_pool(xp: Any, x: Any, *, count: Ints) -> Any:
    size = x.shape[2:]
    spans = [adaptive_spans(n, c) for n, c in zip(size, count, strict=True)]
    kernel = tuple([int((end - start).max()) for start, end in spans])

    def taken(at: Ints) -> list[Any]:
        return [np.minimum(start + t, end - 1) for (start, end), t in zip(spans, at, strict=True)]

    def patch(at: Ints) -> Any:
        out = x
        for d, rows in enumerate(taken(at)):
            out = out.take(xp.asarray(rows), axis=2 + d)
        return out

    def place(at: Ints) -> Any:
        return _flat(taken(at), size)

    return _winners(xp, kernel, patch, place, place((0,) * len(kernel)))


def _max_pool_backward(xp: Any, g: Any, index: Any, *, size: Ints, overlap: bool) -> Any:
    n, c, area = g.shape[0], g.shape[1], math.prod(size)
    out = xp.zeros(n * c * area, g.dtype)
    places = index.reshape(n * c, math.prod(index.shape[2:])) + xp.arange(n * c)[:, None] * area
    if overlap:
        accumulate(xp, out[:, None], places.reshape(-1), g.reshape(-1, 1))
    else:
        out[places] = g.reshape(places.shape)
    return out.reshape(n, c, *size)


def _at_places(g: Tensor, index: Tensor) -> Tensor:
    return gather(g.flatten(2), 2, index.flatten(2)).reshape(index.shape)


_put: Primitive = Primitive(
    "max_pool_backward",
    _max_pool_backward,
    vjp={"g": lambda g, index: _at_places(g, index)},
    low_precision=True,
    samples=lambda make: [
        ((make(1, 2, 2, 2), np.array([[[[0, 2], [5, 3]], [[1, 1], [4, 4]]]])),
         {"size": (2, 3), "overlap": True}),
    ],
    cuts=linear(_image_cuts),
    doc="Zeros (N, C, *size) with values added at places within each image.",
)  # fmt: skip


def _max_vjp(gs: Any, out1: Any, x_shape: Any, kernel: Ints, stride: Ints, dilation: Ints) -> Any:
    overlap = any(d * (k - 1) >= s for k, s, d in zip(kernel, stride, dilation, strict=True))
    return (apply(_put, gs[0], out1, size=tuple(x_shape[2:]), overlap=overlap),)


_max = Primitive(
    "max_pool",
    _max_pool,
    vjp_all=_max_vjp,
    outputs=2,
    low_precision=True,
    samples=lambda make: [
        ((make(1, 2, 5, 4),), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0),
                               "dilation": (1, 1), "ceil": False}),
        ((make(2, 1, 6),), {"kernel": (3,), "stride": (2,), "padding": (1,), "dilation": (2,),
                            "ceil": True}),
    ],
    cuts=_image_cuts,
    doc="The largest element of every window and its place in the image.",
)  # fmt: skip
_adaptive_max = Primitive(
    "adaptive_max_pool",
    _adaptive_max_pool,
    vjp_all=lambda gs, out1, x_shape: (
        apply(_put, gs[0], out1, size=tuple(x_shape[2:]), overlap=True),
    ),
    outputs=2,
    low_precision=True,
    samples=lambda make: [((make(1, 2, 5, 4),), {"count": (2, 3)})],
    cuts=_image_cuts,
    doc="The largest element of each of ``count`` windows that cover the image, and its place.",
)


def max_pool(
    x: Tensor, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil: bool
) -> tuple[Tensor, Tensor]:
    """The largest element of every window of (N, C, *S), and its place in the image."""
    return apply(
        _max, x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil=ceil
    )


def adaptive_max_pool(x: Tensor, count: Ints) -> tuple[Tensor, Tensor]:
    """The largest element of each of ``count`` windows that cover (N, C, *S), and its place."""
    return apply(_adaptive_max, x, count=count)


# -- means


def _mean_cuts(params: Any, x: Seen) -> Iterable[Cut]:
    yield from _image_cuts(params, x)
    if x.kind in "fc":  # means of integers are rounded
        yield Cut(("sum",), ("sum",))


@lru_cache(maxsize=256)
def _divisors(
    size: Ints, count: Ints, kernel: Ints, stride: Ints, padding: Ints, with_border: bool,
    divisor: int | None,
) -> Any:  # fmt: skip
    """The number every window's sum is divided by, (*L)."""
    if divisor is not None:
        return np.full((1,) * len(size), divisor)
    out: Any = np.ones((1,) * len(size), np.int64)
    for d, (n, c, k, s, p) in enumerate(zip(size, count, kernel, stride, padding, strict=True)):
        start = np.arange(c) * s - p
        end = np.minimum(start + k, n + p)
        if not with_border:
            start, end = np.maximum(start, 0), np.minimum(end, n)
        out = out * (end - start).reshape((-1,) + (1,) * (len(size) - d - 1))
    return out


def _steps(axis: int, ndim: int, at: int, stride: int, count: int) -> tuple[Any, ...]:
    key: list[Any] = [slice(None)] * ndim
    key[axis] = slice(at, at + (count - 1) * stride + 1, stride)
    return tuple(key)


def _avg_pool(
    xp: Any, x: Any, *, kernel: Ints, stride: Ints, padding: Ints, ceil: bool, with_border: bool,
    divisor: int | None,
) -> Any:  # fmt: skip
    size, ones = x.shape[2:], (1,) * len(kernel)
    count = pooled_sizes(size, kernel, stride, padding, ones, ceil)
    out = _bordered(xp, x, padding, _reach(count, kernel, stride, ones), 0)
    for axis in range(x.ndim - 1, 1, -1):
        k, s, c = kernel[axis - 2], stride[axis - 2], count[axis - 2]
        total = out[_steps(axis, x.ndim, 0, s, c)].copy()
        for t in range(1, k):
            total += out[_steps(axis, x.ndim, t, s, c)]
        out = total
    by = _divisors(size, count, kernel, stride, padding, with_border, divisor)
    if out.dtype.kind in "fc":
        out /= xp.asarray(by.astype(out.dtype))
        return out
    return (out / xp.asarray(by)).astype(x.dtype)


def _avg_pool_backward(
    xp: Any, g: Any, *, size: Ints, kernel: Ints, stride: Ints, padding: Ints, with_border: bool,
    divisor: int | None,
) -> Any:  # fmt: skip
    count = g.shape[2:]
    by = _divisors(size, count, kernel, stride, padding, with_border, divisor)
    out = g / xp.asarray(by.astype(g.dtype))
    reach = _reach(count, kernel, stride, (1,) * len(kernel))
    for axis in range(2, g.ndim):
        n, p, r = size[axis - 2], padding[axis - 2], reach[axis - 2]
        shape = list(out.shape)
        shape[axis] = max(r, n + p)
        wide = xp.zeros(shape, g.dtype)
        for t in range(kernel[axis - 2]):
            wide[_steps(axis, g.ndim, t, stride[axis - 2], count[axis - 2])] += out
        out = wide[_steps(axis, g.ndim, p, 1, n)]
    return xp.ascontiguousarray(out)


def _avg_samples(make: Any, backward: bool) -> list[Sample]:
    rows: list[tuple[Ints, Ints, dict[str, Any]]] = [
        ((1, 2, 5, 4), (3, 3), {"kernel": (2, 2), "stride": (2, 1), "padding": (1, 0),
                                "with_border": False, "divisor": None}),
        ((2, 1, 5), (3,), {"kernel": (3,), "stride": (2,), "padding": (1,), "with_border": True,
                           "divisor": 2}),
    ]  # fmt: skip
    if backward:
        return [((make(*x[:2], *y),), {**params, "size": x[2:]}) for x, y, params in rows]
    return [((make(*x),), {**params, "ceil": False}) for x, _, params in rows]


_avg: Primitive = Primitive(
    "avg_pool",
    _avg_pool,
    vjp={
        "x": lambda g, x_shape, kernel, stride, padding, with_border, divisor: apply(
            _avg_backward, g, size=tuple(x_shape[2:]), kernel=kernel, stride=stride,
            padding=padding, with_border=with_border, divisor=divisor,
        )
    },
    low_precision=True,
    samples=lambda make: _avg_samples(make, False),
    cuts=_mean_cuts,
    doc="The mean of every window.",
)  # fmt: skip


def _again(
    g: Tensor, g_shape: Any, size: Ints, kernel: Ints, stride: Ints, padding: Ints,
    with_border: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    floor = pooled_sizes(size, kernel, stride, padding, (1,) * len(kernel), False)
    return apply(
        _avg, g, kernel=kernel, stride=stride, padding=padding, ceil=floor != tuple(g_shape[2:]),
        with_border=with_border, divisor=divisor,
    )  # fmt: skip


_avg_backward: Primitive = Primitive(
    "avg_pool_backward",
    _avg_pool_backward,
    vjp={
        "g": lambda g, g_shape, size, kernel, stride, padding, with_border, divisor: _again(
            g, g_shape, size, kernel, stride, padding, with_border, divisor
        )
    },
    low_precision=True,
    samples=lambda make: _avg_samples(make, True),
    cuts=linear(_image_cuts),
    doc="The adjoint of avg_pool: every element spread over its window.",
)


def avg_pool(
    x: Tensor, kernel: Ints, stride: Ints, padding: Ints, ceil: bool, with_border: bool = True,
    divisor: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of every window of (N, C, *S).

    Args:
        with_border: count the zeros of the border as elements.
        divisor: divide the sums by this number instead.
    """
    return apply(
        _avg, x, kernel=kernel, stride=stride, padding=padding, ceil=ceil,
        with_border=with_border, divisor=divisor,
    )  # fmt: skip
