"""Reductions and normalizations of the elements that a mask selects; made of primitives.

Each puts, in the place of the masked-out elements, the value that changes nothing (0 in a sum, -inf
in a maximum) and then does what the plain function does. ``mask`` broadcasts to the input and is
True where an element counts; without it all do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.dtypes import get_default_dtype
from isograd.tensor.primitives import cumulative, extremes, reduction
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.norms import linalg_vector_norm
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.softmax import log_softmax, softmax
from isograd.tensor.primitives.sorting import nanmedian
from isograd.tensor.primitives.transcendental import logaddexp
from isograd.tensor.primitives.variance import safe_sqrt
from isograd.tensor.public import public

__all__: list[str] = []

Dims = Any  # None, an int, or a sequence of ints


def _least(x: Tensor) -> Any:
    """What no element is below."""
    return -math.inf if x.dtype.category > 1 else int(np.iinfo(x._array.dtype).min)


def _most(x: Tensor) -> Any:
    return math.inf if x.dtype.category > 1 else int(np.iinfo(x._array.dtype).max)


def _prepared(input: Tensor, mask: Tensor | None, dtype: DType | None, fill: Any) -> Tensor:
    """The input in ``dtype`` with ``fill`` (a number, or a function of the tensor) where masked."""
    x = input if dtype is None or dtype is input.dtype else input.to(dtype)
    if mask is None:
        return x
    if mask.dtype.category:
        raise TypeError(f"masked: mask must be a bool tensor, got {mask.dtype}")
    value = fill(x) if callable(fill) else fill
    return where(mask, x, x.new_full((), value))


def _reduction(name: str, fn: Callable[..., Any], fill: Any, whole: bool = False) -> None:
    def function(
        input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        if whole and dtype is None and input.dtype.category < 2:
            dtype = input.sum(0).dtype if input.ndim else input.sum().dtype  # int64
        x = _prepared(input, mask, dtype, fill)
        out: Tensor = fn(x, () if dim is None else dim, keepdim)
        return out

    function.__name__ = f"masked_{name}"
    function.__doc__ = f"`{name}` of the elements that ``mask`` selects, over ``dim`` or all."
    public(method=False)(function)


_reduction("sum", reduction.sum, 0, whole=True)
_reduction("prod", cumulative.prod, 1, whole=True)
_reduction("amax", extremes.amax, _least)
_reduction("amin", extremes.amin, _most)
_reduction("logsumexp", reduction.logsumexp, _least)


def _position(name: str, fn: Callable[..., Any], fill: Any) -> None:
    def function(
        input: Tensor, dim: int | None = None, *, keepdim: bool = False,
        dtype: DType | None = None, mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        x = _prepared(input, mask, dtype, fill)
        return fn(x, dim, keepdim).to(x.dtype)

    function.__name__ = f"masked_{name}"
    function.__doc__ = f"`{name}` among the elements that ``mask`` selects, in the input's dtype."
    public(method=False)(function)


_position("argmax", extremes.argmax, _least)
_position("argmin", extremes.argmin, _most)


def _running(name: str, fn: Callable[..., Any], fill: int) -> None:
    def function(
        input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
    ) -> Tensor:
        out: Tensor = fn(_prepared(input, mask, dtype, fill), dim)
        return out

    function.__name__ = f"masked_{name}"
    function.__doc__ = f"`{name}` of the elements that ``mask`` selects."
    public(method=False)(function)


_running("cumsum", cumulative.cumsum, 0)
_running("cumprod", cumulative.cumprod, 1)


def _soft(name: str, fn: Callable[..., Any], sign: int) -> None:
    def function(
        input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
    ) -> Tensor:
        x = _prepared(input, mask, dtype, -sign * math.inf)
        out: Tensor = fn(x if sign > 0 else -x, dim)
        return out

    function.__name__ = f"masked_{name}"
    function.__doc__ = f"`{name}` over the elements that ``mask`` selects; nan where none is."
    public(method=False)(function)


_soft("softmax", softmax, 1)
_soft("log_softmax", log_softmax, 1)
_soft("softmin", softmax, -1)


def _counts(x: Tensor, dim: Dims, mask: Tensor | None) -> Tensor:
    """How many elements count, with the reduced dimensions kept."""
    chosen = x.new_ones(x.shape) if mask is None else mask.expand(x.shape).to(x.dtype)
    return reduction.sum(chosen.real if chosen.is_complex() else chosen, dim, True)


@public(method=False)
def masked_mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`mean` of the elements that ``mask`` selects; nan where none is.

    Raises:
        ValueError: for integers.
    """
    x = _prepared(input, mask, dtype, 0)
    if x.dtype.category < 2:
        raise ValueError(
            "mean(): Could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype, got {x.dtype}"
        )
    over = () if dim is None else dim
    out = reduction.sum(x, over, True) / _counts(x, over, mask)
    return out if keepdim else out.squeeze(reduction.dims_of(over, x.ndim, "mean"))


@public(method=False)
def masked_var(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: Any = None,
    keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`var` of the elements that ``mask`` selects; divides by ``count - correction``."""
    if unbiased is not None and correction is not None:
        raise ValueError("var(): unbiased and correction cannot both be given")
    less = correction if correction is not None else 1 if unbiased is None else int(unbiased)
    if dtype is None and input.dtype.category < 2:
        dtype = get_default_dtype()
    x = _prepared(input, mask, dtype, 0)
    over = () if dim is None else dim
    counts = _counts(x, over, mask)
    off = x - reduction.sum(x, over, True) / counts
    if mask is not None:
        off = where(mask, off, off.new_zeros(()))
    squares = (off * conj(off)).real if x.is_complex() else off * off
    out = reduction.sum(squares, over, True) / (counts - less).clamp(min=0)
    return out if keepdim else out.squeeze(reduction.dims_of(over, x.ndim, "var"))


@public(method=False)
def masked_std(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: Any = None,
    keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`std` of the elements that ``mask`` selects."""
    variance = masked_var(
        input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask
    )
    return safe_sqrt(variance)


@public(method=False)
def masked_median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The (lower) `median` along ``dim`` of the elements that ``mask`` selects.

    Raises:
        ValueError: for integers where a row is masked out altogether.
    """
    x = input if dtype is None else input.to(dtype)
    wide = x if x.dtype.category > 1 else x.double()
    chosen = _prepared(wide, mask, None, math.nan)
    out: Tensor = nanmedian(chosen, dim, keepdim).values
    if x.dtype.category > 1:
        return out
    if bool(out.isnan().any()):
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating")
    return out.to(x.dtype)


@public(method=False)
def masked_norm(
    input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool = False,
    dtype: DType | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`linalg.vector_norm` of the elements that ``mask`` selects."""
    p = 2.0 if ord is None else float(ord)
    x = _prepared(input, mask, dtype, math.inf if p < 0 else 0)
    return linalg_vector_norm(x, p, () if dim is None else dim, keepdim)


@public(method=False)
def masked_normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The elements that ``mask`` selects divided by their norm along ``dim`` (at least ``eps``)."""
    x = _prepared(input, mask, dtype, 0)
    return x / masked_norm(x, ord, dim, keepdim=True, mask=mask).clamp(min=eps)


@public(method=False)
def masked_logaddexp(
    input: Tensor, other: Tensor, *, dtype: DType | None = None, input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`logaddexp` that leaves out what the masks do not select."""
    first = _prepared(input, input_mask, dtype, -math.inf)
    return logaddexp(first, _prepared(other, other_mask, dtype, -math.inf))
