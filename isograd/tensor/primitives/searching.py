"""Look values up: searchsorted and bucketize, unique, isin."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.shape import wrap_dim
from isograd.tensor.public import public

__all__ = ["bucketize", "isin", "searchsorted", "unique", "unique_consecutive"]

# -- places in a sorted sequence


def _search_forward(
    xp: Any, boundaries: Any, values: Any, sorter: Any, *, side: str, kind: Any
) -> Any:
    if sorter is not None:
        boundaries = xp.take_along_axis(boundaries, sorter.astype(np.int64), -1)
    if boundaries.dtype != values.dtype:
        common = np.promote_types(boundaries.dtype, values.dtype)
        boundaries, values = boundaries.astype(common), values.astype(common)
    if boundaries.ndim == 1:
        flat = xp.searchsorted(boundaries, values.reshape(-1), side=side)
        return flat.reshape(values.shape).astype(kind)
    count = math.prod(boundaries.shape[:-1])
    rows = boundaries.reshape(count, boundaries.shape[-1])
    wanted = values.reshape(count, values.shape[-1])
    out = xp.zeros(wanted.shape, kind)
    for i in range(rows.shape[0]):
        out[i] = xp.searchsorted(rows[i], wanted[i], side=side)
    return out.reshape(values.shape)


def _search_cuts(params: Any, boundaries: Any, values: Any, sorter: Any) -> Iterable[Cut]:
    """Rows with their values, and values of the same row."""
    for d in range(len(values)):
        if len(boundaries) == 1 or d == len(values) - 1:
            yield Cut((None, d, None), (d,))
        else:
            yield Cut((d, d, d if sorter else None), (d,))


def _search_samples(make: Any) -> Any:
    rows = np.sort(make(2, 4), -1)
    params = {"side": "right", "kind": np.dtype(np.int64)}
    return [((rows[0], make(2, 3), None), params), ((rows, make(2, 3), None), params)]


_search = Primitive(
    "searchsorted",
    _search_forward,
    low_precision=True,
    nondifferentiable=True,
    cuts=_search_cuts,
    samples=_search_samples,
    doc="Where values would be inserted into sorted rows.",
)


@public(method=False, out=True)
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value of ``input`` would be inserted into the sorted last dimension.

    Args:
        right: insert behind equal values; ``side="right"`` says the same.
        sorter: the order that sorts ``sorted_sequence``, where it is not sorted itself.

    Shape:
        The input's; a sequence of more than one dimension matches it in all but the last.

    Raises:
        RuntimeError: for shapes that do not match, or a ``side`` that contradicts ``right``.
    """
    name = "torch.searchsorted()"
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"{name}: side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            f"{name}: side and right can't be set to opposites, got side of left while right was "
            "True"
        )
    value = input if isinstance(input, Tensor) else _number_like(sorted_sequence, input)
    _check_search(name, sorted_sequence, value, sorter)
    return apply(
        _search,
        sorted_sequence,
        value,
        sorter,
        side="right" if right or side == "right" else "left",
        kind=np.dtype(np.int32 if out_int32 else np.int64),
    )


def _number_like(near: Tensor, value: Any) -> Tensor:
    array = np.asarray(value)
    target = near._array.dtype
    if array.dtype.kind == "f" and target.kind in "iub":
        target = dtypes.get_default_dtype().np
    return wrap(backend_of(near._array).xp.asarray(array.astype(target)))


def _check_search(name: str, sequence: Tensor, value: Tensor, sorter: Tensor | None) -> None:
    if sequence.ndim == 0:
        raise RuntimeError(f"{name}: boundaries tensor should have positive dimension, but got 0")
    if value.ndim == 0 and sequence.ndim != 1:
        raise RuntimeError(
            f"{name}: input value can be a scalar only when boundaries tensor dimension is 1, but "
            f"we got boundaries tensor dim({sequence.ndim})"
        )
    if sequence.ndim != 1 and (
        sequence.ndim != value.ndim or sequence.shape[:-1] != value.shape[:-1]
    ):
        raise RuntimeError(
            f"{name}: boundaries tensor should be 1 dimension or the first N-1 dimensions of "
            f"boundaries tensor and input value tensor must match, but we got boundaries tensor "
            f"{list(sequence.shape)} and input value tensor {list(value.shape)}"
        )
    if sorter is None:
        return
    if sorter.shape != sequence.shape:
        raise RuntimeError(
            f"{name}: boundary and sorter must have the same size, but got boundary tensor "
            f"{list(sequence.shape)} and got sorter tensor {list(sorter.shape)}"
        )
    if sorter.dtype is not dtypes.int64:
        raise RuntimeError(f"{name}: sorter must be a tensor of long dtype but got {sorter.dtype}")
    host = sorter._array
    if isinstance(host, np.ndarray) and host.size:
        if host.min() < 0 or host.max() >= sequence.shape[-1]:
            raise RuntimeError(f"{name}: sorter index out of range")


