"""Read elements by index tensors: gather, index_select, take, and where something holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.accumulate import accumulate_along, check_bounds, places_along
from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, elementwise, local_shape
from isograd.tensor.door import apply
from isograd.tensor.inplace import write_out
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.indexing import index as pick
from isograd.tensor.primitives.shape import broadcast_shapes, wrap_dim
from isograd.tensor.public import public

__all__ = [
    "argwhere", "check_index", "gather", "gather_backward", "index_select", "masked_select",
    "nonzero", "one_hot", "take", "take_along_dim",
]  # fmt: skip


def check_index(name: str, index: Tensor) -> None:
    """Raise RuntimeError unless the tensor holds int32 or int64."""
    if index.dtype is not dtypes.int64 and index.dtype is not dtypes.int32:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, got {index.dtype}")


# -- gather


def _gather_forward(xp: Any, x: Any, index: Any, *, dim: int) -> Any:
    shape = x.shape
    if x.ndim == 0 or index.ndim == 0:
        shape, at = (x.size,), index.reshape(-1)
    else:
        at = index
    check_bounds(xp, at, shape[dim], dim, RuntimeError)
    if not x.flags.c_contiguous and x.ndim == index.ndim and x.ndim > 1:
        mesh = [
            at if d == dim else xp.arange(n).reshape((n,) + (1,) * (at.ndim - d - 1))
            for d, n in enumerate(at.shape)
        ]
        return x[tuple(mesh)]
    return x.reshape(-1).take(places_along(xp, shape, at, dim)).reshape(index.shape)


def _gather_backward_forward(xp: Any, g: Any, index: Any, *, dim: int, shape: Any) -> Any:
    out = xp.zeros(shape, g.dtype)
    accumulate_along(xp, out, index, g, dim)
    return out


def _gather_cuts(params: Any, x: Any, index: Any) -> Iterable[Cut]:
    """The dimensions that the index runs through as the input does; or the index alone."""
    dim = params["dim"]
    if len(x) == len(index):
        for d, n in enumerate(index):
            if d == dim:
                yield Cut((None, d), (d,))
            elif n == x[d]:
                yield Cut((d, d), (d,))
    yield Cut(("sum", None), ("sum",))


def _gather_back_cuts(params: Any, g: Any, index: Any) -> Iterable[Cut]:
    dim, shape = params["dim"], params["shape"]
    if len(shape) == len(index) == len(g):
        for d, n in enumerate(index):
            if d == dim:
                yield Cut((d, d), ("sum",))
            elif n == shape[d]:
                yield Cut((d, d), (d,), local_shape("shape", d))
    yield Cut(("sum", None), ("sum",))


_gather = Primitive(
    "gather",
    _gather_forward,
    vjp={"x": lambda g, x_shape, index, dim: gather_backward(g, index, dim, x_shape)},
    samples=lambda make: [
        ((make(3, 4), np.array([[0, 2, 2], [1, 1, 0]])), {"dim": 0}),
        ((make(3, 4), np.array([[0, 3, 3], [1, 1, 0]])), {"dim": 1}),
        ((make(3, 2), np.array([[0, 1, 1], [1, 1, 0], [1, 0, 0]])), {"dim": 1}),
    ],
    cuts=_gather_cuts,
    doc="The elements at ``index`` along one dimension.",
)
_gather_backward = Primitive(
    "gather_backward",
    _gather_backward_forward,
    vjp={"g": lambda g, index, dim: apply(_gather, g, index, dim=dim)},
    low_precision=True,
    samples=lambda make: [
        ((make(2, 3), np.array([[0, 2, 2], [1, 1, 0]])), {"dim": 0, "shape": (3, 4)}),
        ((make(2, 3), np.array([[0, 2, 2], [1, 1, 0]])), {"dim": 1, "shape": (2, 4)}),
    ],
    cuts=_gather_back_cuts,
    doc="Zeros with values added at ``index`` along one dimension.",
)


def gather_backward(g: Tensor, index: Tensor, dim: int, shape: Any) -> Tensor:
    """Zeros of ``shape`` with ``g`` added at ``index`` along ``dim``."""
    return apply(_gather_backward, g, index, dim=dim, shape=tuple(shape))


@public(out="strict")
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` for ``dim`` 0, and so on.

    Shape:
        The index's shape: as many dimensions as the input, and no longer than it but along ``dim``.

    Raises:
        RuntimeError: for an index of a wrong dtype or shape, or out of bounds.
    """
    if sparse_grad:
        raise NotImplementedError("gather: sparse_grad is not supported; leave it False")
    dim = wrap_dim(dim, input.ndim, "gather")
    if index.numel() == 0:
        return input.reshape(-1).narrow(0, 0, 0).reshape(index.shape)
    check_index("gather", index)
    _check_shape(input, index, dim)
    return apply(_gather, input, index, dim=dim)


def _check_shape(input: Tensor, index: Tensor, dim: int) -> None:
    if max(1, input.ndim) != max(1, index.ndim):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for d, (n, have) in enumerate(zip(index.shape, input.shape, strict=False)):
        if d != dim and n > have:
            raise RuntimeError(
                f"Size does not match at dimension {d} expected index {list(index.shape)} to be no "
                f"larger than self {list(input.shape)} apart from dimension {dim}"
            )


