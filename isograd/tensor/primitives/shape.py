"""Shapes: views of the same memory where possible, joining, repeating.

A view's forward returns a NumPy or CuPy view, so aliasing is real. Its params alone must be able to
make it again from the base, because histories are re-derived from them after in-place writes.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply
from isograd.tensor.inplace import restride
from isograd.tensor.primitive import Primitive
from isograd.tensor.promotion import result_dtype
from isograd.tensor.public import public
from isograd.tensor.size import Size

__all__ = [
    "cat",
    "expand",
    "permute",
    "reshape",
    "sizes",
    "squeeze",
    "stack",
    "transpose",
    "unsqueeze",
]


def sizes(args: tuple[Any, ...], name: str = "size") -> tuple[int, ...]:
    """A shape given as ``f(2, 3)`` or ``f((2, 3))``; 0-d tensors count as ints.

    Raises:
        TypeError: if it is not made of integers.
    """
    if len(args) == 1 and not hasattr(args[0], "__index__"):
        args = tuple(args[0])
    elif len(args) == 1 and isinstance(args[0], Tensor) and args[0].ndim:
        args = tuple(args[0].tolist())
    try:
        return tuple([a.__index__() for a in args])
    except (AttributeError, TypeError):
        raise TypeError(f"{name}(): sizes must be ints, got {args!r}") from None


def wrap_dim(dim: int, ndim: int, name: str) -> int:
    """A dimension counted from the front.

    Raises:
        IndexError: if it is out of range.
    """
    n = max(1, ndim)
    if not -n <= dim < n:
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got "
            f"{dim})"
        )
    return dim % n


# -- reshape and view


def _inferred(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Fill in a -1."""
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if any(s < -1 for s in shape):
        raise RuntimeError(f"invalid shape dimension {min(shape)}")
    known = math.prod(s for s in shape if s != -1)
    if -1 in shape:
        if known == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        if size % known == 0:
            return tuple(size // known if s == -1 else s for s in shape)
    if -1 in shape or known != size:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")
    return shape


_reshape: Primitive = Primitive(
    "reshape",
    lambda xp, x, *, shape: x.reshape(shape),
    vjp={"x": lambda g, x_shape: apply(_reshape, g, shape=x_shape)},
    view=True,
    samples=lambda make: [((make(3, 4),), {"shape": (2, 6)})],
    doc="The same elements in another shape; a view where the strides allow it.",
)


@public()
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in row order in another shape; one length may be -1.

    Returns:
        A view where the strides allow it, else a copy.
    """
    wanted = sizes(shape, "reshape")
    if -1 in wanted or math.prod(wanted) != input._array.size:
        wanted = _inferred(wanted, input._array.size)
    return apply(_reshape, input, shape=wanted)  # type: ignore[no-any-return]


@public(function=False)
def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, never copying; ``view(dtype)`` reads the same bytes as another dtype.

    Raises:
        RuntimeError: if the strides do not allow it.
    """
    from_dtype = shape[0] if shape and hasattr(shape[0], "np") else None
    if from_dtype is not None:
        return apply(_view_dtype, input, dtype=from_dtype)  # type: ignore[no-any-return]
    wanted = _inferred(sizes(shape, "view"), input._array.size)
    array = input._array
    if not array.flags.c_contiguous and array.size and not _viewable(array, wanted):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return apply(_reshape, input, shape=wanted)  # type: ignore[no-any-return]


def _viewable(array: Any, shape: tuple[int, ...]) -> bool:
    made = array.reshape(shape)
    return made.base is not None and (made.base is array or made.base is array.base)


_view_dtype = Primitive(
    "view_dtype",
    lambda xp, x, *, dtype: x.view(dtype.np),
    view=True,
    nondifferentiable=True,
    doc="The same bytes as another dtype.",
)


@public(function=False)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``view(other.shape)``."""
    return view(input, other.shape)


@public(function=False)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``reshape(other.shape)``."""
    return reshape(input, other.shape)


@public("ravel_")
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, -1)


@public()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the dimensions from ``start_dim`` to ``end_dim`` into one."""
    if input.ndim == 0:
        return reshape(input, 1)
    start = wrap_dim(start_dim, input.ndim, "flatten")
    end = wrap_dim(end_dim, input.ndim, "flatten")
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    shape = input._array.shape
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@public()
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split one dimension into several of the given sizes (one may be -1)."""
    dim = wrap_dim(dim, input.ndim, "unflatten")
    shape = input._array.shape
    try:
        parts = _inferred(tuple(sizes), shape[dim])
    except RuntimeError as error:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({shape[dim]}) in the input tensor"
        ) from error
    return reshape(input, (*shape[:dim], *parts, *shape[dim + 1 :]))


