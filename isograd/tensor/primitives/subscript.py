"""Subscripts: ``x[...]`` and ``x[...] = value`` by torch's rules.

An index is read in two steps: its integers, slices, None and ``...`` make a *view*; what is left,
integer tensors and boolean masks, then picks elements of that view. So an integer beside a tensor
is taken first, as in torch and unlike in NumPy.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, as_array, wrap
from isograd.tensor.inplace import may_be_cut, recording, write_into
from isograd.tensor.primitives.indexing import index, key_of, part, put, put_at, sources
from isograd.tensor.public import public
from isograd.tensor.spread import SpreadArray, whole

__all__ = ["fill_value", "getitem", "index_put", "setitem"]


class _Index:
    """An index in two steps: ``basic`` makes a view, ``indices`` at ``dims`` pick from it."""

    __slots__ = ("basic", "dims", "indices", "plain", "shape", "source", "x")

    def __init__(self, x: Tensor, items: tuple[Any, ...]) -> None:
        self.x = x
        self.shape = x._array.shape
        self.source = 0  # dimension of x that the next item takes
        self.basic: list[Any] = []
        self.indices: list[Any] = []
        self.dims: list[int] = []
        self.plain = True  # the view would be x itself
        items = tuple(_as_item(x, item) for item in items)
        used = sum(_consumes(item) for item in items)
        if used > len(self.shape):
            self._too_many()
        rest = len(self.shape) - used
        for item in items:
            if item is Ellipsis:
                self.basic += [slice(None)] * rest
                self.source += rest
                rest = 0
            else:
                self._take(item)
        self.basic.append(Ellipsis)
        if len(self.indices) > 1:
            self._unmask()

    def _too_many(self) -> None:
        if not self.shape:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor "
                "to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {len(self.shape)}")

    def _take(self, item: Any) -> None:
        at = sum(1 for b in self.basic if not isinstance(b, int))
        if isinstance(item, int):
            check_int(item, self.shape[self.source], self.source)
            self.basic.append(item)
            self.plain = False
            self.source += 1
        elif isinstance(item, slice):
            self.basic.append(item)
            self.plain = self.plain and item == slice(None)
            self.source += 1
        elif item is None:
            self.basic.append(None)
            self.plain = False
        elif item.dtype == np.bool_ and item.ndim == 0:
            self.basic.append(None)
            self.plain = False
            self._pick(at, whole(item).reshape(1))
        else:
            rank = item.ndim if item.dtype == np.bool_ else 1
            if item.dtype == np.bool_:
                self._check_mask(item)
            self._pick(at, item)
            self.basic += [slice(None)] * rank
            self.source += rank

    def _pick(self, at: int, array: Any) -> None:
        self.indices.append(array)
        self.dims.append(at)

    def _check_mask(self, mask: Any) -> None:
        for k, size in enumerate(mask.shape):
            if size != self.shape[self.source + k]:
                raise IndexError(
                    f"The shape of the mask {list(mask.shape)} at index {k} does not match the "
                    f"shape of the indexed tensor {list(self.shape)} at index {self.source + k}"
                )

    def _unmask(self) -> None:
        """Several index tensors: masks become the indices of their true elements."""
        indices: list[Any] = []
        dims: list[int] = []
        for i, d in zip(self.indices, self.dims, strict=True):
            parts = i.nonzero() if i.dtype == np.bool_ else (i,)
            indices += parts
            dims += range(d, d + len(parts))
        self.indices, self.dims = indices, dims
        shapes = [i.shape for i in indices]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            raise IndexError(
                "shape mismatch: indexing tensors could not be broadcast together with shapes "
                + ", ".join(str(list(s)) for s in shapes)
            ) from None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(wrap(i) for i in self.indices)


def check_int(i: int, size: int, dim: int) -> None:
    """Raise IndexError if the integer index is outside of the dimension."""
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for dimension {dim} with size {size}")


def _consumes(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, (int, slice)) or item.dtype != np.bool_:
        return 1
    return int(item.ndim)


def _as_item(x: Tensor, item: Any) -> Any:
    """An index item as an int, a slice of ints, None, ``...``, or an array on x's device."""
    if item is None or item is Ellipsis or item.__class__ is int:
        return item
    if isinstance(item, slice):
        return _as_slice(item)
    if isinstance(item, (bool, np.bool_)):
        return _beside(x, np.asarray(bool(item)))
    if isinstance(item, Tensor):
        array = item._array
    elif isinstance(item, (list, tuple, range)):
        array = as_array(list(item)) if len(item) else np.zeros(0, np.int64)
    elif isinstance(item, np.ndarray):
        array = item
    else:
        try:
            return operator.index(item)
        except TypeError:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte tensors are "
                f"valid indices (got {type(item).__name__})"
            ) from None
    return _as_index_array(x, array)


