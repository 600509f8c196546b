"""Normalisation by mean and variance, or by root mean square.

Layer, group and batch normalisation are one computation over different views: take the mean and
variance over some axes of a view of ``x``, subtract and divide, then scale and shift. Each is a
record that also returns the statistics. Its gradient is a record of its own, computed in a few
passes; where the gradient itself is to be differentiated, it is composed of Tensor operations.
Ba, Kiros & Hinton 2016 (layer); Wu & He 2018 (group); Ioffe & Szegedy 2015 (batch); Zhang &
Sennrich 2019 (RMS). float16 and bfloat16 are computed in float32; the statistics stay float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.dtypes import is_low_precision
from isograd.tensor.inplace import recording
from isograd.tensor.primitive import Primitive, Sample

__all__ = ["batch_norm", "group_norm", "layer_norm", "rms_norm"]

Ints = tuple[int, ...]
_FLOAT32 = np.dtype(np.float32)


class View(NamedTuple):
    """How an input is seen: its shape, the axes the statistics run over, the weight's shape."""

    shape: Ints
    axes: Ints
    affine: Ints  # the weight's shape, to broadcast against `shape`
    spread: Ints  # the axes along which the weight is the same
    kept: Ints  # the statistics' shape, to broadcast against `shape`
    size: int  # numbers per statistic
    stats: Ints  # the statistics' shape as a result


Geometry = Callable[[Ints, int], View]


@lru_cache(maxsize=256)
def _rows(shape: Ints, dims: int) -> View:
    """Statistics over the last ``dims`` dimensions."""
    count = math.prod(shape[len(shape) - dims :])
    lead = shape[: len(shape) - dims]
    rows = math.prod(lead)
    return View((rows, count), (1,), (count,), (0,), (rows, 1), count, lead)


@lru_cache(maxsize=256)
def _groups(shape: Ints, groups: int) -> View:
    """Statistics over every group of channels of (N, C, ...)."""
    n, each, length = shape[0], shape[1] // groups, math.prod(shape[2:])
    return View((n, groups, each, length), (2, 3), (1, groups, each, 1), (0, 3),
                (n, groups, 1, 1), each * length, (n * groups,))  # fmt: skip


@lru_cache(maxsize=256)
def _channels(shape: Ints, _: int) -> View:
    """Statistics over everything but the channels of (N, C, ...)."""
    n, c, length = shape[0], shape[1], math.prod(shape[2:])
    return View((n, c, length), (0, 2), (1, c, 1), (0, 2), (1, c, 1), n * length, (c,))


def _wide(x: Any) -> Any:
    return x.astype(_FLOAT32) if x is not None and is_low_precision(x.dtype) else x


def _inner(xp: Any, a: Any, b: Any, axes: Ints) -> Any:
    """Sum of products over axes, kept; along a long last axis without a temporary."""
    if xp is np and axes[-1] == a.ndim - 1 and (a.ndim == 2 or a.shape[-1] >= 16):
        out = np.vecdot(a, b)[..., None]
        return np.add.reduce(out, axis=axes[:-1], keepdims=True) if axes[1:] else out
    return xp.sum(a * b, axis=axes, keepdims=True)


def _normalizer(geometry: Geometry) -> Callable[..., Any]:
    """The forward: ``(out, mean, 1 / standard deviation)``."""

    def forward(xp: Any, x: Any, w: Any, b: Any, *, span: int, eps: float) -> Any:
        kind, shape = x.dtype, x.shape
        view = geometry(shape, span)
        x, w, b = _wide(x).reshape(view.shape), _wide(w), _wide(b)
        scale = x.dtype.type(view.size)
        mean = xp.add.reduce(x, axis=view.axes, keepdims=True)
        mean /= scale
        out = x - mean
        rstd = _inner(xp, out, out, view.axes)
        rstd /= scale
        rstd += x.dtype.type(eps)
        xp.sqrt(rstd, rstd)
        xp.divide(1, rstd, rstd)
        if w is None or view.affine != view.kept:
            out *= rstd
            if w is not None:
                out *= w.reshape(view.affine)
        else:
            out *= rstd * w.reshape(view.affine)
        if b is not None:
            out += b.reshape(view.affine)
        out = out.reshape(shape)
        out = out if out.dtype == kind else out.astype(kind)
        return out, mean.reshape(view.stats), rstd.reshape(view.stats)

    return forward