# -- order of dimensions

_permute: Primitive = Primitive(
    "permute",
    lambda xp, x, *, dims: x.transpose(dims),
    vjp={"x": lambda g, dims: apply(_permute, g, dims=_inverse(dims))},
    view=True,
    samples=lambda make: [((make(2, 3, 4),), {"dims": (2, 0, 1)})],
    doc="The dimensions in another order; always a view.",
)


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    out = [0] * len(dims)
    for i, d in enumerate(dims):
        out[d] = i
    return tuple(out)


@public()
def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in the order ``dims``; a view."""
    order = tuple(wrap_dim(d, input.ndim, "permute") for d in sizes(dims, "permute"))
    if len(order) != input.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {input.ndim} is not "
            f"equal to len(dims) = {len(order)}"
        )
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return apply(_permute, input, dims=order)  # type: ignore[no-any-return]


@public("swapaxes", "swapdims", inplace=False)
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions; a view."""
    n = input._array.ndim
    a, b = wrap_dim(dim0, n, "transpose"), wrap_dim(dim1, n, "transpose")
    if n == 0:
        return input
    order = list(range(n))
    order[a], order[b] = b, a
    return apply(_permute, input, dims=tuple(order))  # type: ignore[no-any-return]


@public()
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and scalars as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input if input.ndim < 2 else transpose(input, 0, 1)


@public()
def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of the last two dimensions."""
    swapped = transpose(input, -2, -1)
    return swapped.conj() if input.is_complex() else swapped


@public("moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dimensions to other positions; the others keep their order."""
    n = input.ndim
    src = [source] if isinstance(source, int) else list(source)
    dst = [destination] if isinstance(destination, int) else list(destination)
    if len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({src} dims) should contain the "
            f"same number of dims as destination ({dst} dims)"
        )
    src = [wrap_dim(d, n, "movedim") for d in src]
    dst = [wrap_dim(d, n, "movedim") for d in dst]
    if len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise RuntimeError(f"movedim: repeated dim in source ({src}) or destination ({dst})")
    rest = [d for d in range(n) if d not in src]
    placed = dict(zip(dst, src, strict=True))
    return permute(input, [placed[i] if i in placed else rest.pop(0) for i in range(n)])


def _matrix_transpose(self: Tensor) -> Tensor:
    """The last two dimensions swapped."""
    if self.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got "
                           f"{self.ndim}-D tensor.")  # fmt: skip
    return transpose(self, -2, -1)


Tensor.mT = property(_matrix_transpose)  # type: ignore[attr-defined]
Tensor.mH = property(adjoint)  # type: ignore[attr-defined]
Tensor.H = property(adjoint)  # type: ignore[attr-defined]
Tensor.T = property(lambda self: permute(self, tuple(range(self.ndim))[::-1]))  # type: ignore[attr-defined]

# -- dimensions of length 1, broadcasting


@public()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dimension of length 1 at ``dim``."""
    dim = wrap_dim(dim, input.ndim + 1, "unsqueeze")
    return apply(_insert, input, dim=dim)  # type: ignore[no-any-return]


_insert = Primitive(
    "unsqueeze",
    lambda xp, x, *, dim: xp.expand_dims(x, dim),
    vjp={"x": lambda g, dim: apply(_drop, g, dims=(dim,))},
    view=True,
    samples=lambda make: [((make(3, 4),), {"dim": 1})],
    doc="A dimension of length 1 inserted.",
)


def _insert_all(g: Tensor, dims: tuple[int, ...]) -> Tensor:
    for d in sorted(dims):
        g = apply(_insert, g, dim=d)
    return g


_drop: Primitive = Primitive(
    "squeeze",
    lambda xp, x, *, dims: xp.squeeze(x, axis=dims),
    vjp={"x": lambda g, dims: _insert_all(g, dims)},
    view=True,
    samples=lambda make: [((make(3, 1, 4, 1),), {"dims": (1, 3)})],
    doc="Dimensions of length 1 taken away.",
)


@public()
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Take away all dimensions of length 1, or those of ``dim`` that have length 1."""
    shape = input._array.shape
    if dim is None:
        dims = tuple(i for i, s in enumerate(shape) if s == 1)
    else:
        given = (dim,) if isinstance(dim, int) else tuple(dim)
        wrapped = {wrap_dim(d, len(shape), "squeeze") for d in given}
        dims = tuple(d for d in sorted(wrapped) if shape and shape[d] == 1)
    return apply(_drop, input, dims=dims)  # type: ignore[no-any-return]


