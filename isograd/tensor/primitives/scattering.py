"""Write or reduce elements by index tensors: scatter, index_add, put, and their kin.

The sums, maxima and products are taken in the order of the index, so equal inputs give equal bits
on every device (see `accumulate`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from isograd.tensor.accumulate import accumulate_along, check_bounds, places_in
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.dtypes import bool_
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.gathering import (
    check_flat_index,
    check_index,
    check_vector,
    gather,
)
from isograd.tensor.primitives.indexing import put as put_picked
from isograd.tensor.primitives.shape import wrap_dim
from isograd.tensor.primitives.subscript import fill_value, getitem
from isograd.tensor.public import public

__all__ = [
    "index_add", "index_copy", "index_fill", "index_reduce", "put", "scatter",
    "scatter_add", "scatter_reduce",
]  # fmt: skip

# -- along one dimension


def _scatter_forward(xp: Any, x: Any, index: Any, src: Any, *, dim: int) -> Any:
    out = x.copy(order="C")
    flat = out.reshape(-1)
    flat[places_in(xp, x.shape, index, dim)] = src.reshape(-1) if src.ndim else src
    return out


def _scatter_add_forward(xp: Any, x: Any, index: Any, src: Any, *, dim: int) -> Any:
    out = x.copy(order="C")
    accumulate_along(xp, out, index, src, dim)
    return out


def _scatter_reduce_forward(xp: Any, x: Any, index: Any, src: Any, *, dim: int, reduce: str) -> Any:
    out = x.copy(order="C")
    accumulate_along(xp, out, index, src, dim, reduce)
    return out


def _scatter_cuts(params: Any, x: Any, index: Any, src: Any) -> Iterable[Cut]:
    """The dimensions that the index runs through as the input does."""
    if len(x) == len(index):
        for d, n in enumerate(index):
            if d != params["dim"] and n == x[d]:
                yield Cut((d, d, d if src else None), (d,))


def _scatter_sum_cuts(params: Any, x: Any, index: Any, src: Any) -> Iterable[Cut]:
    """As well parts of a sum in both, of which those of ``src`` may stand at different places."""
    yield from _scatter_cuts(params, x, index, src)
    yield Cut(("sum", None, "sum"), ("sum",))
    if len(x) == len(index) == len(src):
        yield Cut(("sum", params["dim"], params["dim"]), ("sum",), empties=True)


def _scatter_samples(make: Any) -> Any:
    return [
        ((make(3, 4), np.array([[0, 2, 1], [1, 1, 0]]), make(2, 3)), {"dim": 1}),
        ((make(3, 4), np.array([[0, 2, 1]]), make(1, 3)), {"dim": 0}),
        ((make(2, 4), np.array([[0, 2, 1], [1, 1, 0]]), make(2, 3)), {"dim": 1}),
    ]


def _distinct_samples(make: Any) -> Any:
    return [
        ((make(3, 4), np.array([[0, 2, 1], [1, 3, 0]]), make(2, 3)), {"dim": 1}),
        ((make(2, 4), np.array([[0, 2, 1], [1, 3, 0]]), make(2, 3)), {"dim": 1}),
    ]


def _reduce_samples(make: Any) -> Any:
    index = np.array([[0, 2, 2], [1, 1, 0]])
    return [
        ((make(rows, 4), index, make(2, 3)), {"dim": 1, "reduce": how})
        for how in ("prod", "amax", "amin")
        for rows in (3, 2)
    ]


_scatter: Primitive = Primitive(
    "scatter",
    _scatter_forward,
    vjp={
        "x": lambda g, index, dim: apply(_scatter, g, index, g.new_zeros(()), dim=dim),
        "src": lambda g, index, dim: gather(g, dim, index),
    },
    samples=_distinct_samples,
    cuts=_scatter_cuts,
    doc="A copy with ``src`` written at ``index`` along one dimension.",
)
_scatter_add = Primitive(
    "scatter_add",
    _scatter_add_forward,
    vjp={"x": lambda g: g, "src": lambda g, index, dim: gather(g, dim, index)},
    low_precision=True,
    samples=_scatter_samples,
    cuts=_scatter_sum_cuts,
    doc="A copy with ``src`` added at ``index`` along one dimension.",
)


def _scatter_reduce_vjp(
    g: Tensor, out: Tensor, x: Tensor, index: Tensor, src: Tensor, dim: int, reduce: str
) -> Any:
    if reduce == "prod":
        return (*_prod_vjp(g, x, index, src, dim), None)
    kept, won = x.eq(out), src.eq(gather(out, dim, index))
    kept, won = kept.to(g.dtype), won.to(g.dtype)
    share = g / apply(_scatter_add, kept, index, won, dim=dim).detach()
    return share * kept, None, gather(share, dim, index) * won


def _prod_vjp(g: Tensor, x: Tensor, index: Tensor, src: Tensor, dim: int) -> Any:
    """Each factor's gradient is the product of the others, also where one of them is 0."""

    def product(base: Tensor, by: Tensor) -> Tensor:
        made: Tensor = apply(_scatter_reduce, base, index, by, dim=dim, reduce="prod")
        return made

    zero = src.eq(0)
    zeros = apply(_scatter_add, x.new_zeros(x.shape), index, zero.to(x.dtype), dim=dim)
    alone = (gather(zeros, dim, index) - zero.to(x.dtype)).eq(0)  # no other factor is 0
    safe = src.masked_fill(zero, 1)
    others = gather(product(x, safe), dim, index) / safe * alone
    return g * conj(product(x.new_ones(x.shape), src)), None, gather(g, dim, index) * conj(others)


