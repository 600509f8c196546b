"""Parts of a tensor: narrow, select, split, diagonals; all views."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, along, local_shape
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.views import squeeze_record, wrap_dim
from isograd.tensor.public import public

__all__ = [
    "chunk",
    "diag",
    "diag_embed",
    "diagonal",
    "narrow",
    "select",
    "split",
    "sum_ints",
    "tensor_split",
    "unbind",
]


_narrow: Primitive = Primitive(
    "narrow",
    lambda xp, x, *, dim, start, length: x[(slice(None),) * dim + (slice(start, start + length),)],
    vjp={"x": lambda g, x_shape, dim, start, length: _pad_to(g, x_shape, dim, start, length)},
    view=True,
    samples=lambda make: [((make(3, 5),), {"dim": 1, "start": 1, "length": 3})],
    cuts=along("dim", sums=True),
    doc="A run of indices along one dimension.",
)


def _widen_forward(xp: Any, x: Any, *, shape: Any, dim: int, start: int, length: int) -> Any:
    out = xp.zeros(shape, x.dtype)
    out[(slice(None),) * dim + (slice(start, start + length),)] = x
    return out


def _widen_cuts(params: Any, x: Any) -> Iterable[Cut]:
    for d in range(len(x)):
        if d != params["dim"]:
            yield Cut((d,), (d,), local_shape("shape", d))
    yield Cut(("sum",), ("sum",))


_widen = Primitive(
    "narrow_backward",
    _widen_forward,
    vjp={"x": lambda g, dim, start, length: apply(_narrow, g, dim=dim, start=start, length=length)},
    samples=lambda make: [((make(3, 2),), {"shape": (3, 5), "dim": 1, "start": 1, "length": 2})],
    cuts=_widen_cuts,
    doc="Zeros with a run of indices along one dimension filled.",
)


def _pad_to(g: Tensor, shape: Any, dim: int, start: int, length: int) -> Tensor:
    return apply(_widen, g, shape=shape, dim=dim, start=start, length=length)


@public()
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """The indices ``start .. start + length`` along ``dim``; a view.

    Raises:
        RuntimeError: if they reach beyond the dimension.
    """
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, input.ndim, "narrow")
    if isinstance(start, Tensor) and (start.ndim or start.dtype.category != 1):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start = int(start)
    size = input._array.shape[dim]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [-{size}, {size}], but got {start})"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return apply(_narrow, input, dim=dim, start=start, length=length)


@public()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at ``index`` along ``dim``, without that dimension; a view."""
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, input.ndim, "select")
    size = input._array.shape[dim]
    index = int(index)
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size "
            f"{list(input._array.shape)} at dimension {dim}"
        )
    cut = apply(_narrow, input, dim=dim, start=index % size, length=1)
    return apply(squeeze_record, cut, dims=(dim,))


@public()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along ``dim``."""
    dim = wrap_dim(dim, input.ndim, "unbind")
    return tuple(select(input, dim, i) for i in range(input._array.shape[dim]))


@public("split_with_sizes")
def split(input: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of ``split_size`` along ``dim`` (the last may be shorter), or of a list of sizes."""
    dim = wrap_dim(dim, input.ndim, "split")
    size = input._array.shape[dim]
    if isinstance(split_size, int):
        if split_size < 0 or (split_size == 0 and size):
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={split_size}"
            )
        step = max(split_size, 1)
        lengths = [min(step, size - i) for i in range(0, size, step)] or [0]
    else:
        lengths = list(split_size)
        if sum_ints(lengths) != size or any(n < 0 for n in lengths):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's "
                f"size at dimension {dim}), but got split_sizes={lengths}"
            )
    out, start = [], 0
    for n in lengths:
        out.append(narrow(input, dim, start, n))
        start += n
    return tuple(out)


def sum_ints(values: Sequence[int]) -> int:
    """Sum of Python ints."""
    return builtins.sum(values)