def _expand_forward(xp: Any, x: Any, *, shape: Any) -> Any:
    seen = xp.broadcast_to(x, shape)
    if xp is np and x.flags.writeable:
        seen.flags.writeable = True  # writes to elements that share memory are refused elsewhere
    return seen


def _expand_vjp(g: Tensor, x_shape: Any) -> Tensor:
    return sum_to_size(g, x_shape)


_expand: Primitive = Primitive(
    "expand",
    _expand_forward,
    vjp={"x": _expand_vjp},
    view=True,
    samples=lambda make: [((make(3, 1),), {"shape": (2, 3, 4)})],
    doc="Broadcast to a larger shape without copying.",
)


@public(function=False)
def expand(input: Tensor, *shape: Any, implicit: bool = False) -> Tensor:
    """Broadcast to a larger shape without copying; -1 keeps a length.

    Raises:
        RuntimeError: if a length other than 1 would have to change.
    """
    wanted = sizes(shape, "expand")
    have = input._array.shape
    lead = len(wanted) - len(have)
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.FloatTensor{{{list(have)}}}, size={list(wanted)}): the number of sizes "
            f"provided ({len(wanted)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({len(have)})"
        )
    full = list(wanted)
    for i, s in enumerate(wanted):
        old = have[i - lead] if i >= lead else 1
        if s == -1:
            if i < lead:
                raise RuntimeError(
                    "The expanded size of the tensor (-1) isn't allowed in a leading, "
                    f"non-existing dimension {i}"
                )
            full[i] = old
        elif old != s and old != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({s}) must match the existing size ({old}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(wanted)}.  Tensor sizes: "
                f"{list(have)}"
            )
    if tuple(full) == have:
        return input
    return apply(_expand, input, shape=tuple(full))  # type: ignore[no-any-return]


@public(function=False)
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``expand(other.shape)``."""
    return expand(input, other.shape)


@public()
def broadcast_to(input: Tensor, *shape: Any) -> Tensor:
    """As ``expand``."""
    return expand(input, *shape)


@public(method=False)
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to."""
    listed = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    try:
        return Size(np.broadcast_shapes(*listed))
    except ValueError as error:
        raise RuntimeError(f"Shape mismatch: objects cannot be broadcast: {listed}") from error


