"""Views with strides of their own: as_strided, sliding windows; and views in place."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import along
from isograd.tensor.door import apply
from isograd.tensor.inplace import restride
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.views import (
    flatten,
    movedim,
    reshape,
    sizes,
    squeeze,
    t,
    transpose,
    unsqueeze,
    wrap_dim,
)
from isograd.tensor.public import public

__all__ = ["as_strided", "unfold"]


_as_strided = Primitive(
    "as_strided",
    lambda xp, x, *, shape, strides, offset: xp.lib.stride_tricks.as_strided(
        xp.ascontiguousarray(x).reshape(-1)[offset:], shape, [s * x.itemsize for s in strides]
    ).view(),  # CuPy's result names no base, a view of it does
    vjp={"x": lambda g, x_shape, shape, strides, offset: _strided_backward(
        g, x_shape, shape, strides, offset)},
    view=True,
    samples=lambda make: [((make(3, 4),), {"shape": (2, 3), "strides": (4, 1), "offset": 1})],
    doc="A view with any shape and strides over a contiguous tensor's memory.",
)  # fmt: skip


def _strided_backward(g: Tensor, x_shape: Any, shape: Any, strides: Any, offset: int) -> Tensor:
    xp = backend_of(g._array).xp
    index = xp.zeros(shape, np.int64) + offset
    for d, (n, s) in enumerate(zip(shape, strides, strict=True)):
        index = index + (xp.arange(n) * s).reshape((n,) + (1,) * (len(shape) - d - 1))
    flat = g.new_zeros(math.prod(x_shape))
    return reshape(flat.index_add(0, wrap(index.reshape(-1)), reshape(g, -1)), x_shape)


@public()
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view with the given shape and strides (in elements) over the tensor's memory.

    Raises:
        RuntimeError: if it would reach outside the memory, or the tensor is not contiguous.
    """
    shape, strides = sizes((size,), "as_strided"), sizes((stride,), "as_strided")
    offset = storage_offset or 0
    base = input
    if not input._array.flags.c_contiguous:
        raise RuntimeError("as_strided: only contiguous tensors are supported; call contiguous()")
    last = offset + builtins.sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if len(shape) != len(strides) or (0 not in shape and (last >= base.numel() or last < 0)):
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {offset} "
            f"are out of bounds for storage of {base.numel()} elements"
        )
    return apply(_as_strided, base, shape=shape, strides=strides, offset=offset)


@public(function=False)
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of ``size`` along a dimension as a new last dimension; a view."""
    dim = wrap_dim(dimension, input.ndim, "unfold")
    length = input._array.shape[dim] if input.ndim else 1
    if size > length:
        raise RuntimeError(
            f"maximum size for tensor at dimension {dim} is {length} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return apply(_windows, input, dim=dim, size=size, step=step)


def _windows_forward(xp: Any, x: Any, *, dim: int, size: int, step: int) -> Any:
    if x.ndim == 0:
        x = x.reshape(1)
        return x[:size].reshape(size)
    count = (x.shape[dim] - size) // step + 1
    shape = (*x.shape[:dim], count, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return xp.lib.stride_tricks.as_strided(x, shape, strides).view()  # see as_strided


def _windows_vjp(g: Tensor, x_shape: Any, dim: int, size: int, step: int) -> Tensor:
    count = g.shape[dim] if x_shape else 1
    if not x_shape:
        return reshape(g, x_shape) if size else g.new_zeros(x_shape)
    xp = backend_of(g._array).xp
    index = (xp.arange(count) * step)[:, None] + xp.arange(size)
    moved = flatten(movedim(movedim(g, -1, 0), dim + 1, 0), 0, 1)  # (count * size, rest)
    rest = x_shape[:dim] + x_shape[dim + 1 :]
    zeros = g.new_zeros((x_shape[dim], *rest))
    return movedim(zeros.index_add(0, wrap(index.reshape(-1)), moved), 0, dim)


_windows = Primitive(
    "unfold",
    _windows_forward,
    vjp={"x": _windows_vjp},
    view=True,
    samples=lambda make: [((make(2, 7),), {"dim": 1, "size": 3, "step": 2})],
    cuts=along("dim", sums=True),
    doc="Sliding windows along a dimension.",
)


def _view_inplace(fn: Any) -> None:
    """The method ``<name>_`` that turns its tensor into the view ``<name>`` of it."""
    name = f"{fn.__name__}_"

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return restride(self, fn, args, kwargs, name)

    method.__name__ = name
    method.__doc__ = f"In-place form of `{fn.__name__}`: the same memory in another shape."
    setattr(Tensor, name, method)


for _function in (as_strided, squeeze, t, transpose, unsqueeze):
    _view_inplace(_function)
Tensor.swapaxes_ = Tensor.swapdims_ = Tensor.transpose_  # type: ignore[attr-defined]
