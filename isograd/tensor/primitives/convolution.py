"""Convolution of any number of dimensions, and the two operations that are its gradients.

Three records close under differentiation, so that every order of gradient exists:

    convolution         (x, w) -> y    y is bilinear in x and w
    convolution_input   (y, w) -> x    its adjoint in x: the transposed convolution
    convolution_weight  (x, y) -> w    its adjoint in w

The forward unrolls a few images (or a few rows of one) at a time into columns that stay in the
cache and multiplies them with the weights straight into the result. float16 and bfloat16 are
computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, Place
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.primitives.columns import (
    add_windows,
    inside,
    output_sizes,
    padded,
    windows,
)
from isograd.tensor.primitives.elementwise import conj

__all__ = ["convolution", "convolution_input", "convolution_weight"]

Ints = tuple[int, ...]

HOST_COLUMNS = 2 * 1024 * 1024  # bytes of columns at a time: they stay in the second-level cache
DEVICE_COLUMNS = 256 * 1024 * 1024
SMALL = 32  # outputs per image below which images are joined in one product


def _parts(
    xp: Any, images: int, rows: int, row_bytes: int
) -> Iterator[tuple[slice, slice]]:  # fmt: skip
    """Cut images and, if one alone is too large, rows of outputs, so that the columns fit."""
    limit = HOST_COLUMNS if xp is np else DEVICE_COLUMNS
    together = max(1, limit // max(1, rows * row_bytes))
    height = rows if rows * row_bytes <= limit else max(1, limit // row_bytes)
    for n in range(0, images, together):
        for r in range(0, rows, height):
            yield slice(n, min(n + together, images)), slice(r, min(r + height, rows))


class _Unroller:
    """Writes the columns of a part of the images into one buffer that is used again.

    ``joined`` columns are (groups, C / groups * prod(kernel), images * outputs), others are
    (images, groups, C / groups * prod(kernel), outputs).
    """

    def __init__(
        self, xp: Any, x: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints,
        count: Ints, groups: int, joined: bool,
    ) -> None:  # fmt: skip
        self.xp, self.x, self.groups, self.joined = xp, x, groups, joined
        self.kernel, self.stride, self.dilation, self.count = kernel, stride, dilation, count
        self.padding = padding
        self.images: slice | None = None
        self.buffer: Any = None

    def parts(self) -> Iterator[tuple[slice, slice]]:
        row = self.x.shape[1] * math.prod(self.kernel) * math.prod(self.count[1:])
        return _parts(self.xp, self.x.shape[0], self.count[0], row * self.x.itemsize)

    def __call__(self, images: slice, rows: slice) -> Any:
        xp, k = self.xp, len(self.kernel)
        if images != self.images:
            part = padded(xp, self.x[images], self.padding)
            self.view = windows(xp, part, self.kernel, self.stride, self.dilation, self.count)
            self.images = images
        seen = self.view[(slice(None),) * (2 + k) + (rows,)]
        if self.joined:  # (C, *kernel, n, *count)
            seen = seen.transpose(1, *range(2, 2 + k), 0, *range(2 + k, 2 + 2 * k))
        if self.buffer is None:
            self.buffer = xp.empty(seen.shape, seen.dtype)
        fits = self.buffer.shape == seen.shape
        columns = self.buffer if fits else xp.empty(seen.shape, seen.dtype)
        columns[...] = seen
        n = images.stop - images.start
        depth = self.x.shape[1] // self.groups * math.prod(self.kernel)
        outputs = (rows.stop - rows.start) * math.prod(self.count[1:])
        if self.joined:
            return columns.reshape(self.groups, depth, n * outputs)
        return columns.reshape(n, self.groups, depth, outputs)


def _convolution(
    xp: Any, x: Any, w: Any, b: Any, *, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Any:
    """x (N, C, *S), w (O, C / groups, *K), b (O,) or None -> (N, O, *L)."""
    kernel, n = w.shape[2:], x.shape[0]
    count = output_sizes(x.shape[2:], kernel, stride, padding, dilation)
    o, length = w.shape[0], math.prod(count)
    out = xp.empty((n, o, *count), x.dtype)
    if out.size == 0:
        return out
    if math.prod(kernel) == 1 and not any(padding):
        _pointwise(xp, x, w, stride, groups, out)
    else:
        columns = _Unroller(
            xp, x, kernel, stride, padding, dilation, count, groups, length < SMALL
        )  # fmt: skip
        (_joined if columns.joined else _apart)(xp, columns, w, groups, out)
    if b is not None:
        out += b.reshape(o, *[1] * len(kernel))
    return out


def _apart(xp: Any, columns: _Unroller, w: Any, groups: int, out: Any) -> None:
    """A product per image, written straight into the result."""
    n, o, first = out.shape[:3]
    matrix = w.reshape(groups, o // groups, -1)
    rest = math.prod(out.shape[3:])
    flat = out.reshape(n, groups, o // groups, first * rest)
    for images, rows in columns.parts():
        target = flat[images, :, :, rows.start * rest : rows.stop * rest]
        if xp is np:
            np.matmul(matrix, columns(images, rows), out=target)
        else:
            target[...] = xp.matmul(matrix, columns(images, rows))


def _joined(xp: Any, columns: _Unroller, w: Any, groups: int, out: Any) -> None:
    """One product for several small images."""
    n, o, first = out.shape[:3]
    matrix = w.reshape(groups, o // groups, -1)
    rest = math.prod(out.shape[3:])
    flat = out.reshape(n, o, first * rest)
    for images, rows in columns.parts():
        made = xp.matmul(matrix, columns(images, rows)).reshape(o, images.stop - images.start, -1)
        flat[images, :, rows.start * rest : rows.stop * rest] = made.transpose(1, 0, 2)


def _pointwise(xp: Any, x: Any, w: Any, stride: Ints, groups: int, out: Any) -> None:
    """A kernel of one element needs no columns."""
    if any(s != 1 for s in stride):
        x = x[(..., *[slice(None, None, s) for s in stride])]
    n, o = out.shape[:2]
    flat = x.reshape(n, groups, x.shape[1] // groups, -1)
    made = out.reshape(n, groups, o // groups, -1)
    made[...] = xp.matmul(w.reshape(groups, o // groups, -1), flat)


def _convolution_input(
    xp: Any, y: Any, w: Any, b: Any, *, size: Ints, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> Any:  # fmt: skip
    """y (N, O, *L), w (O, C / groups, *K), b (C,) or None -> (N, C, *size)."""
    kernel, n, o = w.shape[2:], y.shape[0], y.shape[1]
    c = w.shape[1] * groups
    reach = tuple([d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True)])
    full = output_sizes(size, kernel, stride, padding, dilation) == y.shape[2:]
    if all(s == 1 for s in stride) and min(reach) >= 0 and o <= c and full:
        # a convolution with the turned kernel: copying columns is cheaper than adding them
        turned = w.reshape(groups, o // groups, w.shape[1], *kernel).swapaxes(1, 2)
        turned = xp.flip(turned, tuple(range(3, 3 + len(kernel))))
        turned = turned.reshape(c, o // groups, *kernel)
        return _convolution(
            xp, y, turned, b, stride=stride, padding=reach, dilation=dilation, groups=groups
        )
    whole = [s + 2 * p for s, p in zip(size, padding, strict=True)]
    out = xp.zeros((n, c, *whole), y.dtype)
    count, length = y.shape[2:], math.prod(y.shape[3:])
    matrix = w.reshape(groups, o // groups, -1).swapaxes(1, 2)
    flat = y.reshape(n, groups, o // groups, math.prod(count))
    for images, rows in _parts(xp, n, count[0], c * math.prod(kernel) * length * y.itemsize):
        part = flat[images, :, :, rows.start * length : rows.stop * length]
        columns = xp.matmul(matrix, part).reshape(
            images.stop - images.start, c, *kernel, rows.stop - rows.start, *count[1:]
        )
        target = windows(xp, out[images], kernel, stride, dilation, count)
        add_windows(target, columns, kernel, rows)
    if any(padding):
        out = xp.ascontiguousarray(out[inside(padding, size)])
    if b is not None:
        out += b.reshape(c, *[1] * len(kernel))
    return out


def _convolution_weight(
    xp: Any, x: Any, y: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> Any:  # fmt: skip
    """x (N, C, *S), y (N, O, *L) -> (O, C / groups, *kernel)."""
    count, (n, o) = y.shape[2:], y.shape[:2]
    c = x.shape[1] // groups
    out = xp.zeros((groups, o // groups, c * math.prod(kernel)), x.dtype)
    columns = _Unroller(xp, x, kernel, stride, padding, dilation, count, groups, True)
    rest = math.prod(count[1:])
    flat = y.reshape(n, o, math.prod(count))
    if out.size and y.size:
        for images, rows in columns.parts():
            part = flat[images, :, rows.start * rest : rows.stop * rest].swapaxes(0, 1)
            part = part.reshape(groups, o // groups, -1)
            out += xp.matmul(part, columns(images, rows).swapaxes(1, 2))
    return out.reshape(o, c, *kernel)


# -- ways to compute in parts: of the batch, of the channels on either side, of the groups


def _fewer_groups(params: dict[str, Any], shapes: Sequence[Ints], place: Place) -> dict[str, Any]:
    """As many groups as the part's channels make."""
    return {**params, "groups": params["groups"] * shapes[0][1] // place.shapes[0][1]}


def _cuts(params: Any, x: Ints, w: Ints, b: Ints) -> Iterable[Cut]:
    bias, groups = 0 if b else None, params["groups"]
    yield Cut((0, None, None), (0,))
    if groups == 1:
        yield Cut((None, 0, bias), (1,))
        if not b:
            yield Cut((1, 1, None), ("sum",))
    else:
        made = w[0] // groups
        yield Cut((1, 0, bias), (1,), _fewer_groups, made, widths=(w[1], made, made))
    if not b:
        yield Cut(("sum", None, None), ("sum",))
        yield Cut((None, "sum", None), ("sum",))


def _input_cuts(params: Any, y: Ints, w: Ints, b: Ints) -> Iterable[Cut]:
    bias, groups = 0 if b else None, params["groups"]
    yield Cut((0, None, None), (0,))
    if groups == 1:
        yield Cut((None, 1, bias), (1,))
        if not b:
            yield Cut((1, 0, None), ("sum",))
    else:
        read = w[0] // groups
        yield Cut((1, 0, bias), (1,), _fewer_groups, w[1], widths=(read, read, w[1]))
    if not b:
        yield Cut(("sum", None, None), ("sum",))
        yield Cut((None, "sum", None), ("sum",))


def _weight_cuts(params: Any, x: Ints, y: Ints) -> Iterable[Cut]:
    groups = params["groups"]
    yield Cut((0, 0), ("sum",))
    if groups == 1:
        yield Cut((None, 1), (0,))
        yield Cut((1, None), (1,))
    else:
        made = y[1] // groups
        yield Cut((1, 1), (0,), _fewer_groups, made, widths=(x[1] // groups, made))
    yield Cut(("sum", None), ("sum",))
    yield Cut((None, "sum"), ("sum",))


# -- records


def _sum_bias(g: Tensor) -> Tensor:
    return g.sum((0, *range(2, g.ndim)))


def _first(y: Tensor, shape: Any) -> Tensor:
    """The first windows: a transposed convolution may leave out the last ones of its output."""
    if y.shape == shape:
        return y
    return y[(..., *[slice(0, n) for n in shape[2:]])]


def _samples(make: Any, kind: str) -> list[Sample]:
    """Strided with padding, grouped with dilation, one channel per group, one dimension."""
    rows: list[tuple[Ints, Ints, Ints, dict[str, Any]]] = [
        ((1, 2, 4, 3), (2, 2, 2, 2), (1, 2, 2, 4),
         {"stride": (2, 1), "padding": (1, 1), "dilation": (2, 1), "groups": 1}),
        ((2, 2, 3), (2, 1, 2), (2, 2, 4),
         {"stride": (1,), "padding": (1,), "dilation": (1,), "groups": 2}),
        ((2, 4, 3), (2, 2, 1), (2, 2, 2),
         {"stride": (2,), "padding": (0,), "dilation": (1,), "groups": 2}),
    ]  # fmt: skip
    out: list[Sample] = []
    for x, w, y, params in rows:
        if kind == "y":
            out.append(((make(*x), make(*w), make(y[1])), params))
        elif kind == "x":
            out.append(((make(*y), make(*w), make(x[1])), {**params, "size": x[2:]}))
        else:
            out.append(((make(*x), make(*y)), {**params, "kernel": w[2:]}))
    if kind == "x":  # longer than the windows reach
        params = {"stride": (1,), "padding": (1,), "dilation": (2,), "groups": 1, "size": (5,)}
        out.append(((make(1, 2, 2), make(2, 1, 2), None), params))
    return out


_y: Primitive = Primitive(
    "convolution",
    _convolution,
    vjp={
        "x": lambda g, w, x_shape, stride, padding, dilation, groups: apply(
            _x, g, conj(w), None, size=tuple(x_shape[2:]), stride=stride, padding=padding,
            dilation=dilation, groups=groups,
        ),
        "w": lambda g, x, w_shape, stride, padding, dilation, groups: apply(
            _w, conj(x), g, kernel=tuple(w_shape[2:]), stride=stride, padding=padding,
            dilation=dilation, groups=groups,
        ),
        "b": lambda g: _sum_bias(g),
    },
    low_precision=True,
    samples=lambda make: _samples(make, "y"),
    cuts=_cuts,
    doc="Cross-correlation of (N, C, *S) with (O, C / groups, *K), and a bias (or None).",
)  # fmt: skip
_x: Primitive = Primitive(
    "convolution_input",
    _convolution_input,
    vjp={
        "y": lambda g, w, y_shape, stride, padding, dilation, groups: _first(
            convolution(g, conj(w), None, stride, padding, dilation, groups), y_shape
        ),
        "w": lambda g, y, w_shape, stride, padding, dilation, groups: apply(
            _w, g, conj(y), kernel=tuple(w_shape[2:]), stride=stride, padding=padding,
            dilation=dilation, groups=groups,
        ),
        "b": lambda g: _sum_bias(g),
    },
    low_precision=True,
    samples=lambda make: _samples(make, "x"),
    cuts=_input_cuts,
    doc="The transposed convolution: the adjoint of `convolution` in its input.",
)  # fmt: skip
_w: Primitive = Primitive(
    "convolution_weight",
    _convolution_weight,
    vjp={
        "x": lambda g, y, x_shape, stride, padding, dilation, groups: apply(
            _x, conj(y), g, None, size=tuple(x_shape[2:]), stride=stride, padding=padding,
            dilation=dilation, groups=groups,
        ),
        "y": lambda g, x, y_shape, stride, padding, dilation, groups: _first(
            convolution(conj(x), g, None, stride, padding, dilation, groups), y_shape
        ),
    },
    low_precision=True,
    samples=lambda make: _samples(make, "w"),
    cuts=_weight_cuts,
    doc="The adjoint of `convolution` in its weights.",
)  # fmt: skip


def convolution(
    x: Tensor, w: Tensor, b: Tensor | None, stride: Ints, padding: Ints, dilation: Ints,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """x (N, C, *S), w (O, C / groups, *K), b (O,) or None -> (N, O, *L)."""
    return apply(_y, x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)


def convolution_input(
    y: Tensor, w: Tensor, b: Tensor | None, size: Sequence[int], stride: Ints, padding: Ints,
    dilation: Ints, groups: int = 1,
) -> Tensor:  # fmt: skip
    """y (N, O, *L), w (O, C / groups, *K), b (C,) or None -> (N, C, *size)."""
    return apply(
        _x, y, w, b, size=tuple(size), stride=stride, padding=padding, dilation=dilation,
        groups=groups,
    )  # fmt: skip


def convolution_weight(
    x: Tensor, y: Tensor, kernel: Sequence[int], stride: Ints, padding: Ints, dilation: Ints,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """x (N, C, *S), y (N, O, *L) -> (O, C / groups, *kernel)."""
    return apply(
        _w, x, y, kernel=tuple(kernel), stride=stride, padding=padding, dilation=dilation,
        groups=groups,
    )  # fmt: skip
