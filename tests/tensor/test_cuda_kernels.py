"""Every CUDA kernel of the package compiles for sm_90, in every dtype it may meet.

Reference: NVRTC. Needs CuPy and the CUDA headers, no device.
Run: pytest tests/tensor/test_cuda_kernels.py
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isograd
from isograd.optim import kernels as optim_kernels
from isograd.optim.optimizer import Optimizer
from isograd.tensor import accumulate
from isograd.tensor.dtypes import is_low_precision
from tests.tensor import nvrtc

REAL = [np.float16, nvrtc.BFLOAT16, np.float32, np.float64]
OTHERS = [np.int8, np.uint8, np.int16, np.int32, np.int64, np.bool_, np.complex64, np.complex128]
RULES = {rule.name: rule for c in Optimizer.__subclasses__() for rule in c.device_rules}
CHECKED = {"accumulate.py", "kernels.py", "philox.py"}  # philox: tests/tensor/test_philox.py


def name_of(dtype: Any) -> str:
    return str(np.dtype(dtype).name)


def test_no_kernel_is_left_out() -> None:
    """A file that makes a kernel must be compiled here."""
    found = set()
    for path in Path(isograd.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            kernel = isinstance(node, ast.Attribute) and node.attr.endswith(("Kernel", "RawModule"))
            if kernel:
                found.add(path.name)
    assert found == CHECKED


@pytest.mark.parametrize("dtype", [*REAL, *OTHERS], ids=name_of)
@pytest.mark.parametrize("reduce", ["sum", "prod", "amax", "amin"])
def test_accumulate(reduce: str, dtype: Any) -> None:
    pytest.importorskip("cupy")
    if reduce in ("amax", "amin") and np.dtype(dtype).kind == "c":
        pytest.skip("complex numbers have no order")
    kernel = accumulate._kernel(reduce, is_low_precision(np.dtype(dtype)))
    assert kernel.name.encode() in nvrtc.elementwise(kernel, {"T": dtype})


@pytest.mark.parametrize("contiguous", [True, False])
@pytest.mark.parametrize("dtype", REAL, ids=name_of)
@pytest.mark.parametrize("rule", sorted(RULES))
def test_optimizers(rule: str, dtype: Any, contiguous: bool) -> None:
    pytest.importorskip("cupy")
    number = "float32" if is_low_precision(np.dtype(dtype)) else name_of(dtype)
    kernel = optim_kernels._compiled(RULES[rule], number)
    assert kernel.name.encode() in nvrtc.elementwise(kernel, {"T": dtype}, contiguous)
