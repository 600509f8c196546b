"""Checks and small helpers that the functions of matrices share.

A *matrix* argument has shape (..., n, m): the leading dimensions are a batch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import Cut, Cuts
from isograd.tensor.dtypes import from_numpy
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.shape import transpose
from isograd.tensor.spread import whole

__all__ = [
    "LinAlgError",
    "batched",
    "checked",
    "eye_like",
    "lapack",
    "matrix_cuts",
    "need_floating",
    "need_matrix",
    "need_same_dtype",
    "need_square",
    "on_host",
    "real",
    "transposed",
    "zeros_of",
]


class LinAlgError(RuntimeError):
    """A matrix has not the property that an operation needs, such as being invertible."""


_LEGACY_NAMES = {
    "float16": "Half", "bfloat16": "BFloat16", "bool": "Bool", "uint8": "Byte", "int8": "Char",
    "int16": "Short", "int32": "Int", "int64": "Long", "float32": "Float", "float64": "Double",
}  # fmt: skip


def need_floating(name: str, x: Tensor, low: bool = False) -> None:
    """Raise unless the dtype is floating or complex (and of full precision, unless ``low``)."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(x).__name__}")
    d = from_numpy(x._array.dtype)
    shown = _LEGACY_NAMES.get(d.name, d.name)
    if d.category < 2:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {shown}"
        )
    if not low and d.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {shown}")


def need_matrix(name: str, x: Tensor, argument: str = "A") -> None:
    """Raise unless ``x`` is a batch of floating or complex matrices."""
    need_floating(name, x)
    if x._array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")


def need_square(name: str, x: Tensor, argument: str = "A") -> None:
    """Raise unless ``x`` is a batch of floating or complex square matrices."""
    need_matrix(name, x, argument)
    n, m = x._array.shape[-2:]
    if n != m:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are {n} by {m} "
            "matrices"
        )


def need_same_dtype(name: str, a: Tensor, b: Tensor) -> None:
    """Raise unless both tensors have one dtype."""
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(
            f"{name}: Expected both inputs to have the same dtype, but got {a.dtype} and {b.dtype}"
        )


def lapack(name: str, complaint: str, fn: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
    """Call ``fn`` and turn NumPy's error into ours.

    Raises:
        LinAlgError: with ``complaint``, where the library reports a failure.
    """
    try:
        return fn(*arrays, **options)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name}: {complaint}") from error


def on_host(x: Tensor) -> Any:
    """The values as a NumPy array, to look into them for an error message."""
    array = whole(x._array)
    return backend_of(array).to_numpy(array)


def checked(xp: Any) -> Any:
    """CuPy reports failures of cuSOLVER only inside this context; NumPy always does."""
    if xp is np:
        return nullcontext()
    return importlib.import_module("cupyx").errstate(linalg="raise")


def batched(xp: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Both batches of matrices with one batch shape, which CuPy wants and NumPy makes itself."""
    if xp is np or x.shape[:-2] == y.shape[:-2]:
        return x, y
    shape = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return tuple(xp.broadcast_to(a, shape + a.shape[-2:]) for a in (x, y))


def matrix_cuts(outputs: int = 1) -> Cuts:
    """Of functions of each matrix in a batch."""

    def cuts(params: Any, x: tuple[int, ...]) -> Iterable[Cut]:
        for d in range(len(x) - 2):
            yield Cut((d,), (d,) * outputs, empties=True)

    return cuts


def transposed(x: Tensor) -> Tensor:
    """The conjugate transpose of the last two dimensions."""
    return conj(transpose(x, -2, -1))


def real(x: Tensor) -> Tensor:
    """The real part; real tensors as they are."""
    return x.real if x.is_complex() else x


def zeros_of(x: Tensor) -> Tensor:
    """Zeros like ``x`` that depend on it, with gradient 0."""
    return x.masked_fill(wrap(backend_of(x._array).xp.ones((), bool)), 0)


def eye_like(x: Tensor, n: int | None = None) -> Tensor:
    """The identity (n, n) in the dtype and on the device of ``x``; n is its last length."""
    xp = backend_of(x._array).xp
    return wrap(xp.eye(x._array.shape[-1] if n is None else n, dtype=x._array.dtype))
