"""Reduce rows into places that repeat: ``out[index[k]] = op(out[index[k]], values[k])``.

What scatter, index_add and the gradient of indexing have in common. The order of the additions is
the order of ``k``, on every device, so equal inputs give equal bits. The host goes through a
one-dimensional ``ufunc.at``, or row by row. The GPU sorts the places (a stable sort) and walks each
run of equal places with one thread per column, where atomic additions would differ between runs.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from isograd.tensor.dtypes import is_low_precision

__all__ = ["accumulate", "accumulate_along", "check_bounds", "places_along", "places_in"]

_CHUNK = 1 << 18  # elements whose places are computed at once on the host
_WIDE = 256  # rows this long are reduced one call each, which is faster then

_UFUNCS: dict[str, Any] = {
    "sum": np.add,
    "prod": np.multiply,
    "amax": np.maximum,
    "amin": np.minimum,
}
_STEPS = {
    "sum": "acc = acc + v",
    "prod": "acc = acc * v",
    "amax": "acc = (v > acc || v != v) ? v : acc",
    "amin": "acc = (v < acc || v != v) ? v : acc",
}


def accumulate(xp: Any, out: Any, index: Any, values: Any, reduce: str = "sum") -> None:
    """Reduce ``values`` (K, C) into the rows ``index`` (K,) of ``out`` (N, C), which is contiguous.

    Args:
        index: places in [0, N); they may repeat.
        reduce: ``"sum"``, ``"prod"``, ``"amax"`` or ``"amin"``; nan wins a comparison.
    """
    if index.size == 0 or out.size == 0:
        return
    if xp is np:
        with np.errstate(all="ignore"):  # inf - inf and comparisons with nan are no news
            _on_host(out, index, values, _UFUNCS[reduce])
    else:
        _on_device(xp, out, index, values, reduce)


def _on_host(out: Any, index: Any, values: Any, ufunc: Any) -> None:
    columns = out.shape[1]
    flat = out.reshape(-1)
    if columns == 1:
        ufunc.at(flat, index, values.reshape(-1))
        return
    if columns >= _WIDE:
        rows_of = zip([out[k] for k in index.tolist()], values, strict=True)
        for row, value in rows_of:
            ufunc(row, value, out=row)
        return
    column = np.arange(columns)
    rows = max(1, _CHUNK // columns)
    for start in range(0, index.shape[0], rows):
        places = index[start : start + rows, None] * columns + column  # (rows, C)
        ufunc.at(flat, places.reshape(-1), values[start : start + rows].reshape(-1))


def _on_device(xp: Any, out: Any, index: Any, values: Any, reduce: str) -> None:
    order = xp.argsort(index)  # CuPy's sort is stable
    places = index[order].astype(np.int64)
    columns = out.shape[1]
    _kernel(reduce, is_low_precision(out.dtype))(
        xp.ascontiguousarray(values), order.astype(np.int64), places, columns, places.size, out,
        size=places.size * columns,
    )  # fmt: skip


@cache
def _kernel(reduce: str, low: bool) -> Any:
    """float16 and bfloat16 are reduced in float32 (``C``) and rounded once."""
    import cupy  # only where a GPU is in use

    return cupy.ElementwiseKernel(
        "raw T values, raw int64 order, raw int64 places, int64 columns, int64 count",
        "raw T out",
        f"""
        const ptrdiff_t first = i / columns, c = i % columns;
        const long long place = places[first];
        if (first == 0 || places[first - 1] != place) {{
            C acc = out[place * columns + c];
            for (ptrdiff_t k = first; k < count && places[k] == place; ++k) {{
                const C v = values[order[k] * columns + c];
                {_STEPS[reduce]};
            }}
            out[place * columns + c] = acc;
        }}
        """,
        f"isograd_accumulate_{reduce}",
        preamble=f"typedef {'float' if low else 'T'} C;",
    )


def check_bounds(
    xp: Any, index: Any, size: int, dim: int, error: type[Exception], negative: bool = False
) -> None:
    """Raise ``error`` for an index outside of [0, size), or of [-size, size).

    On a device the check would wait for it, and is left out.
    """
    if xp is not np or index.size == 0:
        return
    low, high = int(index.min()), int(index.max())
    if low < (-size if negative else 0) or high >= size:
        bad = high if high >= size else low
        raise error(f"index {bad} is out of bounds for dimension {dim} with size {size}")


def places_along(xp: Any, shape: tuple[int, ...], index: Any, dim: int) -> Any:
    """Flat places, in a contiguous array of ``shape``, of the elements ``index`` along ``dim``.

    Args:
        index: integers; it has as many dimensions as ``shape``, and along those other than
            ``dim`` selects the first ones.
    """
    places = index.astype(np.int64) * math.prod(shape[dim + 1 :])
    for d, size in enumerate(index.shape):
        if d != dim and size > 1:
            step = math.prod(shape[d + 1 :])
            along = xp.arange(0, size * step, step) if step else xp.zeros(size, np.int64)
            places += along.reshape((size,) + (1,) * (index.ndim - d - 1))
    return places


def places_in(xp: Any, shape: tuple[int, ...], index: Any, dim: int) -> Any:
    """`places_along` as a vector, checked; numbers count as vectors of one.

    Raises:
        RuntimeError: for an index out of bounds (on the host).
    """
    if not shape or index.ndim == 0:
        shape, index = (math.prod(shape),), index.reshape(-1)
    check_bounds(xp, index, shape[dim], dim, RuntimeError)
    return places_along(xp, shape, index, dim).reshape(-1)


def accumulate_along(
    xp: Any, out: Any, index: Any, values: Any, dim: int, reduce: str = "sum"
) -> None:
    """Reduce ``values`` into the contiguous array ``out`` at ``index`` along ``dim``."""
    places = places_in(xp, out.shape, index, dim)
    values = xp.broadcast_to(values, index.shape).reshape(-1, 1)
    accumulate(xp, out.reshape(-1, 1), places, values, reduce)