def _as_index_array(x: Tensor, array: Any) -> Any:
    name = array.dtype.name
    if name == "uint8":
        array = array.astype(np.bool_)
    elif name not in ("int64", "int32", "bool") and not (array.ndim == 0 and name[:3] == "int"):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if array.ndim == 0 and array.dtype.kind == "i":
        return int(array)
    return _beside(x, array)


def _beside(x: Tensor, array: Any) -> Any:
    """The index array on the device of ``x``."""
    memory = x._array
    if isinstance(array, np.ndarray) and not isinstance(memory, np.ndarray):
        backend = backend_of(memory)
        return backend.from_numpy(array, backend.device_of(memory).index)
    return array


def _as_slice(item: slice) -> slice:
    parts = [None if v is None else operator.index(v) for v in (item.start, item.stop, item.step)]
    step = parts[2]
    if step is not None and step <= 0:
        if step == 0:
            raise ValueError("slice step cannot be zero")
        raise ValueError("step must be greater than zero; use flip() to reverse a dimension")
    return slice(*parts)


def _items(index: Any) -> tuple[Any, ...]:
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) < 32 and any(_is_item(v) for v in index):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated; use "
            "x[tuple(seq)] instead of x[seq]",
            UserWarning,
            stacklevel=4,
        )
        return tuple(index)
    return (index,)


def _is_item(v: Any) -> bool:
    if isinstance(v, Tensor):
        return v.ndim > 0
    return v is None or v is Ellipsis or isinstance(v, (slice, list, tuple))


# -- the operators


def getitem(x: Tensor, index_: Any) -> Tensor:
    """``x[index]``: a view for integers, slices, None and ``...``; else a copy.

    Raises:
        IndexError: for too many indices, one out of bounds, or one of a wrong type or shape.
        ValueError: for a slice with a step that is not positive.
    """
    if index_.__class__ is int:
        shape = x._array.shape
        if shape and -shape[0] <= index_ < shape[0]:
            return part(x, (index_, ...))
    found = _Index(x, _items(index_))
    if not found.indices:
        return part(x, tuple(found.basic))
    seen = x if found.plain else part(x, tuple(found.basic))
    return index(seen, found.tensors, tuple(found.dims))


def setitem(x: Tensor, index_: Any, value: Any) -> None:
    """``x[index] = value``, with gradients to what is kept and to the value.

    Raises:
        IndexError: as for reading.
        RuntimeError: if the value does not broadcast to what the index selects.
        TypeError: if the value is neither a tensor nor a number.
    """
    found = _Index(x, _items(index_))
    value = _assignable(x, value)
    if may_be_cut(x):
        _cut_as_written(x, found, value)
    if isinstance(x._array, SpreadArray):
        _set_spread(x, found, value)
        return
    if not recording(x, value):
        _check_memory(x._array)
        found.indices = [whole(i) for i in found.indices]
        _store(x._array[tuple(found.basic)], found, whole(value._array))
        x._bump()
        return
    _write(x, found, value)


def _cut_as_written(x: Tensor, found: _Index, value: Tensor) -> None:
    """Cut a tensor along the dimension along which what is written to it, or the mask, is cut."""
    by = found.indices[0] if found.indices else value._array
    own = by.cut() if isinstance(by, SpreadArray) else None
    if own is None or (found.indices and by.dtype != np.bool_):
        return
    seen = [pair for pair in sources(tuple(found.basic), x.ndim) if not isinstance(pair[1], int)]
    at = own + (found.dims[0] if found.indices else len(seen) - by.ndim)
    if not 0 <= at < len(seen):
        return
    dim, item = seen[at]
    if dim is not None and item == slice(None) and x.shape[dim] == by.shape[own]:
        x._array = by.cut_alike(x._array, dim)


def _write(x: Tensor, found: _Index, value: Tensor) -> None:
    view = part(x, tuple(found.basic))
    if not found.indices:
        write_into(view, _replaced, (value,), name="__setitem__")
        return
    target = x if found.plain else view
    write_into(target, _put_all, (value, found.tensors, tuple(found.dims)), name="__setitem__")


def _set_spread(x: Tensor, found: _Index, value: Tensor) -> None:
    """Write to a part of a tensor in pieces: through a view where the pieces have one."""
    if found.plain or part(x, tuple(found.basic))._base is not None:
        _write(x, found, value)
    else:
        write_into(x, _with_part, (found, value), name="__setitem__")


