"""The primitives behind ``x[...]``: a part as a view, and elements picked by tensors.

``slice`` is the view that integers, slices and None select; ``index`` copies the elements that
integer tensors, or one boolean mask, pick along some dimensions, and ``index_put`` writes or adds
there. How an index is read is in `subscript`. The dimensions of the picked elements stand where
the index tensors stood, or first if those were not neighbours, in NumPy as in torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isograd.tensor.accumulate import accumulate, check_bounds
from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, local_shape
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive

__all__ = ["index", "key_of", "part", "put", "put_at", "sources"]

# -- views


def _slice_backward_forward(xp: Any, g: Any, *, index: Any, shape: Any) -> Any:
    out = xp.zeros(shape, g.dtype)
    out[index] = g
    return out


def _slice_samples(make: Any) -> Any:
    return [
        ((make(3, 4),), {"index": (1, slice(0, 3, 2), ...)}),
        ((make(3, 4),), {"index": (slice(None), None, 2, ...)}),
    ]


def sources(index: tuple[Any, ...], rank: int) -> list[tuple[int | None, Any]]:
    """Per dimension of the result, or integer of the index: (dimension of x, its item)."""
    used = sum(1 for i in index if i is not None and i is not Ellipsis)
    out: list[tuple[int | None, Any]] = []
    d = 0
    for item in index:
        if item is None:
            out.append((None, None))
        elif item is Ellipsis:
            for _ in range(rank - used):
                out.append((d, slice(None)))
                d += 1
        else:
            out.append((d, item))
            d += 1
    return out


def _whole_dims(index: tuple[Any, ...], x: tuple[int, ...]) -> list[tuple[int, int]]:
    """Pairs (dimension of x, of the result) that an index leaves whole."""
    pairs = []
    at = 0
    for d, item in sources(index, len(x)):
        if isinstance(item, int):
            continue
        if d is not None and item == slice(None):
            pairs.append((d, at))
        at += 1
    return pairs


def _slice_cuts(params: Any, x: Any) -> list[Cut]:
    pairs = _whole_dims(params["index"], x)
    return [*(Cut((d,), (o,)) for d, o in pairs), Cut(("sum",), ("sum",))]


def _slice_backward_cuts(params: Any, g: Any) -> list[Cut]:
    pairs = _whole_dims(params["index"], params["shape"])
    cuts = [Cut((o,), (d,), local_shape("shape", d, dim=o)) for d, o in pairs]
    return [*cuts, Cut(("sum",), ("sum",))]


_slice: Primitive = Primitive(
    "slice",
    lambda xp, x, *, index: x[index],
    vjp={
        "x": lambda g, x_shape, index: apply(_slice_backward, g, index=index, shape=tuple(x_shape))
    },
    view=True,
    cuts=_slice_cuts,
    samples=_slice_samples,
    doc="The view that a tuple of integers, slices and None selects; it ends in ``...``.",
)
_slice_backward: Primitive = Primitive(
    "slice_backward",
    _slice_backward_forward,
    vjp={"g": lambda g, index: apply(_slice, g, index=index)},
    cuts=_slice_backward_cuts,
    samples=lambda make: [
        ((make(2, 2),), {"index": (slice(1, 3), slice(0, 3, 2)), "shape": (3, 4)}),
    ],
    doc="Zeros with the part that an index selects filled.",
)

# -- elements at integer tensors or a mask


def key_of(indices: Any, dims: Any) -> tuple[Any, ...]:
    """The array library's index with ``indices`` at ``dims`` and everything of the others."""
    if indices[0].dtype == np.bool_:
        return (*[slice(None)] * dims[0], indices[0])
    key: list[Any] = [slice(None)] * (dims[-1] + 1)
    for d, i in zip(dims, indices, strict=True):
        key[d] = i
    return tuple(key)


def _index_forward(xp: Any, x: Any, *indices: Any, dims: Any) -> Any:
    try:
        if len(dims) == 1 and indices[0].dtype != np.bool_:
            if x.flags.c_contiguous:  # take would copy any other array first
                return xp.take(x, indices[0], axis=dims[0])
        return x[key_of(indices, dims)]
    except IndexError as error:
        raise IndexError(_in_our_words(str(error))) from None


def _in_our_words(message: str) -> str:
    message = message.replace("for axis", "for dimension")
    return message.replace("indexing arrays", "indexing tensors")