@public(out="strict")
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """:func:`gather` where the other dimensions broadcast; without ``dim``, of the flat input.

    Raises:
        RuntimeError: if the numbers of dimensions differ.
    """
    check_index("torch.take_along_dim", indices)
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = wrap_dim(dim, input.ndim, "take_along_dim")
    size, count = input.shape[dim], indices.shape[dim]
    common = list(broadcast_shapes(_with(input.shape, dim, 1), _with(indices.shape, dim, 1)))
    wide = input.expand(_with(common, dim, size))
    at = indices.expand(_with(common, dim, count))
    return gather(wide, dim, at + size * (at < 0))


def _with(shape: Any, dim: int, size: int) -> tuple[int, ...]:
    """The shape with another size at one dimension."""
    return (*shape[:dim], size, *shape[dim + 1 :])


# -- whole slices, and single elements


@public(out="strict")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices at ``index`` along ``dim``.

    Raises:
        IndexError: if the index is no vector, or out of bounds (negative ones are).
        RuntimeError: for an index of another dtype than int32 or int64.
    """
    dim = wrap_dim(dim, input.ndim, "index_select")
    check_vector("index_select", index)
    size = input.shape[dim] if input.ndim else 1
    array = index._array
    if isinstance(array, np.ndarray) and array.size:
        if int(array.min()) < 0 or int(array.max()) >= size:
            raise IndexError(f"index out of range in self: index_select of {size} along dim {dim}")
    if input.ndim == 0:
        return pick(input.reshape(1), (index.reshape(-1),), (0,)).reshape(())
    return pick(input, (index.reshape(-1),), (dim,))


def check_vector(name: str, index: Tensor) -> None:
    """Raise unless ``index`` is a vector of int32 or int64, or one such number."""
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype is not dtypes.int64 and index.dtype is not dtypes.int32:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index, got {index.dtype}")


@public(out="strict")
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at ``index`` of the flat input; negative indices count from the end.

    Raises:
        IndexError: if one is out of range.
        RuntimeError: if the index is not int64.
    """
    check_flat_index("take", input, index)
    return pick(input.reshape(-1), (index,), (0,))


def check_flat_index(name: str, input: Tensor, index: Tensor) -> None:
    """Raise unless ``index`` is int64 and within the flat ``input``."""
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype}")
    n, array = input.numel(), index._array
    if n == 0 and array.size:
        raise IndexError(f"{name}(): tried to take from an empty tensor")
    if isinstance(array, np.ndarray) and array.size:
        low, high = int(array.min()), int(array.max())
        if low < -n or high >= n:
            bad = high if high >= n else low
            raise IndexError(
                f"out of range: tried to access index {bad} on a tensor of {n} elements."
            )


@public(out="strict")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` holds, as a vector; both broadcast.

    Raises:
        RuntimeError: if the mask is not bool.
    """
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, got {mask.dtype}")
    if input.shape != mask.shape:
        common = broadcast_shapes(input.shape, mask.shape)
        input, mask = input.expand(common), mask.expand(common)
    if input.ndim == 0:
        input, mask = input.reshape(1), mask.reshape(1)
    return pick(input, (mask,), (0,))


# -- where something holds

_nonzero = Primitive(
    "nonzero",
    lambda xp, x: xp.stack(xp.nonzero(x), axis=1) if x.ndim else _scalar_nonzero(xp, x),
    nondifferentiable=True,
    samples=lambda make: [((make(3, 4) > 0,), {})],
    doc="The indices of the elements that are not zero, one per row.",
)
_nonzero_tuple = Primitive(
    "nonzero_tuple",
    lambda xp, x: tuple(xp.nonzero(x if x.ndim else x.reshape(1))),
    outputs=0,
    nondifferentiable=True,
    samples=lambda make: [((make(3, 4) > 0,), {})],
    doc="The indices of the elements that are not zero, one vector per dimension.",
)


def _scalar_nonzero(xp: Any, x: Any) -> Any:
    return xp.zeros((int(bool(x)), 0), np.int64)


@public()
def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """Indices of the elements that are not zero: a row each, or a vector per dimension."""
    if out is not None:
        return write_out("nonzero", out, apply(_nonzero, input))
    return apply(_nonzero_tuple if as_tuple else _nonzero, input)


@public()
def argwhere(input: Tensor) -> Tensor:
    """Indices of the elements that are not zero, a row each."""
    return apply(_nonzero, input)


def _one_hot_forward(xp: Any, x: Any, *, classes: int) -> Any:
    return (x[..., None] == xp.arange(classes)).astype(np.int64)


_one_hot = Primitive(
    "one_hot",
    _one_hot_forward,
    nondifferentiable=True,
    cuts=elementwise(),
    samples=lambda make: [((np.array([[0, 2], [1, 1], [2, 0]]),), {"classes": 3})],
    doc="1 at each class number, else 0.",
)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers as rows of zeros with a single one.

    Args:
        num_classes: -1 means one more than the largest.

    Shape:
        The input's with a last dimension of ``num_classes``.

    Raises:
        RuntimeError: if the input is not int64, or a class is out of range.
    """
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    else:
        if int(tensor._array.min()) < 0:
            raise RuntimeError("Class values must be non-negative.")
        high = int(tensor._array.max())
        if num_classes == -1:
            num_classes = high + 1
        if num_classes < 1:
            raise RuntimeError("num_classes should be positive")
        if high >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    return apply(_one_hot, tensor, classes=num_classes)