@public(method=False, out=True)
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The number of the bucket between ``boundaries`` (a sorted vector) that holds each value.

    Raises:
        RuntimeError: if the boundaries are no vector.
    """
    if boundaries.ndim != 1:
        raise RuntimeError(
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


# -- unique values


def _runs(xp: Any, rows: Any, order: Any) -> tuple[Any, Any, Any]:
    """Which rows begin a run of equal ones, the run of each original row, the runs' lengths.

    Args:
        rows: (n, ...), equal ones next to each other.
        order: original number of each row, or None if they are in the original order.
    """
    first = xp.ones(rows.shape[0], bool)
    if rows.shape[0] > 1:
        differs = rows[1:] != rows[:-1]
        first[1:] = differs.reshape(differs.shape[0], -1).any(1)
    number = xp.cumsum(first) - 1
    counts = xp.bincount(number) if number.size else xp.zeros(0, np.int64)
    inverse = number
    if order is not None:
        inverse = xp.empty_like(number)
        inverse[order] = number
    return first, inverse.astype(np.int64), counts.astype(np.int64)


def _unique_forward(xp: Any, x: Any, *, dim: int | None, sort: bool) -> Any:
    """Unique values, the number of each input's value, and how often each occurs."""
    rows = x.reshape(-1) if dim is None else xp.moveaxis(x, dim, 0)
    order = None
    if sort:
        order = _row_order(xp, rows)
        rows = rows[order]
    first, inverse, counts = _runs(xp, rows, order)
    values = rows[first]
    if dim is None:
        return values, inverse.reshape(x.shape), counts
    return xp.ascontiguousarray(xp.moveaxis(values, 0, dim)), inverse, counts


def _row_order(xp: Any, rows: Any) -> Any:
    """A stable lexicographic order of the rows."""
    if rows.ndim == 1:
        return np.argsort(rows, kind="stable") if xp is np else xp.argsort(rows)
    columns = rows.reshape(rows.shape[0], -1).T[::-1]
    if columns.shape[0] == 0:
        return xp.arange(rows.shape[0])
    return xp.lexsort(xp.ascontiguousarray(columns))


_unique = Primitive(
    "unique",
    _unique_forward,
    outputs=3,
    low_precision=True,
    nondifferentiable=True,
    doc="Unique values (or slices along `dim`), their numbers and counts.",
)


def _unique_results(found: Any, inverse: bool, counts: bool) -> Any:
    out = (found[0], *([found[1]] if inverse else []), *([found[2]] if counts else []))
    return out if len(out) > 1 else out[0]


@public()
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values (or, with ``dim``, slices), in ascending order.

    Every nan counts as a value of its own.

    Returns:
        The values, then where asked for: the number of each input's value, and the counts.

    Example:
        >>> values, counts = unique(tensor([2, 1, 2]), return_counts=True)  # [1, 2], [1, 2]
    """
    dim = None if dim is None else wrap_dim(dim, input.ndim, "unique")
    _check_empty(input, dim)
    found = apply(_unique, _with_dims(input, dim), dim=dim, sort=True)
    return _unique_results(found, return_inverse, return_counts)


@public()
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The input with runs of equal values (or, with ``dim``, slices) shortened to one.

    Returns:
        As :func:`unique`.
    """
    dim = None if dim is None else wrap_dim(dim, input.ndim, "unique_consecutive")
    _check_empty(input, dim)
    found = apply(_unique, _with_dims(input, dim), dim=dim, sort=False)
    return _unique_results(found, return_inverse, return_counts)


def _with_dims(input: Tensor, dim: int | None) -> Tensor:
    return input.reshape(1) if dim is not None and input.ndim == 0 else input


def _check_empty(input: Tensor, dim: int | None) -> None:
    if dim is not None and input.numel() == 0 and input.ndim:
        others = [n for d, n in enumerate(input.shape) if d != dim]
        if 0 in others:
            raise RuntimeError(
                "There are 0 sized dimensions, and they aren't selected by `dim`, so unique cannot "
                "be applied"
            )


def _isin_forward(xp: Any, x: Any, y: Any, *, invert: bool) -> Any:
    if x.dtype != y.dtype:
        common = np.promote_types(x.dtype, y.dtype)
        x, y = x.astype(common), y.astype(common)
    found = xp.isin(x, y)
    return ~found if invert else found


def _isin_cuts(params: Any, x: Any, y: Any) -> Iterable[Cut]:
    for d in range(len(x)):
        yield Cut((d, None), (d,))
    for d in range(len(y)):
        yield Cut((None, d), ("min" if params["invert"] else "max",))


_isin = Primitive(
    "isin",
    _isin_forward,
    low_precision=True,
    nondifferentiable=True,
    cuts=_isin_cuts,
    samples=lambda make: [
        ((np.array([[1, 2, 3], [4, 5, 6]]), np.array([2, 5, 9])), {"invert": invert})
        for invert in (False, True)
    ],
    doc="Whether each element is among others.",
)


@public(method=False, out=True)
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each of ``elements`` is among ``test_elements``; one of them may be a number.

    Args:
        assume_unique: accepted for torch's sake; it makes no difference here.
        invert: tell whether it is *not* among them.

    Raises:
        TypeError: if neither is a tensor.
    """
    if isinstance(elements, Tensor):
        x = elements
        y = (
            test_elements
            if isinstance(test_elements, Tensor)
            else _number_like(elements, test_elements)
        )
    elif isinstance(test_elements, Tensor):
        x, y = _number_like(test_elements, elements), test_elements
    else:
        raise TypeError(
            f"isin(): at least one argument must be a tensor, got {type(elements).__name__} and "
            f"{type(test_elements).__name__}"
        )
    return apply(_isin, x, y, invert=invert)
