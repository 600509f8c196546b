"""Which operands, leading dimensions and strides go to cuBLAS for every memory layout.

Reference: NumPy's matmul, by a stand-in for ``cublasGemmStridedBatchedEx`` that reads and writes
host memory by the same arguments, column by column, and refuses what cuBLAS refuses.
Run: pytest tests/kernels/test_cublas.py
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.tensor import pretend_cupy

TYPES = {2: np.float16, 14: ml_dtypes.bfloat16, 0: np.float32, 1: np.float64, 4: np.complex64,
         5: np.complex128}  # fmt: skip
COMPUTE = {68: (np.float32, np.complex64), 70: (np.float64, np.complex128)}
DTYPES = [np.float32, np.float64, np.complex64, np.complex128, np.float16, ml_dtypes.bfloat16]


def stacked(address: int, kind: int, rows: int, cols: int, ld: int, step: int, count: int,
            turned: bool) -> Any:  # fmt: skip
    """``count`` matrices op(A) of (rows, cols) in column order at an address."""
    stored = cols if turned else rows
    if ld < max(1, stored):
        raise ValueError(f"leading dimension {ld} for {stored} rows")
    dtype = np.dtype(TYPES[kind])
    length = (count - 1) * step + ld * ((rows if turned else cols) - 1) + stored
    memory = (ctypes.c_char * (length * dtype.itemsize)).from_address(address)
    flat = np.frombuffer(memory, dtype)
    strides = (step, ld, 1) if turned else (step, 1, ld)
    return np.lib.stride_tricks.as_strided(
        flat, (count, rows, cols), [s * dtype.itemsize for s in strides]
    )


calls: list[int] = []  # matrices per call


def gemm(
    handle: Any, ta: int, tb: int, m: int, n: int, k: int, alpha: int, a: int, a_type: int,
    lda: int, a_step: int, b: int, b_type: int, ldb: int, b_step: int, beta: int, c: int,
    c_type: int, ldc: int, c_step: int, count: int, compute: int, algorithm: int,
) -> None:  # fmt: skip
    calls.append(count)
    x = stacked(a, a_type, m, k, lda, a_step, count, bool(ta))
    y = stacked(b, b_type, k, n, ldb, b_step, count, bool(tb))
    out = stacked(c, c_type, m, n, ldc, c_step, count, False)
    scalar = np.dtype(COMPUTE[compute][np.dtype(TYPES[c_type]).kind == "c"])
    one, zero = (
        np.frombuffer((ctypes.c_char * scalar.itemsize).from_address(p), scalar)[0]
        for p in (alpha, beta)
    )
    out[...] = one * np.matmul(x.astype(scalar), y.astype(scalar)) + zero


@pytest.fixture
def matmul(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module's function, made anew over the pretended CuPy."""
    libs = types.ModuleType("cupy_backends.cuda.libs")
    libs.cublas = types.SimpleNamespace(  # type: ignore[attr-defined]
        setPointerMode=lambda *a: None, CUBLAS_POINTER_MODE_HOST=0, gemmStridedBatchedEx=gemm
    )
    module = pretend_cupy.module()
    for name in ("cupy_backends", "cupy_backends.cuda"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", libs)
    monkeypatch.setitem(sys.modules, "cupy", module)
    handle = types.SimpleNamespace(get_cublas_handle=lambda: 1)
    monkeypatch.setattr(module.cuda, "device", handle, raising=False)
    monkeypatch.delitem(sys.modules, "isograd.kernels.cublas", raising=False)
    made = importlib.import_module("isograd.kernels.cublas")
    calls.clear()
    yield made.matmul
    sys.modules.pop("isograd.kernels.cublas", None)


def layouts(a: Any) -> Iterator[Any]:
    """The same values in several memory layouts."""
    yield a.copy()
    yield np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)
    wide = np.zeros((*a.shape[:-1], a.shape[-1] * 2), a.dtype)
    wide[..., ::2] = a
    yield wide[..., ::2]  # neither rows nor columns contiguous
    padded = np.zeros((*a.shape[:-2], a.shape[-2] + 1, a.shape[-1] + 3), a.dtype)
    padded[..., :-1, 2:-1] = a
    yield padded[..., :-1, 2:-1]
    yield a[..., ::-1, :].copy()[..., ::-1, :]
    if a.ndim > 2:
        yield (
            np.ascontiguousarray(np.moveaxis(a, 0, -2))
            .swapaxes(0, 0)
            .transpose(*(a.ndim - 2,), *range(a.ndim - 2), a.ndim - 1)
        )


SHAPES = [
    ((3, 4), (4, 5)), ((1, 4), (4, 1)), ((3, 1), (1, 5)), ((1, 1), (1, 1)), ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((6, 1, 4), (6, 4, 1)),
    ((2, 6, 3, 4), (2, 6, 4, 5)), ((5, 2, 1, 4), (1, 2, 4, 3)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_every_layout(matmul: Any, shapes: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    complex_part = 1j if np.dtype(dtype).kind == "c" else 0
    a, b = (
        (rng.integers(-3, 4, s) + complex_part * rng.integers(-3, 4, s)).astype(dtype)
        for s in shapes
    )
    wide = np.complex128 if complex_part else np.float64
    want = np.matmul(a.astype(wide), b.astype(wide))  # whole numbers: exact in every dtype
    for x in layouts(a):
        np.testing.assert_array_equal(x, a)
        for y in layouts(b):
            got = matmul(pretend_cupy.DeviceArray(x), pretend_cupy.DeviceArray(y))
            assert got.dtype == dtype and got.flags.c_contiguous
            np.testing.assert_array_equal(got.get().astype(wide), want)


def test_broadcast_operands_go_in_one_call(matmul: Any) -> None:
    x = np.broadcast_to(np.arange(12.0).reshape(3, 4), (5, 3, 4))
    y = np.broadcast_to(np.arange(4.0)[:, None], (5, 4, 6))  # columns that repeat
    got = matmul(pretend_cupy.DeviceArray(x), pretend_cupy.DeviceArray(y))
    np.testing.assert_array_equal(got.get(), x @ y)
    assert calls == [5]


def test_one_call_for_a_whole_stack(matmul: Any) -> None:
    x, y = np.ones((2, 6, 3, 4)), np.ones((2, 6, 4, 5))
    matmul(pretend_cupy.DeviceArray(x), pretend_cupy.DeviceArray(y))
    matmul(pretend_cupy.DeviceArray(x), pretend_cupy.DeviceArray(y[0, 0].copy()))
    assert calls == [12, 1]


EMPTY = [
    ((0, 4), (4, 5)), ((3, 0), (0, 5)), ((2, 3, 0), (0, 4)), ((0, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 0)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", EMPTY, ids=str)
def test_nothing_to_multiply(matmul: Any, shapes: Any) -> None:
    x, y = (np.ones(s, np.float32) for s in shapes)
    got = matmul(pretend_cupy.DeviceArray(x), pretend_cupy.DeviceArray(y))
    np.testing.assert_array_equal(got.get(), x @ y)


def test_integers(matmul: Any) -> None:
    x, y = np.arange(24).reshape(2, 3, 4), np.arange(20, dtype=np.int64).reshape(4, 5)
    got = matmul(pretend_cupy.DeviceArray(x), pretend_cupy.DeviceArray(y))
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got.get(), x @ y)