def _places(xp: Any, shape: Any, indices: Any, dims: Any) -> Any:
    """Flat places, in the leading dimensions of ``shape`` up to the last index, of the result.

    Shape:
        The result's shape without the dimensions behind the last index.
    """
    lead = shape[: dims[-1] + 1]
    indices = xp.broadcast_arrays(*indices)
    rank = indices[0].ndim
    free = [d for d in range(len(lead)) if d not in dims]
    adjacent = dims[-1] - dims[0] + 1 == len(dims)
    before = [d for d in free if d < dims[0]] if adjacent else []
    total = len(free) + rank
    out: Any = 0
    for d, size in enumerate(lead):
        step = math.prod(lead[d + 1 :])
        if d in dims:
            i = indices[dims.index(d)].astype(np.int64)
            i = xp.where(i < 0, i + size, i)
            part = i.reshape((1,) * len(before) + i.shape + (1,) * (len(free) - len(before)))
        else:
            at = before.index(d) if d in before else rank + free.index(d)
            part = xp.arange(size).reshape((1,) * at + (size,) + (1,) * (total - at - 1))
        out = out + part * step
    return out


def _add_at(xp: Any, out: Any, values: Any, indices: Any, dims: Any) -> None:
    """``out[indices] += values`` where places may repeat; ``out`` is contiguous."""
    if indices[0].dtype == np.bool_:
        out[key_of(indices, dims)] += values  # a mask selects no place twice
        return
    places = _places(xp, out.shape, indices, dims)
    tail = out.shape[dims[-1] + 1 :]
    values = xp.broadcast_to(values, (*places.shape, *tail))
    columns = math.prod(tail)
    values = values.reshape(places.size, columns)
    accumulate(xp, out.reshape(math.prod(out.shape[: dims[-1] + 1]), columns),
               places.reshape(-1), values)  # fmt: skip


def _index_backward_forward(xp: Any, g: Any, *indices: Any, dims: Any, shape: Any) -> Any:
    out = xp.zeros(shape, g.dtype)
    _add_at(xp, out, g, indices, dims)
    return out


def _index_put_forward(
    xp: Any, x: Any, values: Any, *indices: Any, dims: Any, accumulate: bool
) -> Any:
    out = x.copy(order="C")
    put_at(xp, out, values, indices, dims, accumulate)
    return out


def put_at(xp: Any, out: Any, values: Any, indices: Any, dims: Any, accumulate: bool) -> None:
    """Write (or add) ``values`` to the elements of the array ``out`` that ``indices`` pick.

    Raises:
        IndexError: for an index out of bounds.
        RuntimeError: if the values do not broadcast to the picked elements.
    """
    try:
        if accumulate:
            if indices[0].dtype != np.bool_:
                for i, d in zip(indices, dims, strict=True):
                    check_bounds(xp, i, out.shape[d], d, IndexError, negative=True)
            _add_at(xp, out, values, indices, dims)
        else:
            out[key_of(indices, dims)] = values
    except IndexError as error:
        raise IndexError(_in_our_words(str(error))) from None
    except ValueError:
        wanted = list(out[key_of(indices, dims)].shape)
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to "
            f"indexing result of shape {wanted}"
        ) from None


def _index_samples(make: Any) -> Any:
    i, j = np.array([2, 0, 2]), np.array([[1], [-1]])
    return [
        ((make(3, 4), i), {"dims": (0,)}),
        ((make(2, 3), np.array([[True, False, True], [False, False, True]])), {"dims": (0,)}),
        ((make(3, 4, 2), i, j), {"dims": (0, 1)}),
        ((make(3, 2, 4), i, j), {"dims": (0, 2)}),
        ((make(2, 3), np.array([[0, 0], [2, 1]])), {"dims": (1,)}),
    ]


def _index_backward_samples(make: Any) -> Any:
    i = np.array([2, 0, 2])
    return [
        ((make(3, 4), i), {"dims": (0,), "shape": (3, 4)}),
        ((make(2, 3, 3), i), {"dims": (1,), "shape": (2, 3, 3)}),
        ((make(3, 2), i, i - 1), {"dims": (0, 2), "shape": (3, 2, 3)}),
    ]


def _index_put_samples(make: Any) -> Any:
    i = np.array([2, 0, 2])
    return [
        ((make(3, 4), make(2, 4), i[:2]), {"dims": (0,), "accumulate": False}),
        ((make(3, 4), make(3, 1), i), {"dims": (0,), "accumulate": True}),
        ((make(2, 3, 2), make(2, 3, 2), i), {"dims": (1,), "accumulate": True}),
        ((make(3, 4), make(2), i[:2], i[:2] + 1), {"dims": (0, 1), "accumulate": False}),
    ]


def _rest(indices: Any) -> tuple[None, ...]:
    return (None,) * len(indices)