def _normalizer_backward(geometry: Geometry) -> Callable[..., Any]:
    """Gradients of the input, the weight and the bias."""

    def forward(
        xp: Any, g: Any, x: Any, w: Any, mean: Any, rstd: Any, *, span: int, needs: Any
    ) -> Any:
        kind, shape = x.dtype, x.shape
        view = geometry(shape, span)
        g, x = _wide(g).reshape(view.shape), _wide(x).reshape(view.shape)
        rstd = rstd.reshape(view.kept)
        normal = x - mean.reshape(view.kept)
        normal *= rstd
        dx = dw = db = None
        if needs[2]:
            db = xp.add.reduce(g, axis=view.spread).reshape(-1)
        if needs[1]:
            dw = _inner(xp, g, normal, view.spread).reshape(-1)
        if needs[0]:
            dx = g if w is None else g * _wide(w).reshape(view.affine)
            shift = xp.add.reduce(dx, axis=view.axes, keepdims=True)
            slope = _inner(xp, dx, normal, view.axes)
            scale = x.dtype.type(view.size)
            shift /= scale
            slope /= scale
            normal *= slope
            dx = dx - shift if w is None else xp.subtract(dx, shift, dx)
            dx -= normal
            dx *= rstd
            dx = dx.reshape(shape)
            dx = dx if dx.dtype == kind else dx.astype(kind)
        empty = xp.empty(0, g.dtype)
        return tuple([empty if v is None else v for v in (dx, dw, db)])

    return forward


def _vjp(geometry: Geometry, backward: Callable[[], Primitive]) -> Callable[..., Any]:
    """The joint gradient rule: one fast record, or Tensor operations under ``create_graph``."""

    def vjp(gs: Any, out1: Any, out2: Any, x: Any, w: Any, b: Any, needs: Any, span: Any) -> Any:
        (g, g_mean, g_rstd), mean, rstd = gs, out1, out2
        if g_mean is not None or g_rstd is not None or recording(g, x, w):
            return _by_operations(geometry(x.shape, span), gs, x, w, b, mean, rstd, needs)
        made = apply(backward(), g, x, w, mean, rstd, span=span, needs=needs)
        found = [made[0] if needs[0] else None, None, None]
        for i, like in ((1, w), (2, b)):
            if needs[i]:
                found[i] = made[i] if like.ndim == 1 else made[i].reshape(like.shape)
        return found

    return vjp


def _by_operations(
    view: View, gs: Any, x: Any, w: Any, b: Any, mean: Any, rstd: Any, needs: Any
) -> Any:
    g, g_mean, g_rstd = gs
    seen, rstd = x.reshape(view.shape), rstd.reshape(view.kept)
    centred = seen - mean.reshape(view.kept)
    dx = dw = db = None
    if g is not None:
        g = g.reshape(view.shape)
        normal = centred * rstd
        if needs[2]:
            db = g.sum(view.spread).reshape(b.shape)
        if needs[1]:
            dw = (g * normal).sum(view.spread).reshape(w.shape)
        h = g if w is None else g * w.reshape(view.affine)
        shift = h.sum(view.axes, keepdim=True) / view.size
        slope = (h * normal).sum(view.axes, keepdim=True) / view.size
        dx = (h - shift - normal * slope) * rstd
    if g_mean is not None:
        extra = g_mean.reshape(view.kept) / view.size
        dx = extra if dx is None else dx + extra
    if g_rstd is not None:
        extra = centred * (g_rstd.reshape(view.kept) * rstd**3 / -view.size)
        dx = extra if dx is None else dx + extra
    if dx is None:
        return None, dw, db
    return (dx.expand(view.shape).reshape(x.shape) if needs[0] else None), dw, db


# -- how they are cut: rows and groups along the batch; channels of the whole batch apart

Ways = Callable[..., list[Cut]]


def _row_cuts(params: Any, x: Ints, w: Ints, b: Ints) -> list[Cut]:
    return [Cut((d, None, None), (d, d, d)) for d in range(len(x) - params["span"])]


