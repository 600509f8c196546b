"""From a list of samples to a batch.

`default_collate` stacks tensors, arrays and numbers along a new first dimension and goes into
mappings and sequences; strings stay a list.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.creation import from_numpy, tensor
from isograd.tensor.primitives.shape import stack

__all__ = [
    "collate",
    "default_collate",
    "default_collate_fn_map",
    "default_convert",
    "is_namedtuple",
    "mapping_like",
    "sequence_like",
]


def default_collate(batch: Any) -> Any:
    """A batch of samples that are all built alike.

    Shape:
        n tensors or arrays (*) -> a tensor (n, *); n numbers -> (n,), float64 for Python floats;
        n tuples of k -> a list of k batches; n mappings -> a mapping of batches.

    Raises:
        RuntimeError: for tensors of different shapes, or sequences of different lengths.
        TypeError: for samples of another type (write a ``collate_fn``).

    Example:
        >>> default_collate([(1, "a"), (2, "b")])
        [tensor([1, 2]), ['a', 'b']]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None) -> Any:
    """`default_collate` with a table of one's own: type (or tuple of types) -> function.

    A function is called as ``function(batch, collate_fn_map=table)``.
    """
    first = batch[0]
    function = _look_up(type(first), collate_fn_map or {})
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        columns = {
            key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map)
            for key in first
        }
        return mapping_like(first, columns)
    if is_namedtuple(first):
        return type(first)(*_collate_columns(batch, collate_fn_map))
    if isinstance(first, Sequence):
        return sequence_like(first, _collate_columns(batch, collate_fn_map))
    raise TypeError(_unknown(type(first)))


def default_convert(data: Any) -> Any:
    """Arrays and NumPy numbers to tensors, inside of mappings and sequences too; the rest as it is.

    What a loader does to each sample when it makes no batches (``batch_size=None``).

    Example:
        >>> default_convert([np.zeros(2), "text", 3])
        [tensor([0., 0.], dtype=float64), 'text', 3]
    """
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "SUO" else from_numpy(np.asarray(data))
    if isinstance(data, Mapping):
        return mapping_like(data, {key: default_convert(data[key]) for key in data})
    if is_namedtuple(data):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return sequence_like(data, [default_convert(value) for value in data])
    return data


def _look_up(kind: type, table: dict[Any, Callable[..., Any]]) -> Callable[..., Any] | None:
    if kind in table:
        return table[kind]
    for known, function in table.items():
        if issubclass(kind, known):
            return function
    return None


def _collate_columns(batch: Any, table: dict[Any, Callable[..., Any]] | None) -> list[Any]:
    """The samples turned on their side: one batch for each of their places."""
    lengths = [len(sample) for sample in batch]
    if len(set(lengths)) > 1:
        odd = next(i for i, length in enumerate(lengths) if length != lengths[0])
        raise RuntimeError(
            "each element in list of batch should be of equal size, "
            f"but got {lengths[0]} at entry 0 and {lengths[odd]} at entry {odd}"
        )
    return [collate(column, collate_fn_map=table) for column in zip(*batch)]


def mapping_like(model: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """``values`` in a mapping of the model's class; a plain one if it cannot be made."""
    try:
        if isinstance(model, MutableMapping):
            clone = copy.copy(model)
            clone.update(values)
            return clone
        return type(model)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def sequence_like(model: Sequence[Any], values: list[Any]) -> Any:
    """``values`` in a sequence of the model's class; a list for tuples, as torch has it."""
    if isinstance(model, tuple) or type(model) is list:
        return values
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            for i, value in enumerate(values):
                clone[i] = value
            return clone
        return type(model)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def is_namedtuple(value: Any) -> bool:
    """Whether ``value`` is an instance of a named tuple's class."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _unknown(kind: Any) -> str:
    return (
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {kind}"
    )


# -- leaves


def _collate_tensors(batch: Any, *, collate_fn_map: Any = None) -> Any:
    arrays: list[Any] = []
    for entry in batch:
        if not isinstance(entry, Tensor):
            raise TypeError(
                f"expected Tensor as element {len(arrays)} of the batch, "
                f"but got {type(entry).__name__}"
            )
        if entry._requires_grad or entry._array.__class__ is not np.ndarray:
            return stack(list(batch))
        arrays.append(entry._array)
    return _stack_arrays(arrays)


def _stack_arrays(arrays: list[Any]) -> Tensor:
    first = arrays[0]
    shape = first.shape
    for i, array in enumerate(arrays):
        if array.shape != shape:
            raise RuntimeError(
                "stack expects each tensor to be equal size, "
                f"but got {list(shape)} at entry 0 and {list(array.shape)} at entry {i}"
            )
        if array.dtype != first.dtype:
            return stack([wrap(a) for a in arrays])  # its promotion
    if first.ndim == 0:
        return wrap(np.array([a.item() for a in arrays], first.dtype))
    # joined flat and cut again: np.stack would make a view of each array first
    return wrap(np.concatenate(arrays).reshape(len(arrays), *shape))


def _collate_arrays(batch: Any, *, collate_fn_map: Any = None) -> Any:
    for array in batch:
        if array.dtype.kind in "SUO":
            raise TypeError(_unknown(array.dtype))
        dtypes.from_numpy(array.dtype)  # raises for what no tensor has
    return _stack_arrays(list(batch))


def _collate_numpy_numbers(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return from_numpy(np.array(batch))


def _collate_floats(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return tensor(batch, dtype=dtypes.float64)


def _collate_ints(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return tensor(batch)


def _collate_strings(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return list(batch)


default_collate_fn_map: dict[Any, Callable[..., Any]] = {
    Tensor: _collate_tensors,
    np.ndarray: _collate_arrays,
    (np.bool_, np.number): _collate_numpy_numbers,
    float: _collate_floats,
    int: _collate_ints,
    str: _collate_strings,
    bytes: _collate_strings,
}
