"""Views of the same memory: other shapes, orders of dimensions, broadcasting.

A view's forward returns a NumPy or CuPy view, so aliasing is real. Its params alone must be able to
make it again from the base, because histories are re-derived from them after in-place writes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, local_shape, reshaped
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.public import public
from isograd.tensor.size import Size
from isograd.tensor.spread import SpreadArray

__all__ = [
    "squeeze_record",
    "adjoint",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "expand",
    "expand_as",
    "flatten",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "reshape_as",
    "sizes",
    "squeeze",
    "sum_to_size",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
    "wrap_dim",
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
    cuts=reshaped,
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
    return apply(_reshape, input, shape=wanted)


@public(function=False)
def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, never copying; ``view(dtype)`` reads the same bytes as another dtype.

    Raises:
        RuntimeError: if the strides do not allow it.
    """
    from_dtype = shape[0] if shape and hasattr(shape[0], "np") else None
    if from_dtype is not None:
        return apply(_view_dtype, input, dtype=from_dtype)
    wanted = _inferred(sizes(shape, "view"), input._array.size)
    array = input._array
    if array.flags.c_contiguous or not array.size or isinstance(array, SpreadArray):
        return apply(_reshape, input, shape=wanted)
    if not _viewable(array, wanted):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return apply(_reshape, input, shape=wanted)


def _viewable(array: Any, shape: tuple[int, ...]) -> bool:
    made = array.reshape(shape)
    return made.base is not None and (made.base is array or made.base is array.base)


_view_dtype = Primitive(
    "view_dtype",
    lambda xp, x, *, dtype: x.view(dtype.np),
    view=True,
    nondifferentiable=True,
    cuts=lambda params, x: [Cut((d,), (d,)) for d in range(len(x) - 1)],
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
    cuts=lambda params, x: [
        *(Cut((d,), (i,)) for i, d in enumerate(params["dims"])),
        Cut(("sum",), ("sum",)),
    ],
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
    return apply(_permute, input, dims=order)


@public("swapaxes", "swapdims", inplace=False)
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions; a view."""
    n = input._array.ndim
    a, b = wrap_dim(dim0, n, "transpose"), wrap_dim(dim1, n, "transpose")
    if n == 0:
        return input
    order = list(range(n))
    order[a], order[b] = b, a
    return apply(_permute, input, dims=tuple(order))


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
    return apply(_insert, input, dim=dim)


_insert = Primitive(
    "unsqueeze",
    lambda xp, x, *, dim: xp.expand_dims(x, dim),
    vjp={"x": lambda g, dim: apply(squeeze_record, g, dims=(dim,))},
    view=True,
    cuts=lambda params, x: [
        *(Cut((d,), (d + (d >= params["dim"]),)) for d in range(len(x))),
        Cut(("sum",), ("sum",)),
    ],
    samples=lambda make: [((make(3, 4),), {"dim": 1})],
    doc="A dimension of length 1 inserted.",
)


def _insert_all(g: Tensor, dims: tuple[int, ...]) -> Tensor:
    for d in sorted(dims):
        g = apply(_insert, g, dim=d)
    return g


def _unsqueezed(dims: tuple[int, ...], x: tuple[int, ...]) -> list[Cut]:
    kept = [d for d in range(len(x)) if d not in dims]
    return [Cut((d,), (i,)) for i, d in enumerate(kept)]


squeeze_record: Primitive = Primitive(
    "squeeze",
    lambda xp, x, *, dims: xp.squeeze(x, axis=dims),
    vjp={"x": lambda g, dims: _insert_all(g, dims)},
    view=True,
    cuts=lambda params, x: [*_unsqueezed(params["dims"], x), Cut(("sum",), ("sum",))],
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
    return apply(squeeze_record, input, dims=dims)


def _expand_forward(xp: Any, x: Any, *, shape: Any) -> Any:
    seen = xp.broadcast_to(x, shape)
    if xp is np and x.flags.writeable:
        seen.flags.writeable = True  # writes to elements that share memory are refused elsewhere
    return seen


def _expand_vjp(g: Tensor, x_shape: Any) -> Tensor:
    return sum_to_size(g, x_shape)


def _expanded(shape: tuple[int, ...], x: tuple[int, ...]) -> list[Cut]:
    lead = len(shape) - len(x)
    return [
        Cut((d,), (lead + d,), local_shape("shape", lead + d, dim=d))
        for d, n in enumerate(x)
        if shape[lead + d] == n
    ]


_expand: Primitive = Primitive(
    "expand",
    _expand_forward,
    vjp={"x": _expand_vjp},
    view=True,
    cuts=lambda params, x: [*_expanded(params["shape"], x), Cut(("sum",), ("sum",))],
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
    return apply(_expand, input, shape=tuple(full))


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