def _row_backward_cuts(params: Any, g: Ints, x: Ints, w: Ints, mean: Ints, rstd: Ints) -> list[Cut]:
    return [_backward_cut(params, d) for d in range(len(x) - params["span"])]


def _backward_cut(params: Any, d: int, widths: Ints | None = None) -> Cut:
    """By the batch: the weight's and the bias's gradients are sums."""
    dx = d if params["needs"][0] else "sum"  # not asked for: nothing, in whatever way
    return Cut((d, d, None, d, d), (dx, "sum", "sum"), widths=widths)


def _group_cuts(params: Any, x: Ints, w: Ints, b: Ints) -> list[Cut]:
    groups = params["span"]
    return [Cut((0, None, None), (0, 0, 0), times=(1, groups, groups))]


def _group_backward_cuts(
    params: Any, g: Ints, x: Ints, w: Ints, mean: Ints, rstd: Ints
) -> list[Cut]:
    return [_backward_cut(params, 0, (1, 1, 1, params["span"], params["span"]))]


def _channel_cuts(params: Any, x: Ints, w: Ints, b: Ints) -> list[Cut]:
    return [Cut((1, 0 if w else None, 0 if b else None), (1, 0, 0))]


def _channel_backward_cuts(
    params: Any, g: Ints, x: Ints, w: Ints, mean: Ints, rstd: Ints
) -> list[Cut]:
    outs = tuple(d if need else "sum" for d, need in zip((1, 0, 0), params["needs"], strict=True))
    return [Cut((1, 1, 0 if w else None, 0, 0), outs)]


def _record(
    name: str, geometry: Geometry, samples: Callable[..., list[Sample]], doc: str,
    cuts: Ways, backward_cuts: Ways,
) -> Any:  # fmt: skip
    backward = Primitive(
        f"{name}_backward",
        _normalizer_backward(geometry),
        outputs=3,
        nondifferentiable=True,
        cuts=backward_cuts,
        doc=f"Gradients of the input, weight and bias of {name}, in a few passes.",
    )
    return Primitive(
        name,
        _normalizer(geometry),
        vjp_all=_vjp(geometry, lambda: backward),
        outputs=3,
        cuts=cuts,
        samples=samples,
        doc=doc,
    )


_layer = _record(
    "layer_norm",
    _rows,
    lambda make: [
        ((make(3, 4), make(4), make(4)), {"span": 1, "eps": 1e-5}),
        ((make(2, 2, 3), make(2, 3), None), {"span": 2, "eps": 0.1}),
        ((make(3, 4), None, None), {"span": 1, "eps": 1e-5}),
    ],
    "Normalisation over the last ``span`` dimensions: (out, mean, 1 / std).",
    _row_cuts,
    _row_backward_cuts,
)
_group = _record(
    "group_norm",
    _groups,
    lambda make: [
        ((make(2, 4, 3), make(4), make(4)), {"span": 2, "eps": 1e-5}),
        ((make(2, 4, 3), None, None), {"span": 4, "eps": 1e-5}),
    ],
    "Normalisation over each of ``span`` groups of channels: (out, mean, 1 / std).",
    _group_cuts,
    _group_backward_cuts,
)
_batch = _record(
    "batch_norm",
    _channels,
    lambda make: [
        ((make(4, 2), make(2), make(2)), {"span": 0, "eps": 1e-5}),
        ((make(3, 2, 2, 2), None, make(2)), {"span": 0, "eps": 1e-5}),
    ],
    "Normalisation of every channel over the batch: (out, mean, 1 / std).",
    _channel_cuts,
    _channel_backward_cuts,
)


def layer_norm(x: Tensor, w: Tensor | None, b: Tensor | None, dims: int, eps: float) -> Tensor:
    """Zero mean and unit variance over the last ``dims`` dimensions, times w, plus b."""
    return apply(_layer, x, w, b, span=dims, eps=eps)[0]


