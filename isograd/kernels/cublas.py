"""Matrix products on the GPU through cuBLAS, for every dtype and memory layout.

CuPy's ``matmul`` is broken for bfloat16 stacks, upcasts float16 and copies transposed views, so
stacks go to ``cublasGemmStridedBatchedEx`` directly. A matrix whose rows or columns are contiguous
is passed as it lies; only others are copied. float16 and bfloat16 accumulate in float32.

cuBLAS is column-major: the row-major product ``C = A B`` is computed as ``C^T = B^T A^T``.
Source: NVIDIA cuBLAS documentation, "cublasGemmStridedBatchedEx".
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import cupy as cp
import ml_dtypes
import numpy as np
from cupy_backends.cuda.libs import cublas

from isograd.tensor.precision import state as precision

__all__ = ["matmul"]

# cudaDataType_t and cublasComputeType_t
_TYPES = {
    np.dtype(np.float16): (2, 68),
    np.dtype(ml_dtypes.bfloat16): (14, 68),
    np.dtype(np.float32): (0, 68),
    np.dtype(np.float64): (1, 70),
    np.dtype(np.complex64): (4, 68),
    np.dtype(np.complex128): (5, 70),
}
_COMPUTE_32F_FAST_TF32 = 77
_DEFAULT_ALGORITHM = -1


def matmul(x: Any, y: Any) -> Any:
    """``(..., n, k) @ (..., k, m) -> (..., n, m)`` with broadcast leading dimensions."""
    if x.dtype not in _TYPES:
        return _integer_matmul(x, y)
    if x.ndim > 2 and y.ndim == 2 and x.flags.c_contiguous:
        flat = matmul(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), y)
        return flat.reshape(*x.shape[:-1], y.shape[-1])
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    n, k, m = x.shape[-2], x.shape[-1], y.shape[-1]
    out = cp.empty((*batch, n, m), x.dtype)
    if out.size == 0:
        return out
    if k == 0:
        out.fill(0)
        return out
    x = cp.broadcast_to(_laid_out(x), (*batch, n, k))
    y = cp.broadcast_to(_laid_out(y), (*batch, k, m))
    inner = _strided_dims(batch, (x, y, out))
    outer = batch[: len(batch) - inner]
    for index in itertools.product(*map(range, outer)):
        _gemm(x[index], y[index], out[index])
    return out


def _integer_matmul(x: Any, y: Any) -> Any:
    """cuBLAS has no integer products: sum of elementwise ones, row by row of the right side."""
    return (x[..., :, :, None] * y[..., None, :, :]).sum(axis=-2, dtype=x.dtype)


def _laid_out(a: Any) -> Any:
    """``a``, or a copy if neither its rows nor its columns are contiguous."""
    item, (rows, cols) = a.itemsize, a.strides[-2:]
    n, m = a.shape[-2:]
    by_rows = (cols == item or m == 1) and rows >= m * item and rows % item == 0
    by_cols = (rows == item or n == 1) and cols >= n * item and cols % item == 0
    return a if by_rows or by_cols else cp.ascontiguousarray(a)


def _strided_dims(batch: Any, arrays: Any) -> int:
    """How many trailing batch dimensions one stride describes in all arrays."""
    inner = min(1, len(batch))
    while inner < len(batch):
        d = len(batch) - inner - 1
        if any(a.strides[d] != a.strides[d + 1] * batch[d + 1] for a in arrays):
            break
        inner += 1
    return inner


def _operand(a: Any) -> tuple[int, int, int]:
    """(transposed in column-major terms, leading dimension, batch stride), in elements."""
    item = a.itemsize
    rows, cols = a.strides[-2] // item, a.strides[-1] // item
    n, m = a.shape[-2:]
    step = a.strides[-3] // item if a.ndim > 2 else 0
    if cols == 1 or m == 1:
        return 0, max(rows, m, 1), step  # row-major = column-major transposed already
    return 1, max(cols, n, 1), step


def _gemm(x: Any, y: Any, out: Any) -> None:
    """One strided batch: (b, n, k) @ (b, k, m) into a contiguous (b, n, m)."""
    n, k, m = x.shape[-2], x.shape[-1], y.shape[-1]
    count = int(np.prod(x.shape[:-2], dtype=np.int64))
    kind, compute = _TYPES[x.dtype]
    if x.dtype == np.float32 and precision.allow_tf32:
        compute = _COMPUTE_32F_FAST_TF32
    scalar = np.float64 if compute == 70 else np.float32
    if x.dtype.kind == "c":
        scalar = np.complex128 if compute == 70 else np.complex64  # type: ignore[assignment]
    one, zero = np.ones((), scalar), np.zeros((), scalar)
    handle = cp.cuda.device.get_cublas_handle()
    tx, ldx, sx = _operand(x)
    ty, ldy, sy = _operand(y)
    cublas.setPointerMode(handle, cublas.CUBLAS_POINTER_MODE_HOST)
    cublas.gemmStridedBatchedEx(
        handle, ty, tx, m, n, k, one.ctypes.data,
        y.data.ptr, kind, ldy, sy,
        x.data.ptr, kind, ldx, sx,
        zero.ctypes.data, out.data.ptr, kind, m, n * m, count,
        compute, _DEFAULT_ALGORITHM,
    )  # fmt: skip