@public(method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    listed = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    shape = broadcast_shapes(*[x.shape for x in listed])
    return tuple(expand(x, shape) for x in listed)


@public(function=False)
def sum_to_size(input: Tensor, *shape: Any) -> Tensor:
    """Sum over the dimensions along which ``shape`` was broadcast to this one."""
    wanted = sizes(shape, "sum_to_size")
    have = input._array.shape
    if have == wanted:
        return input
    lead = len(have) - len(wanted)
    dims = [i for i, s in enumerate(have) if i < lead or (wanted[i - lead] == 1 and s != 1)]
    fits = lead >= 0 and all(
        i in dims or s == wanted[i - lead] for i, s in enumerate(have) if i >= lead
    )
    if not fits:
        raise RuntimeError(f"size {list(wanted)} is not expandable to size {list(have)}.")
    return reshape(input.sum(dims, keepdim=True), wanted)


# -- parts


_narrow: Primitive = Primitive(
    "narrow",
    lambda xp, x, *, dim, start, length: x[(slice(None),) * dim + (slice(start, start + length),)],
    vjp={"x": lambda g, x_shape, dim, start, length: _pad_to(g, x_shape, dim, start, length)},
    view=True,
    samples=lambda make: [((make(3, 5),), {"dim": 1, "start": 1, "length": 3})],
    doc="A run of indices along one dimension.",
)


def _widen_forward(xp: Any, x: Any, *, shape: Any, dim: int, start: int, length: int) -> Any:
    out = xp.zeros(shape, x.dtype)
    out[(slice(None),) * dim + (slice(start, start + length),)] = x
    return out


_widen = Primitive(
    "narrow_backward",
    _widen_forward,
    vjp={"x": lambda g, dim, start, length: apply(_narrow, g, dim=dim, start=start, length=length)},
    samples=lambda make: [((make(3, 2),), {"shape": (3, 5), "dim": 1, "start": 1, "length": 2})],
    doc="Zeros with a run of indices along one dimension filled.",
)


def _pad_to(g: Tensor, shape: Any, dim: int, start: int, length: int) -> Tensor:
    return apply(_widen, g, shape=shape, dim=dim, start=start, length=length)  # type: ignore[no-any-return]


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
    return apply(_narrow, input, dim=dim, start=start, length=length)  # type: ignore[no-any-return]


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
    return apply(_drop, cut, dims=(dim,))  # type: ignore[no-any-return]


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


_diagonal = Primitive(
    "diagonal",
    _diagonal_forward,
    vjp={"x": lambda g, x_shape, offset, dim1, dim2: apply(
        _diagonal_backward, g, shape=x_shape, offset=offset, dim1=dim1, dim2=dim2)},
    view=True,
    samples=lambda make: [((make(3, 4),), {"offset": 1, "dim1": 0, "dim2": 1})],
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
    samples=lambda make: [((make(3),), {"shape": (3, 4), "offset": 1, "dim1": 0, "dim2": 1})],
    doc="Zeros with a diagonal filled.",
)  # fmt: skip


@public()
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements where the indices along two dimensions differ by ``offset``; a view."""
    n = input.ndim
    dim1, dim2 = wrap_dim(dim1, n, "diagonal"), wrap_dim(dim2, n, "diagonal")
    if dim1 == dim2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return apply(_diagonal, input, offset=offset, dim1=dim1, dim2=dim2)  # type: ignore[no-any-return]


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
    return apply(_diagonal_backward, input, shape=tuple(shape), offset=offset,  # type: ignore[no-any-return]
                 dim1=dim1, dim2=dim2)  # fmt: skip


@public(out=True)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as a diagonal matrix, or a matrix's diagonal as a vector (a copy)."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return apply(_diagonal, input, offset=diagonal, dim1=0, dim2=1).clone()  # type: ignore[no-any-return]


# -- joining

_cat = Primitive(
    "cat",
    lambda xp, *xs, dim: xp.concatenate(xs, axis=dim),
    vjp_all=lambda g, xs_shapes, dim: split(g, [s[dim] for s in xs_shapes], dim),
    samples=lambda make: [((make(2, 3), make(4, 3)), {"dim": 0})],
    doc="Tensors joined along a dimension.",
)


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
    return apply(_cat, *[x if x.dtype is common else x.to(common) for x in kept], dim=dim)  # type: ignore[no-any-return]


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
    return cat([unsqueeze(x, dim) for x in listed], dim)


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


# -- repeating and moving elements


@public(function=False)
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Copies side by side: ``repeats[i]`` times along dimension ``i``.

    Raises:
        RuntimeError: for fewer repeats than dimensions.
    """
    times = sizes(repeats, "repeat")
    if len(times) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    if any(n < 0 for n in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(times)}")
    have = (1,) * (len(times) - input.ndim) + tuple(input._array.shape)
    x = reshape(input, [v for s in have for v in (1, s)])
    x = expand(x, [v for n, s in zip(times, have, strict=True) for v in (n, s)])
    return reshape(x.clone(), [n * s for n, s in zip(times, have, strict=True)])


@public()
def tile(input: Tensor, *dims: Any) -> Tensor:
    """As ``repeat``, with missing repeats taken as 1."""
    times = sizes(dims, "tile")
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


_flip: Primitive = Primitive(
    "flip",
    lambda xp, x, *, dims: xp.flip(x, dims).copy(),
    vjp={"x": lambda g, dims: apply(_flip, g, dims=dims)},
    samples=lambda make: [((make(3, 4),), {"dims": (0, 1)})],
    doc="The order along dimensions reversed; a copy.",
)


@public()
def flip(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """Reverse the order along ``dims``; a copy."""
    given = args if dims is None else (dims,)
    if not given:
        raise TypeError("flip() missing 1 required positional arguments: 'dims'")
    listed = tuple(wrap_dim(d, input.ndim, "flip") for d in sizes(given, "flip"))
    if len(set(listed)) != len(listed):
        raise RuntimeError(f"dim {listed} appears multiple times in the list of dims")
    return apply(_flip, input, dims=listed if input.ndim else ())  # type: ignore[no-any-return]


@public()
def fliplr(input: Tensor) -> Tensor:
    """Reverse the second dimension."""
    if input.ndim < 2:
        raise RuntimeError(f"Input must be >= 2-d, got {input.ndim}-d")
    return flip(input, 1)


@public()
def flipud(input: Tensor) -> Tensor:
    """Reverse the first dimension."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d, got 0-d")
    return flip(input, 0)


_roll: Primitive = Primitive(
    "roll",
    lambda xp, x, *, shifts, dims: xp.roll(x, shifts, dims),
    vjp={"x": lambda g, shifts, dims: apply(_roll, g, shifts=tuple(-s for s in shifts), dims=dims)},
    samples=lambda make: [((make(3, 4),), {"shifts": (1, -2), "dims": (0, 1)})],
    doc="Elements shifted along dimensions, those pushed out coming in at the other end.",
)


@public()
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Shift along dimensions, those pushed out coming in at the other end."""
    by = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None or dims == ():
        if len(by) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:0")
        return reshape(roll(reshape(input, -1), by, 0), input.shape)
    along = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(by) != len(along):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(along)}"
        )
    along = tuple(wrap_dim(d, input.ndim, "roll") for d in along)
    return apply(_roll, input, shifts=by, dims=along)  # type: ignore[no-any-return]