def group_norm(
    x: Tensor, w: Tensor | None, b: Tensor | None, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Each group of channels of (N, C, ...) normalised.

    Returns:
        The result, the means (N * groups,) and 1 / sqrt(variance + eps) (N * groups,).
    """
    return apply(_group, x, w, b, span=groups, eps=eps)


def batch_norm(
    x: Tensor, w: Tensor | None, b: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Every channel of (N, C, ...) normalised over the batch.

    Returns:
        The result, the means (C,) and 1 / sqrt(variance + eps) (C,).
    """
    return apply(_batch, x, w, b, span=0, eps=eps)


# -- root mean square


def _rms(xp: Any, x: Any, w: Any, *, dims: int, eps: float) -> Any:
    kind, shape = x.dtype, x.shape
    view = _rows(shape, dims)
    x, w = _wide(x).reshape(view.shape), _wide(w)
    rstd = _inner(xp, x, x, view.axes)
    rstd /= x.dtype.type(view.size)
    rstd += x.dtype.type(eps)
    xp.sqrt(rstd, rstd)
    xp.divide(1, rstd, rstd)
    out = x * rstd
    if w is not None:
        out *= w.reshape(view.affine)
    out = out.reshape(shape)
    return out if out.dtype == kind else out.astype(kind), rstd.reshape(view.stats)


def _rms_backward(xp: Any, g: Any, x: Any, w: Any, rstd: Any, *, dims: int, needs: Any) -> Any:
    kind, shape = x.dtype, x.shape
    view = _rows(shape, dims)
    g, x = _wide(g).reshape(view.shape), _wide(x).reshape(view.shape)
    rstd = rstd.reshape(view.kept)
    normal = x * rstd
    dx = dw = xp.empty(0, g.dtype)
    if needs[1]:
        dw = _inner(xp, g, normal, view.spread).reshape(-1)
    if needs[0]:
        h = g if w is None else g * _wide(w).reshape(view.affine)
        normal *= _inner(xp, h, normal, view.axes) / x.dtype.type(view.size)
        dx = ((h - normal) * rstd).reshape(shape)
        dx = dx if dx.dtype == kind else dx.astype(kind)
    return dx, dw


def _rms_vjp(gs: Any, out1: Any, x: Any, w: Any, needs: Any, dims: Any) -> Any:
    (g, g_rstd), rstd = gs, out1
    if g_rstd is None and not recording(g, x, w):
        dx, dw = apply(_rms_backward_record, g, x, w, rstd, dims=dims, needs=needs)
        return dx if needs[0] else None, dw.reshape(w.shape) if needs[1] else None
    view = _rows(x.shape, dims)
    seen, rstd = x.reshape(view.shape), rstd.reshape(view.kept)
    total = dw = None
    if g is not None:
        g = g.reshape(view.shape)
        normal = seen * rstd
        if needs[1]:
            dw = (g * normal).sum(view.spread).reshape(w.shape)
        h = g if w is None else g * w.reshape(view.affine)
        total = (h - normal * ((h * normal).sum(1, keepdim=True) / view.size)) * rstd
    if g_rstd is not None:
        extra = seen * (g_rstd.reshape(view.kept) * rstd**3 / -view.size)
        total = extra if total is None else total + extra
    if total is None or not needs[0]:
        return None, dw
    return total.reshape(x.shape), dw


_rms_backward_record = Primitive(
    "rms_norm_backward",
    _rms_backward,
    outputs=2,
    nondifferentiable=True,
    cuts=lambda params, g, x, w, rstd: [
        Cut((d, d, None, d), (d if params["needs"][0] else "sum", "sum"))
        for d in range(len(x) - params["dims"])
    ],
    doc="Gradients of the input and weight of rms_norm, in a few passes.",
)
_rms_record = Primitive(
    "rms_norm",
    _rms,
    vjp_all=_rms_vjp,
    outputs=2,
    cuts=lambda params, x, w: [Cut((d, None), (d, d)) for d in range(len(x) - params["dims"])],
    samples=lambda make: [
        ((make(3, 4), make(4)), {"dims": 1, "eps": 1e-5}),
        ((make(2, 2, 3), None), {"dims": 2, "eps": 0.1}),
    ],
    doc="Division by the root mean square over the last ``dims`` dimensions: (out, 1 / rms).",
)


def rms_norm(x: Tensor, w: Tensor | None, dims: int, eps: float) -> Tensor:
    """``x / sqrt(mean(x²) + eps)`` over the last ``dims`` dimensions, times w."""
    return apply(_rms_record, x, w, dims=dims, eps=eps)[0]