def _with_part(old: Tensor, found: _Index, value: Tensor) -> Tensor:
    """``old`` with the value in place of what the index selects."""
    places = wrap(backend_of(old._array).xp.arange(old.numel()).reshape(old.shape))
    seen = part(places, tuple(found.basic))
    if found.indices:
        seen = index(seen, found.tensors, tuple(found.dims))
    flat = put(old.reshape(-1), _replaced(seen, value).reshape(-1), (seen.reshape(-1),), (0,))
    return flat.reshape(old.shape)


def _store(target: Any, found: _Index, values: Any) -> None:
    if found.indices:
        xp = backend_of(target).xp
        values = _without_leading_ones(values, target[key_of(found.indices, found.dims)].ndim
                                       if values.ndim > 1 else values.ndim)  # fmt: skip
        put_at(xp, target, values, tuple(found.indices), tuple(found.dims), False)
        return
    values = _without_leading_ones(values, target.ndim)
    try:
        target[...] = values
    except ValueError:
        _not_expandable(values.shape, target.shape)


def _not_expandable(have: Any, wanted: Any) -> None:
    raise RuntimeError(
        f"shape mismatch: value tensor of shape {list(have)} cannot be broadcast to indexing "
        f"result of shape {list(wanted)}: its size must match at every non-singleton dimension"
    )


def _without_leading_ones(values: Any, ndim: int) -> Any:
    extra = max(0, values.ndim - ndim)
    if extra and all(s == 1 for s in values.shape[:extra]):
        return values.reshape(values.shape[extra:])
    return values


def _replaced(old: Tensor, value: Tensor) -> Tensor:
    value = _without_leading_ones(value, old.ndim)
    if value.ndim > old.ndim or any(
        v not in (1, o)
        for v, o in zip(value.shape, old.shape[old.ndim - value.ndim :], strict=True)
    ):
        _not_expandable(value.shape, old.shape)
    return value.expand(old.shape)


def _put_all(old: Tensor, value: Tensor, indices: Any, dims: Any) -> Tensor:
    if value.ndim > 1 and value.shape[0] == 1:
        value = _without_leading_ones(value, index(old.detach(), indices, dims).ndim)
    return put(old, value, indices, dims)


def _assignable(x: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        same: Tensor = value if value.dtype is x.dtype else value.to(x.dtype)
        if isinstance(same._array, np.ndarray) and not isinstance(x._array, np.ndarray):
            same = same.to(x.device)
        return same
    complaint = f"can't assign a {type(value).__name__} to a {x.dtype} tensor"
    return wrap(fill_value(x, value, complaint))


def fill_value(x: Tensor, value: Any, complaint: str) -> Any:
    """A number as a 0-d array of the dtype and on the device of ``x``.

    Raises:
        TypeError: with ``complaint``, if it is no number.
        RuntimeError: if the dtype cannot hold it.
    """
    if not isinstance(value, (bool, int, float, complex, np.number, np.bool_)):
        raise TypeError(complaint)
    kind = x._array.dtype
    if isinstance(value, (complex, np.complexfloating)) and kind.kind != "c":
        raise RuntimeError(f"value cannot be converted to type {x.dtype} without overflow")
    if kind.kind in "iu" and isinstance(value, (int, np.integer)):
        limits = np.iinfo(kind)
        if not limits.min <= value <= limits.max:
            raise RuntimeError(f"value cannot be converted to type {x.dtype} without overflow")
    return backend_of(x._array).xp.asarray(value).astype(kind)


def _check_memory(memory: Any) -> None:
    if 0 in memory.strides and memory.size > 1:
        if any(s == 0 and n > 1 for s, n in zip(memory.strides, memory.shape, strict=True)):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a "
                "single memory location. Please clone() the tensor before performing the operation."
            )


def _install(cls: Any) -> None:
    cls.__getitem__ = getitem
    cls.__setitem__ = setitem


_install(Tensor)


@public(inplace=True)
def index_put(
    input: Tensor, indices: tuple[Any, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy with ``values`` written to ``input[indices]``, or added to it.

    Args:
        indices: a tensor (or None: everything) per dimension.
        accumulate: add, also where an element is picked more than once.

    Raises:
        RuntimeError: if the dtypes differ or the values do not broadcast.
    """
    if values.dtype is not input.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{input.dtype} for the destination and {values.dtype} for the source."
        )
    items = [slice(None) if i is None else _at_least_one(i) for i in indices]
    found = _Index(input, tuple(items))
    return put(input, values, found.tensors, tuple(found.dims), accumulate)


def _at_least_one(i: Tensor) -> Any:
    return i.reshape(1) if i.ndim == 0 and i.dtype.category == 1 else i