class _Seen:
    """Where the picked elements and the other dimensions stand in the result."""

    def __init__(self, x: Any, indices: Any, dims: tuple[int, ...]) -> None:
        self.mask = indices[0].kind == "b"
        if self.mask:
            self.picked: tuple[int, ...] = (-1,)
            taken = range(dims[0], dims[0] + len(indices[0]))
            self.at = dims[0]
        else:
            self.picked = np.broadcast_shapes(*indices)
            taken = range(0)
            adjacent = dims[-1] - dims[0] + 1 == len(dims)
            self.at = dims[0] if adjacent else 0
        gone = set(taken) or set(dims)
        rest = [d for d in range(len(x)) if d not in gone]
        before = [d for d in rest if d < dims[0]] if self.at else []
        order: list[int | None] = [*before, *[None] * len(self.picked),
                                   *[d for d in rest if d not in before]]  # fmt: skip
        self.rest = [(d, o) for o, d in enumerate(order) if d is not None]

    def picks(self, indices: Any) -> list[tuple[tuple[int | None, ...], int]]:
        """Per dimension of the picked elements: where each index is cut, and the result."""
        out = []
        rank = len(self.picked)
        for d, n in enumerate(self.picked):
            ins = []
            for i in indices:
                at = d - rank + len(i)
                ins.append(at if at >= 0 and i[at] == n else None)
            out.append((tuple(ins), self.at + d))
        return out


def _index_cuts(params: Any, x: Any, *indices: Any) -> list[Cut]:
    seen, none = _Seen(x, indices, params["dims"]), (None,) * len(indices)
    cuts = [Cut((d, *none), (o,)) for d, o in seen.rest]
    if seen.mask:
        cuts.append(Cut((params["dims"][0], 0), (seen.at,), counted=True))
    else:
        cuts += [Cut((None, *ins), (o,)) for ins, o in seen.picks(indices)]
    return [*cuts, Cut(("sum", *none), ("sum",))]


def _index_backward_cuts(params: Any, g: Any, *indices: Any) -> list[Cut]:
    shape, none = params["shape"], (None,) * len(indices)
    seen = _Seen(shape, indices, params["dims"])
    cuts = [Cut((o, *none), (d,), local_shape("shape", d, dim=o)) for d, o in seen.rest]
    if not seen.mask:
        cuts += [Cut((o, *ins), ("sum",)) for ins, o in seen.picks(indices)]
    return [*cuts, Cut(("sum", *none), ("sum",))]


def _index_put_cuts(params: Any, x: Any, values: Any, *indices: Any) -> list[Cut]:
    seen, none = _Seen(x, indices, params["dims"]), (None,) * len(indices)
    rank = len(x) - (len(indices[0]) if seen.mask else len(params["dims"])) + len(seen.picked)
    cuts = []
    for d, o in seen.rest:
        at = o - rank + len(values)
        full = at >= 0 and values[at] == x[d]
        cuts.append(Cut((d, at if full else None, *none), (d,)))
    if seen.mask and math.prod(values) == 1:
        cuts.append(Cut((params["dims"][0], None, 0), (params["dims"][0],)))
    return cuts


_index: Primitive = Primitive(
    "index",
    _index_forward,
    vjp_all=lambda g, x_shape, indices, dims: (
        apply(_index_backward, g, *indices, dims=dims, shape=tuple(x_shape)),
        *_rest(indices),
    ),
    cuts=_index_cuts,
    samples=_index_samples,
    doc="The elements that integer tensors, or one boolean mask, pick along ``dims``.",
)
_index_backward: Primitive = Primitive(
    "index_backward",
    _index_backward_forward,
    vjp_all=lambda g, indices, dims: (apply(_index, g, *indices, dims=dims), *_rest(indices)),
    low_precision=True,
    cuts=_index_backward_cuts,
    samples=_index_backward_samples,
    doc="Zeros with values added at the picked elements.",
)


def _index_put_vjp(g: Tensor, needs: Any, indices: Any, dims: Any, accumulate: bool) -> Any:
    to_x = to_values = None
    if needs[0]:
        zero = g.new_zeros(())
        to_x = g if accumulate else apply(
            _index_put, g, zero, *indices, dims=dims, accumulate=False
        )  # fmt: skip
    if needs[1]:
        to_values = apply(_index, g, *indices, dims=dims)
    return (to_x, to_values, *_rest(indices))


_index_put: Primitive = Primitive(
    "index_put",
    _index_put_forward,
    vjp_all=_index_put_vjp,
    low_precision=True,
    cuts=_index_put_cuts,
    samples=_index_put_samples,
    doc="A copy with ``values`` written, or added, at the picked elements.",
)


def part(x: Tensor, index: tuple[Any, ...]) -> Tensor:
    """The view of ``x`` that integers, slices and None select; ``index`` ends in ``...``."""
    return apply(_slice, x, index=index)


def index(x: Tensor, indices: tuple[Tensor, ...], dims: tuple[int, ...]) -> Tensor:
    """The elements that ``indices`` pick along the ascending dimensions ``dims``."""
    return apply(_index, x, *indices, dims=dims)


def put(
    x: Tensor,
    values: Tensor,
    indices: tuple[Tensor, ...],
    dims: tuple[int, ...],
    accumulate: bool = False,
) -> Tensor:
    """A copy of ``x`` with ``values`` at the elements that ``indices`` pick along ``dims``."""
    return apply(_index_put, x, values, *indices, dims=dims, accumulate=accumulate)
