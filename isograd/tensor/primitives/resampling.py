"""Resampling: every output along an axis is a weighted sum of a few inputs.

One record serves all separable resizing: nearest, linear, cubic, their antialiased forms and area
means. An axis is described by a `Taps`: which inputs each output reads, and their weights. The
adjoint of such a map is a map of the same kind, so the gradient is the record itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.pooling import adaptive_spans

__all__ = ["Taps", "area", "cubic", "linear", "nearest", "resample", "smooth"]

_CACHED = lru_cache(maxsize=256)


class Taps:
    """A linear map along one axis: ``out[i] = sum_t weight[t, i] * x[index[t, i]]``.

    Args:
        size: length of the input.
        index, weight: (taps, outputs); no weight means 1.
    """

    def __init__(self, size: int, index: Any, weight: Any = None) -> None:
        self.size, self.count = size, index.shape[1]
        self.index = index
        self.weight = None if weight is None or (weight == 1).all() else weight
        self._adjoint: Taps | None = None

    @property
    def adjoint(self) -> Taps:
        """The transposed map, from outputs to inputs."""
        if self._adjoint is None:
            self._adjoint = self._transposed()
            self._adjoint._adjoint = self
        return self._adjoint

    def _transposed(self) -> Taps:
        taps, count = self.index.shape
        source = np.broadcast_to(np.arange(count), (taps, count)).reshape(-1)
        weight = np.ones(taps * count) if self.weight is None else self.weight.reshape(-1)
        order = np.argsort(self.index.reshape(-1), kind="stable")
        target = self.index.reshape(-1)[order]
        many = np.bincount(target, minlength=self.size)
        rank = np.arange(len(target)) - np.repeat(np.cumsum(many) - many, many)
        most = max(1, int(many.max()))
        index = np.zeros((most, self.size), np.int64)
        value = np.zeros((most, self.size))
        index[rank, target] = source[order]
        value[rank, target] = weight[order]
        return Taps(count, index, value)


def _resample(xp: Any, x: Any, *, maps: tuple[Taps | None, ...]) -> Any:
    """Apply a map to each of the last axes; None leaves one alone."""
    for d, taps in enumerate(maps):
        if taps is not None:
            x = _along(xp, x, x.ndim - len(maps) + d, taps)
    return x


def _along(xp: Any, x: Any, axis: int, taps: Taps) -> Any:
    tail = (1,) * (x.ndim - axis - 1)
    total: Any = None
    for t in range(taps.index.shape[0]):
        part = x.take(xp.asarray(taps.index[t]), axis=axis)
        if taps.weight is not None:
            part *= xp.asarray(taps.weight[t].astype(x.dtype)).reshape(-1, *tail)
        if total is None:
            total = part
        else:
            total += part
    return total


# -- the maps. `scale` is inputs per output; positions are computed in the input's precision, so
#    that they round as torch's do.


def _positions(size: int, count: int, corners: bool, scale: float, kind: str) -> Any:
    """Where each output lies between the inputs."""
    real = np.dtype(kind).type
    i = np.arange(count, dtype=kind)
    if corners:
        return i * (real(size - 1) / real(count - 1) if count > 1 else real(0))
    return real(scale) * (i + real(0.5)) - real(0.5)


@_CACHED
def nearest(size: int, count: int, exact: bool, scale: float, kind: str) -> Taps:
    """The input at ``floor(i * scale)``, or with ``exact`` the one nearest to the centre."""
    real = np.dtype(kind).type
    i = np.arange(count, dtype=kind)
    at = np.floor((i + real(0.5) if exact else i) * real(scale))
    return Taps(size, np.minimum(at.astype(np.int64), size - 1)[None])


@_CACHED
def linear(size: int, count: int, corners: bool, scale: float, kind: str) -> Taps:
    """Between two neighbours."""
    at = np.maximum(_positions(size, count, corners, scale, kind), 0)
    low = np.minimum(at.astype(np.int64), size - 1)
    part = np.clip(at - low, 0, 1).astype(np.float64)
    return Taps(size, np.stack([low, np.minimum(low + 1, size - 1)]), np.stack([1 - part, part]))


def _cubic_weights(x: Any, a: float) -> Any:
    """Keys' kernel (1981) at distances ``x``."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


@_CACHED
def cubic(size: int, count: int, corners: bool, scale: float, kind: str) -> Taps:
    """Keys' cubic convolution with a = -0.75 over four neighbours."""
    at = _positions(size, count, corners, scale, kind)
    low = np.floor(at)
    part = (at - low).astype(np.float64)
    index = [np.clip(low.astype(np.int64) + k, 0, size - 1) for k in (-1, 0, 1, 2)]
    return Taps(
        size, np.stack(index), np.stack([_cubic_weights(part - k, -0.75) for k in (-1, 0, 1, 2)])
    )


def _triangle(x: Any) -> Any:
    return np.maximum(1 - np.abs(x), 0)


def _keys(x: Any) -> Any:
    return _cubic_weights(x, -0.5)


@_CACHED
def smooth(size: int, count: int, corners: bool, scale: float, mode: str) -> Taps:
    """Antialiased: the kernel is stretched over all inputs that an output covers."""
    kernel: Callable[[Any], Any] = _triangle if mode == "bilinear" else _keys
    if corners:
        scale = (size - 1) / (count - 1) if count > 1 else 0.0
    wide = max(scale, 1.0)
    support = (1.0 if mode == "bilinear" else 2.0) * wide
    centre = scale * (np.arange(count) + 0.5)
    start = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    length = np.minimum((centre + support + 0.5).astype(np.int64), size) - start
    t = np.arange(math.ceil(length.max()))[:, None]
    weight = np.where(t < length, kernel((t + start - centre + 0.5) / wide), 0)
    return Taps(size, np.minimum(start + t, size - 1), weight / weight.sum(0))


@_CACHED
def area(size: int, count: int) -> Taps:
    """The mean of ``count`` windows that cover the axis."""
    start, end = adaptive_spans(size, count)
    t = np.arange(int((end - start).max()))[:, None]
    return Taps(size, np.minimum(start + t, end - 1), (t < end - start) / (end - start))


# -- the record


def _cuts(params: Any, x: tuple[int, ...]) -> Iterable[Cut]:
    """Any dimension that no map is applied to."""
    maps = params["maps"]
    for d in range(len(x)):
        at = d - len(x) + len(maps)
        if at < 0 or maps[at] is None:
            yield Cut((d,), (d,))
    yield Cut(("sum",), ("sum",))


_record: Primitive = Primitive(
    "resample",
    _resample,
    vjp={
        "x": lambda g, maps: apply(
            _record, g, maps=tuple([None if m is None else m.adjoint for m in maps])
        )
    },
    low_precision=True,
    samples=lambda make: [
        ((make(1, 2, 3, 4),), {"maps": (linear(3, 5, False, 0.6, "float64"), area(4, 3))}),
        ((make(2, 3),), {"maps": (nearest(3, 4, False, 0.75, "float64"),)}),
    ],
    cuts=_cuts,
    doc="Weighted sums of a few inputs along each of the last axes.",
)


def resample(x: Tensor, maps: tuple[Taps | None, ...]) -> Tensor:
    """Apply a map to each of the last axes; None leaves one alone."""
    return x if all(m is None for m in maps) else apply(_record, x, maps=maps)