@public()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` pieces of equal length along ``dim`` (the last may be shorter)."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = input._array.shape[wrap_dim(dim, input.ndim, "chunk")]
    if size == 0:
        return split(input, [0] * chunks, dim)
    return split(input, -(-size // chunks), dim)


@public()
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Split along ``dim`` into so many parts, or at the given indices."""
    dim = wrap_dim(dim, input.ndim, "tensor_split")
    size = input._array.shape[dim]
    cuts = indices_or_sections
    if isinstance(cuts, Tensor):
        cuts = cuts.tolist()
    if isinstance(cuts, int):
        if cuts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        small, extra = divmod(size, cuts)
        return split(input, [small + (i < extra) for i in range(cuts)], dim)
    bounds = [0, *[min(max(c + size if c < 0 else c, 0), size) for c in cuts], size]
    return tuple(
        narrow(input, dim, a, max(0, b - a)) for a, b in zip(bounds[:-1], bounds[1:], strict=True)
    )


def _diagonal_forward(xp: Any, x: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    seen = xp.diagonal(x, offset, dim1, dim2)
    if xp is np and x.flags.writeable:
        seen.flags.writeable = True  # NumPy's diagonal is read-only
    return seen


def _kept(params: Any, rank: int) -> list[int]:
    """The dimensions of the matrices' tensor that its diagonals have as well, in their order."""
    return [d for d in range(rank) if d not in (params["dim1"], params["dim2"])]


def _diagonal_cuts(params: Any, x: Any) -> Iterable[Cut]:
    for at, d in enumerate(_kept(params, len(x))):
        yield Cut((d,), (at,))
    yield Cut(("sum",), ("sum",))


def _fill_cuts(params: Any, x: Any) -> Iterable[Cut]:
    for at, d in enumerate(_kept(params, len(params["shape"]))):
        yield Cut((at,), (d,), local_shape("shape", d, 0, at))
    yield Cut(("sum",), ("sum",))


_diagonal = Primitive(
    "diagonal",
    _diagonal_forward,
    vjp={"x": lambda g, x_shape, offset, dim1, dim2: apply(
        _diagonal_backward, g, shape=x_shape, offset=offset, dim1=dim1, dim2=dim2)},
    view=True,
    samples=lambda make: [
        ((make(3, 4),), {"offset": 1, "dim1": 0, "dim2": 1}),
        ((make(2, 4, 3, 3),), {"offset": 0, "dim1": 3, "dim2": 1}),
    ],
    cuts=_diagonal_cuts,
    doc="The diagonal over two dimensions.",
)  # fmt: skip


def _diagonal_fill(xp: Any, x: Any, *, shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    out = xp.zeros(shape, x.dtype)
    strides, n = list(out.strides), x.shape[-1]
    rest = [i for i in range(out.ndim) if i not in (dim1, dim2)]
    start: list[Any] = [slice(None)] * out.ndim
    start[dim1], start[dim2] = slice(max(0, -offset), None), slice(max(0, offset), None)
    corner = out[tuple(start)]
    if n:
        seen = xp.lib.stride_tricks.as_strided(
            corner,
            tuple(out.shape[i] for i in rest) + (n,),
            tuple(strides[i] for i in rest) + (strides[dim1] + strides[dim2],),
        )
        seen[...] = x
    return out


_diagonal_backward: Primitive = Primitive(
    "diagonal_backward",
    _diagonal_fill,
    vjp={"x": lambda g, offset, dim1, dim2: apply(
        _diagonal, g, offset=offset, dim1=dim1, dim2=dim2)},
    samples=lambda make: [
        ((make(3),), {"shape": (3, 4), "offset": 1, "dim1": 0, "dim2": 1}),
        ((make(2, 4, 3),), {"shape": (2, 3, 4, 3), "offset": 0, "dim1": 3, "dim2": 1}),
    ],
    cuts=_fill_cuts,
    doc="Zeros with a diagonal filled.",
)  # fmt: skip


@public()
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements where the indices along two dimensions differ by ``offset``; a view."""
    n = input.ndim
    dim1, dim2 = wrap_dim(dim1, n, "diagonal"), wrap_dim(dim2, n, "diagonal")
    if dim1 == dim2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return apply(_diagonal, input, offset=offset, dim1=dim1, dim2=dim2)


@public()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices whose diagonals are the last dimension."""
    n = input.ndim + 1
    dim1, dim2 = wrap_dim(dim1, n, "diag_embed"), wrap_dim(dim2, n, "diag_embed")
    if dim1 == dim2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    side = input._array.shape[-1] + builtins.abs(offset)
    shape = list(input._array.shape[:-1])
    for d in sorted((dim1, dim2)):
        shape.insert(d, side)
    return apply(_diagonal_backward, input, shape=tuple(shape), offset=offset,
                 dim1=dim1, dim2=dim2)  # fmt: skip


@public(out=True)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as a diagonal matrix, or a matrix's diagonal as a vector (a copy)."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return apply(_diagonal, input, offset=diagonal, dim1=0, dim2=1).clone()
