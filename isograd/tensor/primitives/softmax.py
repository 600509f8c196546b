"""Softmax, its logarithm, and the two gradients, each in few passes over one buffer.

``attention_softmax`` also scales and leaves out what lies in the future, so that causal attention
needs no mask in memory. What is left out has weight 0, and so has its gradient.
"""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, along
from isograd.tensor.door import apply
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.primitives.shape import wrap_dim
from isograd.tensor.primitives.transcendental import exp
from isograd.tensor.public import public

__all__ = ["attention_softmax", "log_softmax", "softmax"]


def _samples(make: Any) -> list[Sample]:
    return [((make(3, 4),), {"dim": 1}), ((make(2, 3, 2),), {"dim": 0})]


def _gradient_samples(make: Any) -> list[Sample]:
    return [((make(3, 4), make(3, 4, low=0.1, high=0.5)), {"dim": 1})]


# -- softmax: y = exp(x) / sum(exp(x)), gradient y * (g - sum(g * y))


def _softmax_forward(xp: Any, x: Any, *, dim: int) -> Any:
    if x.size == 0:
        return x.copy()
    out = x - x.max(dim, keepdims=True)
    xp.exp(out, out=out)
    out /= out.sum(dim, keepdims=True)
    return out


def _softmax_backward_forward(xp: Any, dy: Any, y: Any, *, dim: int) -> Any:
    out = dy * y
    total = out.sum(dim, keepdims=True)
    xp.subtract(dy, total, out=out)
    out *= y
    return out


_softmax_backward: Primitive = Primitive(
    "softmax_backward",
    _softmax_backward_forward,
    vjp={
        "dy": lambda g, y, dim: apply(_softmax_backward, g, y, dim=dim),
        "y": lambda g, dy, y, dim: (
            g * (dy - (dy * y).sum(dim, keepdim=True)) - dy * (g * y).sum(dim, keepdim=True)
        ),
    },
    low_precision=True,
    cuts=along("dim", first_sums=True),
    samples=_gradient_samples,
    doc="The gradient of softmax, from its output.",
)
_softmax: Primitive = Primitive(
    "softmax",
    _softmax_forward,
    vjp={"x": lambda g, out, dim: apply(_softmax_backward, g, out, dim=dim)},
    low_precision=True,
    cuts=along("dim"),
    samples=_samples,
    doc="Exponentials along a dimension, divided by their sum.",
)

# -- log_softmax: y = x - log(sum(exp(x))), gradient g - exp(y) * sum(g)


def _log_softmax_forward(xp: Any, x: Any, *, dim: int) -> Any:
    if x.size == 0:
        return x.copy()
    out = x - x.max(dim, keepdims=True)
    out -= xp.log(xp.exp(out).sum(dim, keepdims=True))
    return out


def _log_softmax_backward_forward(xp: Any, dy: Any, y: Any, *, dim: int) -> Any:
    out = xp.exp(y)
    out *= dy.sum(dim, keepdims=True)
    xp.subtract(dy, out, out=out)
    return out


_log_softmax_backward: Primitive = Primitive(
    "log_softmax_backward",
    _log_softmax_backward_forward,
    vjp={
        "dy": lambda g, y, dim: g - (g * exp(y)).sum(dim, keepdim=True),
        "y": lambda g, dy, y, dim: -g * exp(y) * dy.sum(dim, keepdim=True),
    },
    low_precision=True,
    cuts=along("dim", first_sums=True),
    samples=_gradient_samples,
    doc="The gradient of log_softmax, from its output.",
)
_log_softmax: Primitive = Primitive(
    "log_softmax",
    _log_softmax_forward,
    vjp={"x": lambda g, out, dim: apply(_log_softmax_backward, g, out, dim=dim)},
    low_precision=True,
    cuts=along("dim"),
    samples=_samples,
    doc="Logarithm of softmax.",
)


def _prepared(name: str, input: Tensor, dim: int | None, dtype: DType | None) -> tuple[Tensor, int]:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(input).__name__}")
    x = input if dtype is None else input.to(dtype)
    if x.dtype.category != 2:
        raise NotImplementedError(
            f"{name}: expected a floating tensor, got {x.dtype}; pass dtype= or convert it"
        )
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    return x, wrap_dim(dim, x.ndim, name)


def _along(record: Primitive, x: Tensor, dim: int) -> Tensor:
    if x.ndim == 0:
        return apply(record, x.reshape(1), dim=0).reshape(())
    return apply(record, x, dim=dim)


@public("special_softmax", out=True)
def softmax(input: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """``exp(input) / sum(exp(input))`` along ``dim``: positive numbers that sum to 1.

    Args:
        dtype: converted to this first.
    """
    return _along(_softmax, *_prepared("softmax", input, dim, dtype))


@public("special_log_softmax", out=True)
def log_softmax(input: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """``log(softmax(input))`` along ``dim``, without overflow.

    Args:
        dtype: converted to this first.
    """
    return _along(_log_softmax, *_prepared("log_softmax", input, dim, dtype))


# -- attention


def _attention_softmax_forward(xp: Any, x: Any, mask: Any, *, scale: float, causal: bool) -> Any:
    out = x * x.dtype.type(scale)  # (..., L, S)
    if mask is not None:
        if mask.dtype == bool:
            out = xp.where(mask, out, -xp.inf).astype(x.dtype, copy=False)
        else:
            out += mask
    if causal:
        rows, columns = x.shape[-2:]
        out[..., xp.arange(columns) > xp.arange(rows)[:, None]] = -xp.inf
    if out.size == 0:
        return out
    top = out.max(-1, keepdims=True)
    if mask is not None:
        top[top == -xp.inf] = 0  # rows with nothing to attend to
    out -= top
    xp.exp(out, out=out)
    total = out.sum(-1, keepdims=True)
    if mask is not None:
        total[total == 0] = 1
    out /= total
    return out


def _attention_cuts(params: Any, x: Any, mask: Any) -> list[Cut]:
    rank = len(x)
    cuts = []
    for d in range(rank - 2 if params["causal"] else rank - 1):
        at = d - rank + len(mask)
        cuts.append(Cut((d, at if at >= 0 and mask[at] == x[d] else None), (d,)))
    return cuts


_attention_softmax: Primitive = Primitive(
    "attention_softmax",
    _attention_softmax_forward,
    vjp={
        "x": lambda g, out, scale: apply(_softmax_backward, g, out, dim=-1) * scale,
        "mask": lambda g, out: apply(_softmax_backward, g, out, dim=-1),
    },
    low_precision=True,
    cuts=_attention_cuts,
    samples=lambda make: [
        ((make(2, 3, 4), make(3, 4)), {"scale": 0.5, "causal": False}),
        ((make(2, 3, 4), make(3, 4) > -1.5), {"scale": 1.0, "causal": False}),
        ((make(2, 4, 4), None), {"scale": 0.5, "causal": True}),
    ],
    doc="Softmax of scaled scores over the last dimension, masked.",
)


def attention_softmax(scores: Tensor, mask: Tensor | None, scale: float, causal: bool) -> Tensor:
    """``softmax(scores * scale + mask)`` over the last dimension.

    Args:
        scores: (..., L, S)
        mask: broadcasts to the scores: added, or bool with True where to attend. A row with nothing
            to attend to becomes 0.
        causal: row i attends to columns 0 .. i.
    """
    return apply(_attention_softmax, scores, mask, scale=scale, causal=causal)
