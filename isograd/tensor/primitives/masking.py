"""Replace a part of a tensor: masked_fill, masked_scatter, and the ``*_scatter`` of views."""

from __future__ import annotations

from typing import Any

from isograd.tensor import dtypes
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.indexing import put
from isograd.tensor.primitives.shape import broadcast_shapes
from isograd.tensor.primitives.subscript import fill_value, getitem, setitem
from isograd.tensor.public import public

__all__ = [
    "diagonal_scatter", "masked_fill", "masked_scatter", "select_scatter", "slice_scatter",
]  # fmt: skip


_masked_fill: Primitive = Primitive(
    "masked_fill",
    lambda xp, x, mask, value: xp.where(mask, value, x),
    vjp={
        "x": lambda g, mask: apply(_masked_fill, g, mask, g.new_zeros(())),
        "value": lambda g, mask: apply(_masked_fill, g, ~mask, g.new_zeros(())),
    },
    cuts=elementwise(sums=[(0, 2)]),
    samples=lambda make: [
        ((make(3, 4), make(3, 4) > 0, make()), {}),
        ((make(3, 4), make(4) > 0, make()), {}),
    ],
    doc="A copy with one value where the mask holds; input and mask broadcast.",
)


@public(inplace=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """A copy with ``value`` where ``mask`` holds; the two tensors broadcast.

    Args:
        value: a number, or a tensor without dimensions (which may have a gradient).

    Raises:
        RuntimeError: if the mask is not bool, or the value has dimensions.
    """
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        if value.is_complex() and not input.is_complex():
            raise RuntimeError(f"value cannot be converted to type {input.dtype} without overflow")
        value = value.to(input.dtype)
    else:
        complaint = f"masked_fill: value must be a number or a tensor, got {type(value).__name__}"
        value = wrap(fill_value(input, value, complaint))
    return apply(_masked_fill, input, mask, value)


@public(inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy with the elements of ``source``, in order, where ``mask`` holds.

    Raises:
        RuntimeError: if the mask is not bool, the dtypes differ, or the source is too short.
    """
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} "
            f"and {source.dtype}"
        )
    common = broadcast_shapes(input.shape, mask.shape)
    wide, mask = input.expand(common), mask.expand(common)
    count = int(mask._array.sum())
    if source.numel() < count:
        raise RuntimeError(
            f"masked_scatter: Number of elements of source < number of ones in mask: "
            f"{source.numel()} < {count}"
        )
    values = getitem(source.reshape(-1), slice(0, count))
    if not common:
        wide, mask = wide.reshape(1), mask.reshape(1)
    return put(wide, values, (mask,), (0,)).reshape(common)


# -- a copy with one view of it replaced


def _replace(copy: Tensor, view: Tensor, src: Tensor) -> Tensor:
    _check_source(view.shape, src)
    setitem(view, Ellipsis, src)
    return copy


def _check_source(shape: Any, src: Tensor) -> None:
    if shape != src.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(shape)}"
        )


@public(out=True)
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with ``src`` in the place of ``input.select(dim, index)``.

    Raises:
        RuntimeError: if the source has not the shape of that part.
    """
    copy = input.clone()
    before = (slice(None),) * input._check_dim("select_scatter", dim)
    seen = input.shape[: len(before)] + input.shape[len(before) + 1 :]
    _check_source(seen, src)
    setitem(copy, (*before, index), src)
    return copy


@public(out=True)
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """A copy with ``src`` in the place of ``input[start:end:step]`` along ``dim``.

    Raises:
        RuntimeError: if the source has not the shape of that part.
    """
    copy = input.clone()
    before = (slice(None),) * input._check_dim("slice_scatter", dim)
    return _replace(copy, getitem(copy, (*before, slice(start, end, step))), src)


@public(out=True)
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy with ``src`` in the place of ``input.diagonal(offset, dim1, dim2)``.

    Raises:
        RuntimeError: if the source has not the shape of that part.
    """
    copy = input.clone()
    return _replace(copy, copy.diagonal(offset, dim1, dim2), src)
