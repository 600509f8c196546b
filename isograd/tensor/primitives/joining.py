"""Joining tensors along dimensions they have, or new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.parts import split
from isograd.tensor.primitives.views import reshape, unsqueeze, wrap_dim
from isograd.tensor.promotion import result_dtype
from isograd.tensor.public import public

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "cat",
    "column_stack",
    "dstack",
    "hstack",
    "stack",
    "unstack",
    "vstack",
]


_cat = Primitive(
    "cat",
    lambda xp, *xs, dim: xp.concatenate(xs, axis=dim),
    vjp_all=lambda g, xs_shapes, dim: split(g, [s[dim] for s in xs_shapes], dim),
    cuts=lambda params, *xs: [
        *(Cut((d,) * len(xs), (d,)) for d in range(len(xs[0])) if d != params["dim"]),
        Cut(("sum",) * len(xs), ("sum",)),
    ],
    samples=lambda make: [((make(2, 3), make(4, 3)), {"dim": 0})],
    doc="Tensors joined along a dimension.",
)


def _unstacked(xp: Any, x: Any, *, dim: int) -> tuple[Any, ...]:
    return tuple(x if dim == 0 else xp.moveaxis(x, dim, 0))


def _restacked(gs: Any, x_shape: Any, dim: int) -> tuple[Tensor]:
    gs = (gs,) if isinstance(gs, Tensor) else gs  # of a single output
    like = next(g for g in gs if g is not None)
    parts = [like.new_zeros(like.shape) if g is None else g for g in gs]
    return (apply(_stack, *parts, dim=dim),)


def _stack_cuts(params: Any, *xs: Any) -> list[Cut]:
    dim = params["dim"]
    cuts = [Cut((d,) * len(xs), (d + (d >= dim),)) for d in range(len(xs[0]))]
    return [*cuts, Cut(("sum",) * len(xs), ("sum",))]


def _unstack_cuts(params: Any, x: Any) -> list[Cut]:
    dim, n = params["dim"], x[params["dim"]]
    cuts = [Cut((d,), (d - (d > dim),) * n) for d in range(len(x)) if d != dim]
    return [*cuts, Cut(("sum",), ("sum",) * n)]


_stack: Primitive = Primitive(
    "stack",
    lambda xp, *xs, dim: xp.stack(xs, axis=dim),
    vjp_all=lambda g, dim: apply(_unstack, g, dim=dim),
    cuts=_stack_cuts,
    samples=lambda make: [((make(2, 3), make(2, 3)), {"dim": 0}), ((make(2), make(2)), {"dim": 1})],
    doc="Tensors of one shape joined along a new dimension.",
)
_unstack: Primitive = Primitive(
    "unstack",
    _unstacked,
    vjp_all=_restacked,
    outputs=0,
    cuts=_unstack_cuts,
    samples=lambda make: [((make(3, 2),), {"dim": 0}), ((make(3, 2),), {"dim": 1})],
    doc="All slices along a dimension; their gradients are joined instead of added as padded ones.",
)


def unstack(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along ``dim``, not to be written to; a view each."""
    return apply(_unstack, x, dim=dim)


@public("concat", "concatenate", method=False, out="strict")
def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Join tensors along a dimension they have; other lengths must agree.

    Raises:
        RuntimeError: if they do not.
    """
    if isinstance(tensors, Tensor):
        raise TypeError(
            "cat(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor"
        )
    listed = list(tensors)
    dim = dim if axis is None else axis
    if not listed:
        raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
    for i, x in enumerate(listed):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}"
            )
    kept = [x for x in listed if x._array.shape != (0,)] or listed[:1]
    ndim = kept[0].ndim
    if ndim == 0:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    dim = wrap_dim(dim, ndim, "cat")
    first = kept[0]._array.shape
    for i, x in enumerate(kept):
        s = x._array.shape
        if len(s) != ndim or s[:dim] != first[:dim] or s[dim + 1 :] != first[dim + 1 :]:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected size "
                f"{list(first)} but got size {list(s)} for tensor number {i} in the list."
            )
    common = result_dtype([x._array for x in listed])
    return apply(_cat, *[x if x.dtype is common else x.to(common) for x in kept], dim=dim)


@public(method=False, out=True)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dimension.

    Raises:
        RuntimeError: if shapes differ.
    """
    listed = list(tensors)
    if not listed:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = listed[0].shape
    for i, x in enumerate(listed):
        if x.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(x.shape)} at entry {i}"
            )
    dim = wrap_dim(dim, len(shape) + 1, "stack")
    if any(x.dtype is not listed[0].dtype for x in listed):
        return cat([unsqueeze(x, dim) for x in listed], dim)
    return apply(_stack, *listed, dim=dim)


def _at_least(n: int) -> Any:
    def one(x: Tensor) -> Tensor:
        if n == 3 and x.ndim == 2:
            return unsqueeze(x, -1)
        while x.ndim < n:
            x = unsqueeze(x, 0 if n < 3 or x.ndim != 2 else -1)
        return x

    def function(*tensors: Any) -> Any:
        if len(tensors) == 1:
            only = tensors[0]
            return one(only) if isinstance(only, Tensor) else tuple(one(x) for x in only)
        return tuple(one(x) for x in tensors)

    function.__name__ = f"atleast_{n}d"
    function.__doc__ = f"Tensors with at least {n} dimensions."
    return public()(function)


atleast_1d, atleast_2d, atleast_3d = _at_least(1), _at_least(2), _at_least(3)


@public(method=False, out=True)
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the second dimension (the first, of vectors)."""
    listed = atleast_1d(list(tensors))
    return cat(listed, 0 if listed[0].ndim == 1 else 1)


@public("row_stack", method=False, out=True)
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the first dimension, vectors as rows."""
    return cat(atleast_2d(list(tensors)), 0)


@public(method=False, out=True)
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the third dimension."""
    return cat(atleast_3d(list(tensors)), 2)


@public(method=False, out=True)
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the second dimension, vectors as columns."""
    return hstack([reshape(x, x.numel(), 1) if x.ndim <= 1 else x for x in tensors])