_scatter_reduce = Primitive(
    "scatter_reduce",
    _scatter_reduce_forward,
    vjp_all=lambda g, out, x, index, src, dim, reduce: _scatter_reduce_vjp(
        g, out, x, index, src, dim, reduce
    )[:3],
    low_precision=True,
    samples=_reduce_samples,
    cuts=_scatter_cuts,
    doc="A copy multiplied by, or compared with, ``src`` at ``index`` along one dimension.",
)


def _prepared(name: str, input: Tensor, dim: int, index: Tensor, src: Tensor) -> tuple[int, Tensor]:
    """The dimension, and the part of ``src`` that the index covers.

    Raises:
        RuntimeError: for a wrong dtype or shape.
    """
    dim = wrap_dim(dim, input.ndim, name)
    if index.numel():
        check_index(name, index)
    if src.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype, got {input.dtype} and "
            f"{src.dtype}"
        )
    _check_shapes(input, dim, index, src)
    if src.shape != index.shape and src.ndim:
        src = getitem(src, tuple(slice(0, n) for n in index.shape) or 0)
    return dim, src.reshape(index.shape) if src.shape != index.shape else src


def _check_shapes(input: Tensor, dim: int, index: Tensor, src: Tensor | None) -> None:
    if index.numel() == 0:
        return
    ranks = {max(1, t.ndim) for t in (input, index, src) if t is not None}
    if len(ranks) > 1:
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as self tensor"
            if max(1, index.ndim) != max(1, input.ndim)
            else "Index tensor must have the same number of dimensions as src tensor"
        )
    for d, n in enumerate(index.shape):
        small = d != dim and input.ndim and n > input.shape[d]
        if small or (src is not None and src.ndim and n > src.shape[d]):
            beyond = "" if src is None else f" and no larger than src {list(src.shape)}"
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self "
                f"{list(input.shape)} apart from dimension {dim}{beyond}"
            )


@public(inplace=True, out=True)
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """``out[index[i][j]][j] = src[i][j]`` for ``dim`` 0, and so on; ``src`` may be a number.

    Args:
        reduce: ``"add"`` or ``"multiply"``: combine with what is there instead of replacing it.

    Raises:
        RuntimeError: for a wrong dtype or shape, or an index out of bounds.
    """
    src = value if src is None else src
    if reduce is not None and reduce not in ("add", "multiply"):
        raise RuntimeError(f"reduce argument must be either add or multiply, got {reduce}")
    if not isinstance(src, Tensor):
        if src is None:
            raise TypeError("scatter: expected src or value")
        complaint = f"scatter: src must be a tensor or a number, got {type(src).__name__}"
        src = wrap(fill_value(input, src, complaint))
        dim = wrap_dim(dim, input.ndim, "scatter")
        if index.numel():
            check_index("scatter", index)
        _check_shapes(input, dim, index, None)
        if reduce is not None:
            src = src.expand(index.shape)
    else:
        dim, src = _prepared("scatter", input, dim, index, src)
    if index.numel() == 0:
        return input.clone()
    if reduce == "add":
        return apply(_scatter_add, input, index, src, dim=dim)
    if reduce == "multiply":
        return apply(_scatter_reduce, input, index, src, dim=dim, reduce="prod")
    return apply(_scatter, input, index, src, dim=dim)


