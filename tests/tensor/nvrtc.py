"""Compile CUDA sources for sm_90 with NVRTC, which needs CuPy and the headers but no device."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

ARCHITECTURE = "sm_90"
ND_ARRAY, INDEXER, SCALAR = 1, 2, 3  # kinds of arguments in CuPy 14
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def cubin(source: str, options: tuple[str, ...] = ()) -> bytes:
    """The machine code; fails the test with the compiler's log if there is none."""
    from cupy_backends.cuda.libs import nvrtc

    program = nvrtc.createProgram(source, "kernel.cu", [], [])
    try:
        nvrtc.compileProgram(program, [f"--gpu-architecture={ARCHITECTURE}", *options])
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program) + "\n" + source)
    binary: bytes = nvrtc.getCUBIN(program)
    return binary


def elementwise_source(kernel: Any, dtypes: dict[str, Any], contiguous: bool = True) -> str:
    """What CuPy would compile for an ElementwiseKernel.

    Args:
        dtypes: what each type letter of its parameters stands for.
    """
    import cupy
    from cupy._core import _carray, _kernel, _scalar, core

    def dtype(p: Any) -> Any:
        return np.dtype(dtypes[p.ctype]) if p.dtype is None else np.dtype(p.dtype)

    parameters = [p for p in kernel.params if p.name != "_ind"]
    n = len(kernel.in_params)
    used = [p.ctype for p in (*parameters[n:], *parameters) if p.dtype is None]
    given = tuple(dtype(p) if is_array(p, i >= n, used) else None for i, p in enumerate(parameters))
    _, _, types = kernel._decide_params_type(given[:n], given[n:])  # raises as a call would
    infos = [
        _kernel._ArgInfo(ND_ARRAY, cupy.ndarray, dtype(p), 1 if contiguous else 2, contiguous, True)
        if is_array(p, i >= n, used)
        else _kernel._ArgInfo(SCALAR, _scalar.CScalar, dtype(p), 0, True, True)
        for i, p in enumerate(parameters)
    ]
    infos.append(
        _kernel._ArgInfo(INDEXER, _carray.Indexer, None, 1 if contiguous else 2, True, True)
    )
    code = _kernel._get_elementwise_kernel_code(
        tuple(infos), types, kernel.params, kernel.operation, kernel.name, kernel.preamble,
        **kernel.kwargs,
    )  # fmt: skip
    return "".join(f"#include <{h}>\n" for h in core._cupy_header_list) + str(code)


def is_array(p: Any, out: bool, used: Any) -> bool:
    """Our kernels take arrays by type letter or raw, and numbers by a dtype's name."""
    return out or p.raw or p.dtype is None


def elementwise(kernel: Any, dtypes: dict[str, Any], contiguous: bool = True) -> bytes:
    """Compile an ElementwiseKernel as CuPy would."""
    from cupy._core import core

    options = core.assemble_cupy_compiler_options(())
    return cubin(elementwise_source(kernel, dtypes, contiguous), tuple(options))
