"""Maxima and minima over dimensions, and where they are. Equal extremes share the gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import reduction
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.reduction import (
    Dims,
    dims_of,
    keep_shape,
    sum,
    two_samples,
)
from isograd.tensor.primitives.selection import maximum, minimum
from isograd.tensor.primitives.shape import reshape, wrap_dim
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result

__all__ = ["amax", "amin", "argmax", "argmin", "max", "min"]


def _extreme_vjp(g: Tensor, out: Tensor, x: Tensor, dims: Any, keepdim: bool) -> Tensor:
    """Equal extremes share the gradient."""
    if not keepdim:
        kept = keep_shape(x.shape, dims)
        g, out = reshape(g, kept), reshape(out, kept)
    hit = (x == out) | (x.isnan() & out.isnan())
    hit = hit.to(g.dtype)
    return g * hit / sum(hit, dims, True) if dims else g * hit


def _empty_check(name: str, x: Tensor, dims: tuple[int, ...]) -> None:
    for d in dims:
        if x._array.shape[d] == 0:
            raise IndexError(
                f"{name}(): Expected reduction dim {d} to have non-zero size. Specify the dim that "
                "has values"
            )


_amax = Primitive(
    "amax",
    lambda xp, x, *, dims, keepdim: xp.max(x, axis=dims, keepdims=keepdim),
    vjp={"x": _extreme_vjp},
    low_precision=True,
    samples=two_samples,
    cuts=reduction("max"),
    doc="Maximum over dimensions.",
)
_amin = Primitive(
    "amin",
    lambda xp, x, *, dims, keepdim: xp.min(x, axis=dims, keepdims=keepdim),
    vjp={"x": _extreme_vjp},
    low_precision=True,
    samples=two_samples,
    cuts=reduction("min"),
    doc="Minimum over dimensions.",
)


@public(out=True)
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Maximum over ``dim``; equal maxima share the gradient."""
    dims = dims_of(dim, input.ndim, "amax")
    _empty_check("amax", input, dims)
    return apply(_amax, input, dims=dims, keepdim=keepdim)


@public(out=True)
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Minimum over ``dim``; equal minima share the gradient."""
    dims = dims_of(dim, input.ndim, "amin")
    _empty_check("amin", input, dims)
    return apply(_amin, input, dims=dims, keepdim=keepdim)


@public(out="strict")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Both extremes, as ``(min, max)``."""
    dims = () if dim is None else dim
    return named_result("aminmax", ("min", "max"),
                        (amin(input, dims, keepdim), amax(input, dims, keepdim)))  # fmt: skip


def _arg_forward(which: str) -> Callable[..., Any]:
    def forward(xp: Any, x: Any, *, dim: Any, keepdim: bool) -> Any:
        if x.dtype.kind == "b":
            x = x.astype(np.uint8)
        found = getattr(xp, which)(
            x.reshape(-1) if dim is None else x, axis=0 if dim is None else dim
        )
        found = xp.asarray(found, dtype=np.int64)
        if keepdim:
            found = xp.expand_dims(found, dim) if dim is not None else found.reshape((1,) * x.ndim)
        return found

    return forward


def _arg_samples(make: Any) -> Any:
    rows = ((1, False), (0, True), (None, False))
    return [((make(3, 4),), {"dim": dim, "keepdim": keepdim}) for dim, keepdim in rows]


_argmax = Primitive(
    "argmax", _arg_forward("argmax"), nondifferentiable=True, low_precision=True,
    samples=_arg_samples, cuts=reduction(None, "dim"), doc="Index of the first maximum.",
)  # fmt: skip
_argmin = Primitive(
    "argmin", _arg_forward("argmin"), nondifferentiable=True, low_precision=True,
    samples=_arg_samples, cuts=reduction(None, "dim"), doc="Index of the first minimum.",
)  # fmt: skip


def _arg(record: Primitive, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if input.numel() == 0 and (dim is None or input._array.shape[dim] == 0):
        raise IndexError(
            f"{record.name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    if dim is not None:
        dim = wrap_dim(dim, input.ndim, record.name) if input.ndim else None
    return apply(record, input, dim=dim, keepdim=keepdim)


@public(out=True)
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first maximum, of the flattened tensor or along ``dim``."""
    return _arg(_argmax, input, dim, keepdim)


@public(out=True)
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first minimum, of the flattened tensor or along ``dim``."""
    return _arg(_argmin, input, dim, keepdim)


def _along(name: str, record: Primitive, input: Tensor, dim: int, keepdim: bool) -> Any:
    """The extreme along one dimension with its index; the gradient goes to that index alone."""
    dim = wrap_dim(dim, input.ndim, name)
    if input.ndim and input._array.shape[dim] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
    if input.ndim == 0:
        index = wrap(backend_of(input._array).xp.zeros((), np.int64))
        return named_result(name, ("values", "indices"), (input.clone(), index))
    index = apply(record, input, dim=dim, keepdim=True)
    values = input.gather(dim, index)
    if not keepdim:
        values, index = values.squeeze(dim), index.squeeze(dim)
    return named_result(name, ("values", "indices"), (values, index))


def _extreme(name: str, whole: Any, arg: Primitive, pair: Any) -> Any:
    def function(
        input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None
    ) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not "
                f"{type(input).__name__}"
            )
        if isinstance(dim, Tensor) or other is not None:
            return pair(input, dim if other is None else other)
        if dim is None:
            if input.numel() == 0:
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                    "Specify the reduction dim with the 'dim' argument."
                )
            return whole(input)
        return _along(name, arg, input, dim, keepdim)

    function.__name__ = name
    function.__doc__ = (
        f"``{name}(x)``, ``{name}(x, dim)`` with the indices, or ``{name}(x, other)`` elementwise."
    )
    return public(out=True)(function)


max = _extreme("max", amax, _argmax, maximum)
min = _extreme("min", amin, _argmin, minimum)