@public()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turn by ``k`` times 90 degrees from the first dimension of ``dims`` towards the second."""
    a, b = (wrap_dim(d, input.ndim, "rot90") for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got {list(dims)}")
    k %= 4
    if k == 1:
        return transpose(flip(input, b), a, b).clone()  # type: ignore[no-any-return]
    if k == 2:
        return flip(input, a, b)
    return transpose(flip(input, a), a, b).clone() if k == 3 else input.clone()  # type: ignore[no-any-return]


def _triangle(name: str, doc: str) -> Any:
    record = Primitive(
        name,
        (lambda xp, x, *, k: xp.tril(x, k))
        if name == "tril"
        else (lambda xp, x, *, k: xp.triu(x, k)),
        vjp={"x": lambda g, k: apply(record, g, k=k)},
        samples=lambda make: [((make(2, 3, 4),), {"k": 1})],
        doc=doc,
    )

    def function(input: Tensor, diagonal: int = 0) -> Tensor:
        if input.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return apply(record, input, k=diagonal)  # type: ignore[no-any-return]

    function.__name__, function.__doc__ = name, doc
    return public(inplace=True, out=True)(function)


tril = _triangle("tril", "The part on and below a diagonal of the last two dimensions, else 0.")
triu = _triangle("triu", "The part on and above a diagonal of the last two dimensions, else 0.")


@public()
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (along ``dim``) repeated; without ``dim`` on the flattened tensor."""
    if repeats is None:
        return repeat_interleave(wrap(np.arange(input.numel())), input, 0)
    if dim is None:
        input, dim = reshape(input, -1), 0
    dim = wrap_dim(dim, input.ndim, "repeat_interleave")
    size = input._array.shape[dim]
    if isinstance(repeats, Tensor):
        xp = backend_of(input._array).xp
        counts = repeats._array if repeats.ndim else xp.full(size, repeats.item())
        if counts.shape[0] == 1:
            counts = xp.broadcast_to(counts, (size,))
        if counts.shape[0] != size:
            raise RuntimeError(
                f"repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{counts.shape[0]} and input.size({dim}) = {size}"
            )
        index = xp.repeat(xp.arange(size), counts if xp is np else counts.tolist())
        return input.index_select(dim, wrap(index))  # type: ignore[no-any-return]
    if repeats < 0:
        raise RuntimeError(f"repeats can not be negative, got {repeats}")
    x = unsqueeze(input, dim + 1)
    shape = list(x._array.shape)
    shape[dim + 1] = repeats
    return flatten(expand(x, shape).clone(), dim, dim + 1)


_as_strided = Primitive(
    "as_strided",
    lambda xp, x, *, shape, strides, offset: xp.lib.stride_tricks.as_strided(
        x.reshape(-1)[offset:], shape, [s * x.itemsize for s in strides]
    ),
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
    return apply(_as_strided, base, shape=shape, strides=strides, offset=offset)  # type: ignore[no-any-return]


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
    return apply(_windows, input, dim=dim, size=size, step=step)  # type: ignore[no-any-return]


def _windows_forward(xp: Any, x: Any, *, dim: int, size: int, step: int) -> Any:
    if x.ndim == 0:
        x = x.reshape(1)
        return x[:size].reshape(size)
    count = (x.shape[dim] - size) // step + 1
    shape = (*x.shape[:dim], count, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


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
