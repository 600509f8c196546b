"""Softmax and cross-entropy where the classes are cut: a vocabulary in parts.

Of N rows and C classes only N numbers are exchanged, three times: the largest score, the sum of
the exponentials, and the score of the row's class. Source: Shoeybi et al., "Megatron-LM", 2019,
section 3.
"""

from __future__ import annotations

from typing import Any

from isograd.distributed.tensor.compositions import complete, cut_along, places_along, widened
from isograd.distributed.tensor.partitioner import composed
from isograd.tensor.core import Tensor
from isograd.tensor.door import apply
from isograd.tensor.primitive import PRIMITIVES, Primitive

__all__: list[str] = []

Params = dict[str, Any]
Inputs = tuple[Any, ...]


def _exponentials(x: Tensor, dims: Any) -> tuple[Tensor, Tensor, Tensor]:
    """``x`` less its largest, their exponentials, and the sum of these; kept dimensions."""
    real = x.real if x.is_complex() else x
    top = complete(apply(PRIMITIVES["amax"], real, dims=dims, keepdim=True))
    shifted = x - top
    size = shifted.exp()
    return shifted, size, complete(size.sum(dims, keepdim=True))


@composed("softmax", "log_softmax")
def _softmax(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    x, dim = inputs[0], params["dim"]
    if not cut_along(x, dim) or not x.numel():
        return NotImplemented
    shifted, size, total = _exponentials(widened(x), (dim,))
    out = size / total if primitive.name == "softmax" else shifted - total.log()
    return out.to(x.dtype)


@composed("softmax_backward", "log_softmax_backward")
def _softmax_backward(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    dy, y = inputs
    dim = params["dim"] % y.ndim
    if not (cut_along(dy, dim) or cut_along(y, dim)):
        return NotImplemented
    g, p = complete(widened(dy)), widened(y)
    if primitive.name == "softmax_backward":
        return ((g - complete((g * p).sum(dim, keepdim=True))) * p).to(y.dtype)
    return (g - p.exp() * complete(g.sum(dim, keepdim=True))).to(y.dtype)


@composed("logsumexp")
def _logsumexp(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    x, dims = inputs[0], params["dims"]
    if not cut_along(x, *dims) or not x.numel():
        return NotImplemented
    wide = widened(x)
    real = wide.real if x.is_complex() else wide
    top = complete(apply(PRIMITIVES["amax"], real, dims=dims, keepdim=True))
    top = top.masked_fill(~top.isfinite(), 0)
    out = complete((wide - top).exp().sum(dims, keepdim=True)).log() + top
    return (out if params["keepdim"] else out.squeeze(dims)).to(x.dtype)


def _rows(target: Tensor, ignore: int) -> tuple[Tensor, Tensor]:
    """Class numbers with 0 where ignored, and which rows count."""
    counts = target != ignore
    safe = target.masked_fill(~counts, 0)
    return safe, counts


@composed("pick_rows")
def _pick(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    x, target = inputs
    if not cut_along(x, 1):
        return NotImplemented
    safe, counts = _rows(target, params["ignore"])
    return x.gather(1, safe.unsqueeze(1)).squeeze(1) * counts


@composed("cross_entropy")
def _cross_entropy(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    x, target = inputs
    if not cut_along(x, 1):
        return NotImplemented
    safe, counts = _rows(target, params["ignore"])
    shifted, _, total = _exponentials(widened(x), (1,))
    picked = complete(shifted.gather(1, safe.unsqueeze(1)))
    loss = (total.log() - picked).squeeze(1)
    return loss.masked_fill(~counts, 0).to(x.dtype)


@composed("cross_entropy_backward")
def _cross_entropy_backward(primitive: Primitive, inputs: Inputs, params: Params) -> Any:
    """``dy * (softmax(x) - one_hot(target))``."""
    dy, x, target = inputs
    if not cut_along(x, 1):
        return NotImplemented
    safe, counts = _rows(target, params["ignore"])
    _, size, total = _exponentials(widened(x), (1,))
    weight = (complete(widened(dy)) * counts).unsqueeze(1)
    own = places_along(x._array, 1) == safe.unsqueeze(1)
    return (weight * (size / total - own.to(size.dtype))).to(x.dtype)