@public(inplace=True, out=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """``out[index[i][j]][j] += src[i][j]`` for ``dim`` 0, and so on.

    Raises:
        RuntimeError: for a wrong dtype or shape, or an index out of bounds.
    """
    dim, src = _prepared("scatter", input, dim, index, src)
    if index.numel() == 0:
        return input.clone()
    return apply(_scatter_add, input, index, src, dim=dim)


_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@public(inplace=True, out=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Reduce ``src`` into ``input`` at ``index`` along ``dim``.

    Args:
        reduce: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the input's own elements take part where something is reduced.

    Raises:
        RuntimeError: for a wrong dtype or shape, or an index out of bounds.
    """
    if reduce not in _REDUCTIONS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    dim, src = _prepared("scatter_reduce", input, dim, index, src)
    if index.numel() == 0:
        return input.clone()
    return _reduced(input, dim, index, src, reduce, include_self)


def _reduced(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Tensor:
    base = input
    if not include_self:
        neutral = input.new_full((), _neutral(input, reduce))
        base = apply(_scatter, input, index, neutral, dim=dim)
    if reduce in ("prod", "amax", "amin"):
        return apply(_scatter_reduce, base, index, src, dim=dim, reduce=reduce)
    total: Tensor = apply(_scatter_add, base, index, src, dim=dim)
    if reduce == "sum":
        return total
    counts = input.new_full(input.shape, 1 if include_self else 0)
    counts = apply(_scatter_add, counts, index, input.new_ones(index.shape), dim=dim)
    if not include_self:
        counts = counts + counts.eq(0)  # untouched elements: divided by 1
    if input.dtype.category < 2:
        return total.div(counts, rounding_mode="floor")
    return total / counts


def _neutral(input: Tensor, reduce: str) -> Any:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    kind = input._array.dtype
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return int(limits.min if reduce == "amax" else limits.max)
    if kind == np.bool_:
        return reduce == "amin"
    return -np.inf if reduce == "amax" else np.inf


# -- whole slices


def _as_vectors(name: str, input: Tensor, dim: int, index: Tensor, source: Tensor) -> Any:
    """Inputs of at least one dimension, after the checks that index_add and its kin share."""
    dim = wrap_dim(dim, input.ndim, name)
    check_vector(name, index)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}_(): self ({input.dtype}) and source ({source.dtype}) must have the same "
            "scalar type"
        )
    index = index.reshape(-1)
    base = input if input.ndim else input.reshape(1)
    source = source if source.ndim else source.reshape(1)
    error = IndexError if name == "index_copy" else RuntimeError
    if source.ndim != base.ndim or source.shape[dim] != index.numel():
        raise error(
            f"{name}_(): Number of indices ({index.numel()}) should be equal to source.size(dim): "
            f"({list(source.shape)}), for dim: {dim}"
        )
    if source.shape[:dim] != base.shape[:dim] or source.shape[dim + 1 :] != base.shape[dim + 1 :]:
        raise error(
            f"{name}_(): source {list(source.shape)} and self {list(base.shape)} must have the "
            f"same sizes apart from dim {dim}"
        )
    xp_array = index._array
    if isinstance(xp_array, np.ndarray):
        check_bounds(np, xp_array, base.shape[dim], dim, error)
    return base, dim, index, source


@public(inplace=True, out=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Add ``alpha`` times the slices of ``source`` to those at ``index`` along ``dim``.

    Raises:
        RuntimeError: for a wrong dtype or shape, or an index out of bounds.
    """
    base, dim, index, source = _as_vectors("index_add", input, dim, index, source)
    if alpha != 1:
        source = source * alpha
    return put_picked(base, source, (index,), (dim,), True).reshape(input.shape)


@public(inplace=True, out=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices at ``index`` along ``dim`` replaced by those of ``source``.

    Raises:
        IndexError: for a wrong shape, or an index out of bounds.
        RuntimeError: for a wrong dtype.
    """
    base, dim, index, source = _as_vectors("index_copy", input, dim, index, source)
    return put_picked(base, source, (index,), (dim,)).reshape(input.shape)


@public(inplace=True, out=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with the slices at ``index`` along ``dim`` filled with a number.

    Raises:
        IndexError: if the index is no vector, or out of bounds.
        RuntimeError: if ``value`` is a tensor with dimensions.
    """
    dim = wrap_dim(dim, input.ndim, "index_fill")
    check_vector("index_fill", index)
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        value = value.to(input.dtype)
    else:
        complaint = f"index_fill: value must be a number, got {type(value).__name__}"
        value = wrap(fill_value(input, value, complaint))
    mask = input.new_zeros(input.shape[dim] if input.ndim else 1, dtype=bool_)
    mask = put_picked(mask, mask.new_ones((), dtype=bool_), (index.reshape(-1),), (0,))
    rest = input.ndim - dim - 1
    mask = mask.reshape((-1,) + (1,) * rest) if input.ndim else mask.reshape(())
    return input.masked_fill(mask, value)


@public(inplace=True, out=True)
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """Reduce the slices of ``source`` into those at ``index`` along ``dim``.

    Args:
        reduce: ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.

    Raises:
        RuntimeError: for another reduction, a wrong dtype or shape, or an index out of bounds.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    base, dim, index, source = _as_vectors("index_reduce", input, dim, index, source)
    if index.numel() == 0:
        return input.clone()
    wide = index.reshape((-1,) + (1,) * (base.ndim - dim - 1)).expand(source.shape)
    return _reduced(base, dim, wide, source, reduce, include_self).reshape(input.shape)


# -- the flat tensor


@public(inplace=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with ``source`` written, or added, at ``index`` of the flat input.

    Raises:
        IndexError: if the index is out of range, or has not as many elements as the source.
        RuntimeError: if the dtypes differ.
    """
    check_flat_index("put_", input, index)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype} and source.dtype = {source.dtype}"
        )
    if source.numel() != index.numel():
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    flat = put_picked(input.reshape(-1), source.reshape(-1), (index.reshape(-1),), (0,), accumulate)
    return flat.reshape(input.shape)
