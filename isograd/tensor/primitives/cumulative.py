"""Running sums, products and extremes along a dimension, and the product over dimensions.

The product is here because its gradient is made of running products from both ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import along, reduction
from isograd.tensor.door import apply
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.extremes import amax
from isograd.tensor.primitives.reduction import (
    accumulated,
    dims_of,
    keep_shape,
    sum,
    two_samples,
)
from isograd.tensor.primitives.shape import cat, flip, reshape, wrap_dim
from isograd.tensor.primitives.transcendental import exp
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result
from isograd.tensor.scan import running

__all__ = ["cumprod", "cumsum", "logcumsumexp", "prod"]


def _prod_vjp(g: Tensor, x: Tensor, dims: Any, keepdim: bool) -> Tensor:
    """Product of all others: exclusive running products from both ends."""
    if 0 in x.shape:
        return x * 0
    if not keepdim:
        g = reshape(g, keep_shape(x.shape, dims))
    rest = [d for d in range(x.ndim) if d not in dims]
    order = (*rest, *dims)
    moved = x.permute(order)
    flat = reshape(moved, (*moved.shape[: len(rest)], -1))
    ones = flat.new_ones((*flat.shape[:-1], 1))
    before = cumprod(cat([ones, flat.narrow(-1, 0, flat.shape[-1] - 1)], -1), -1)
    turned = flip(flat, -1)
    after = flip(cumprod(cat([ones, turned.narrow(-1, 0, flat.shape[-1] - 1)], -1), -1), -1)
    others = reshape(before * after, moved.shape)
    back = [0] * x.ndim
    for i, d in enumerate(order):
        back[d] = i
    return g * conj(others.permute(back))


_prod = Primitive(
    "prod",
    lambda xp, x, *, dims, keepdim: xp.prod(x, axis=dims, keepdims=keepdim),
    vjp={"x": _prod_vjp},
    low_precision=True,
    samples=two_samples,
    cuts=reduction("product"),
    doc="Product over dimensions.",
)


@public(out=True)
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Product of all elements, or along ``dim``; integers multiply as int64."""
    x = accumulated(input, dtype)
    return apply(_prod, x, dims=dims_of(dim, x.ndim, "prod"), keepdim=keepdim)


# -- running reductions

_cumsum: Primitive = Primitive(
    "cumsum",
    lambda xp, x, *, dim: xp.cumsum(x, axis=dim, dtype=x.dtype),
    vjp={"x": lambda g, dim: flip(apply(_cumsum, flip(g, dim), dim=dim), dim)},
    low_precision=True,
    cuts=along("dim", sums=True),
    samples=lambda make: [((make(3, 4),), {"dim": 1})],
    doc="Running sum.",
)


@public(inplace=True, out=True)
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running sum along ``dim``; integers are summed as int64."""
    x = accumulated(input, dtype)
    dim = wrap_dim(dim, x.ndim, "cumsum")
    return apply(_cumsum, x, dim=dim) if x.ndim else x.clone()


def _cumprod_vjp(g: Tensor, out: Tensor, x: Tensor, dim: int) -> Tensor:
    """sum over j >= i of g_j * prod_{k <= j, k != i} x_k; through zeros without dividing."""
    if not bool((x == 0).any()):
        return flip(cumsum(flip(g * conj(out), dim), dim), dim) / conj(x)
    n = x.shape[dim]
    parts = []
    for i in range(n):
        ones = x.narrow(dim, 0, 1) * 0 + 1
        tail = cat([ones, x.narrow(dim, i + 1, n - i - 1)], dim)
        reach = cumprod(tail, dim)
        if i:
            reach = reach * out.narrow(dim, i - 1, 1)
        parts.append(sum(g.narrow(dim, i, n - i) * conj(reach), dim, True))
    return cat(parts, dim)


_cumprod = Primitive(
    "cumprod",
    lambda xp, x, *, dim: xp.cumprod(x, axis=dim, dtype=x.dtype),
    vjp={"x": _cumprod_vjp},
    low_precision=True,
    cuts=along("dim"),
    samples=lambda make: [((make(3, 4, low=0.5, high=2.0),), {"dim": 1})],
    doc="Running product.",
)


@public(inplace=True, out=True)
def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running product along ``dim``; integers multiply as int64."""
    x = accumulated(input, dtype)
    dim = wrap_dim(dim, x.ndim, "cumprod")
    return apply(_cumprod, x, dim=dim) if x.ndim else x.clone()


def _running(name: str, larger: bool) -> Any:
    def forward(xp: Any, x: Any, *, dim: int) -> Any:
        if x.dtype.kind == "b":
            x = x.astype(np.uint8)
        best = running(xp, "maximum" if larger else "minimum", x, dim)
        hit = (x == best) | ((x != x) & (best != best))
        places = xp.arange(x.shape[dim]).reshape([-1 if d == dim else 1 for d in range(x.ndim)])
        return running(xp, "maximum", xp.where(hit, places, 0), dim).astype(np.int64)

    record = Primitive(
        f"{name}_index", forward, nondifferentiable=True, low_precision=True, cuts=along("dim"),
        samples=lambda make: [((make(3, 4),), {"dim": 1})],
        doc="Index of the running extreme, the latest of equals.",
    )  # fmt: skip

    def function(input: Tensor, dim: int) -> Any:
        dim = wrap_dim(dim, input.ndim, name)
        if input.ndim == 0:
            index = wrap(backend_of(input._array).xp.zeros((), np.int64))
            return named_result(name, ("values", "indices"), (input.clone(), index))
        index = apply(record, input, dim=dim)
        return named_result(name, ("values", "indices"), (input.gather(dim, index), index))

    function.__name__ = name
    function.__doc__ = f"Running {'maximum' if larger else 'minimum'} along ``dim`` and its index."
    return public(out=True)(function)


cummax, cummin = _running("cummax", True), _running("cummin", False)


def _logcumsumexp_forward(xp: Any, x: Any, *, dim: int) -> Any:
    return running(xp, "logaddexp", x, dim)


_logcumsumexp = Primitive(
    "logcumsumexp",
    _logcumsumexp_forward,
    vjp={"x": lambda g, out, x, dim: _logcumsumexp_vjp(g, out, x, dim)},
    low_precision=True,
    cuts=along("dim"),
    samples=lambda make: [((make(3, 4),), {"dim": 1})],
    doc="Running logarithm of a sum of exponentials.",
)


def _logcumsumexp_vjp(g: Tensor, out: Tensor, x: Tensor, dim: int) -> Tensor:
    top = amax(out, dim, True).detach()
    return flip(cumsum(flip(g * exp(top - out), dim), dim), dim) * exp(x - top)


@public(out=True)
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Running ``log(sum(exp(input)))`` along ``dim``."""
    dim = wrap_dim(dim, input.ndim, "logcumsumexp")
    return apply(_logcumsumexp, input, dim=dim) if input.ndim else input.clone()
