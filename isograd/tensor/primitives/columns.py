"""Columns: an image unrolled so that a convolution is one matrix product (im2col and col2im).

Every window of the padded input becomes a column of ``C * prod(kernel)`` numbers. NumPy writes all
windows as one strided view, so unrolling is a single copy and its adjoint one addition per kernel
position. The idea: Chellapilla, Puri & Simard, "High Performance Convolutional Neural Networks for
Document Processing", 2006.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive

__all__ = ["add_windows", "col2im", "im2col", "offsets", "output_sizes", "padded", "windows"]

Ints = tuple[int, ...]


def output_sizes(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Ints:
    """How many windows fit along each dimension."""
    return tuple([
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    ])  # fmt: skip


def offsets(kernel: Sequence[int]) -> Iterator[Ints]:
    """All positions in a kernel, in row order."""
    return itertools.product(*[range(k) for k in kernel])


def inside(padding: Sequence[int], size: Sequence[int]) -> tuple[Any, ...]:
    """The index of the unpadded part of a padded (N, C, *S) array."""
    return (..., *[slice(p, p + n) for p, n in zip(padding, size, strict=True)])


def padded(xp: Any, x: Any, padding: Sequence[int], value: Any = 0) -> Any:
    """(N, C, *S) with a border of ``value``; the array itself where there is none."""
    if not any(padding):
        return x
    shape = [n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)]
    out = xp.full((*x.shape[:2], *shape), value, x.dtype)
    out[inside(padding, x.shape[2:])] = x
    return out


def windows(
    xp: Any, x: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
    count: Sequence[int],
) -> Any:  # fmt: skip
    """All windows of a padded (N, C, *S) array, without copying: (N, C, *kernel, *count)."""
    steps = x.strides[2:]
    inner = tuple([s * d for s, d in zip(steps, dilation, strict=True)])
    outer = tuple([s * t for s, t in zip(steps, stride, strict=True)])
    return xp.lib.stride_tricks.as_strided(
        x, (*x.shape[:2], *kernel, *count), (*x.strides[:2], *inner, *outer)
    )


def add_windows(target: Any, columns: Any, kernel: Sequence[int], rows: slice) -> None:
    """Add (N, C, *kernel, *count) columns onto the windows ``target`` they came from.

    Args:
        target: a view made by `windows`, in which elements of several windows coincide.
        rows: which windows along the first dimension the columns hold.
    """
    for at in offsets(kernel):
        key = (slice(None), slice(None), *at)
        target[(*key, rows)] += columns[key]


# -- the records behind unfold and fold


def _im2col(
    xp: Any, x: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Any:  # fmt: skip
    count = output_sizes(x.shape[2:], kernel, stride, padding, dilation)
    seen = windows(xp, padded(xp, x, padding), kernel, stride, dilation, count)
    return seen.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(count)).copy()


def _col2im(
    xp: Any, x: Any, *, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Any:
    count = output_sizes(size, kernel, stride, padding, dilation)
    channels = x.shape[1] // math.prod(kernel)
    whole = [n + 2 * p for n, p in zip(size, padding, strict=True)]
    out = xp.zeros((x.shape[0], channels, *whole), x.dtype)
    seen = windows(xp, out, kernel, stride, dilation, count)
    columns = x.reshape(x.shape[0], channels, *kernel, *count)
    add_windows(seen, columns, kernel, slice(None))
    return xp.ascontiguousarray(out[inside(padding, size)])


def _channel_cuts(taken: int, made: int) -> Iterable[Cut]:
    """A channel of the input has ``taken`` rows and makes ``made``."""
    yield Cut((0,), (0,))
    yield Cut((1,), (1,), times=made, per=taken)
    yield Cut(("sum",), ("sum",))


_im2col_record: Primitive = Primitive(
    "im2col",
    _im2col,
    vjp={
        "x": lambda g, x_shape, kernel, stride, padding, dilation: apply(
            _col2im_record, g, size=tuple(x_shape[2:]), kernel=kernel, stride=stride,
            padding=padding, dilation=dilation,
        )
    },
    samples=lambda make: [
        ((make(1, 2, 4, 3),),
         {"kernel": (2, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 1)}),
    ],
    cuts=lambda params, x: _channel_cuts(1, math.prod(params["kernel"])),
    doc="Windows of (N, C, *S) as columns (N, C * prod(kernel), L).",
)  # fmt: skip
_col2im_record: Primitive = Primitive(
    "col2im",
    _col2im,
    vjp={
        "x": lambda g, kernel, stride, padding, dilation: apply(
            _im2col_record, g, kernel=kernel, stride=stride, padding=padding, dilation=dilation
        )
    },
    low_precision=True,
    samples=lambda make: [
        ((make(1, 8, 6),), {"size": (4, 3), "kernel": (2, 2), "stride": (2, 1),
                            "padding": (1, 0), "dilation": (1, 1)}),
    ],
    cuts=lambda params, x: _channel_cuts(math.prod(params["kernel"]), 1),
    doc="Columns (N, C * prod(kernel), L) added up where their windows lie in (N, C, *S).",
)  # fmt: skip


def im2col(
    x: Tensor, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Tensor:  # fmt: skip
    """Windows of (N, C, *S) as columns (N, C * prod(kernel), L)."""
    return apply(
        _im2col_record, x, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )


def col2im(
    x: Tensor, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Tensor:
    """Columns (N, C * prod(kernel), L) added up where their windows lie in (N, C, *size)."""
    return apply(
        _col2im_record, x, size=size, kernel=kernel, stride=stride, padding=padding,
        dilation=dilation,
    )  # fmt: skip
