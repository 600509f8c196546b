"""Every primitive record on the pretended CuPy: the CPU's values and gradients.

Reference: the same record on the CPU. What it finds: host arrays beside device arrays, names and
arguments CuPy lacks, waits for the device. What only a GPU shows is in test_records_gpu.py.
Run: pytest tests/tensor/test_records_pretend.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.tensor.core import wrap
from isograd.tensor.door import apply
from isograd.tensor.primitive import PRIMITIVES, Primitive
from tests.checks import draw
from tests.tensor import pretend_cupy

SAMPLED = [r for _, r in sorted(PRIMITIVES.items()) if r.samples is not None]
FLOATING = ["float64", "float32", "bfloat16", "float16"]
OTHERS = ["complex128", "int64", "bool"]
ANY_DTYPE = {
    "arithmetic", "clamp", "combination", "comparison", "counting", "elementwise", "gathering",
    "indexing", "integers", "logical", "masking", "piecewise", "reduction", "rounding",
    "scattering", "searching", "selection", "shape", "sorting", "subscript",
}  # fmt: skip
MEANINGLESS = {
    ("histc", "complex128"),
    ("histogram", "complex128"),
    ("scatter_reduce", "complex128"),
    ("logcumsumexp", "int64"),
    ("logcumsumexp", "bool"),
}
CASES = [(r, d) for r in SAMPLED for d in FLOATING]
CASES += [
    (r, d) for r in SAMPLED for d in OTHERS
    if r.forward.__module__.rsplit(".")[-1] in ANY_DTYPE and (r.name, d) not in MEANINGLESS
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _cuda() -> Iterator[None]:
    with pretend_cupy.pretended():
        yield


def tensors(inputs: Any, device: str, d: Any) -> list[Any]:
    out = []
    for v in inputs:
        if not isinstance(v, np.ndarray):
            out.append(v)
            continue
        t = wrap(v.copy())
        t = t.to(d) if v.dtype.kind == "f" else t
        t = t.to(device).detach()
        out.append(t.requires_grad_() if t.is_floating_point() or t.is_complex() else t)
    return out


def run(record: Primitive, inputs: list[Any], params: dict[str, Any]) -> list[Any]:
    """Outputs, and gradients of the sum of squares of the real outputs' parts."""
    result = apply(record, *inputs, **params)
    outputs = list(result) if isinstance(result, tuple) else [result]
    live = [o for o in outputs if o.requires_grad]
    leaves = [t for t in inputs if torch.is_tensor(t) and t.requires_grad]
    grads: list[Any] = []
    if live:
        total = sum(((o * o.conj()).real if o.is_complex() else o * o).sum() for o in live)
        grads = list(torch.autograd.grad(total, leaves, allow_unused=True))
    return outputs + grads


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize(("record", "dtype"), CASES, ids=[f"{r.name}-{d}" for r, d in CASES])
def test_the_pretended_gpu_gives_the_cpus_numbers(record: Primitive, dtype: str) -> None:
    assert record.samples is not None
    d = getattr(torch, dtype)
    if d.itemsize == 2 and record.name.startswith("linalg_"):
        pytest.skip("the functions over this record refuse low precision")
    for inputs, params in record.samples(draw(7)):
        if any(isinstance(v, torch.device) for v in params.values()):
            continue  # a record about devices
        try:
            want = run(record, tensors(inputs, "cpu", d), params)
        except (TypeError, NotImplementedError, RuntimeError, ValueError):
            if record.differentiable and dtype in ("float64", "float32"):
                raise
            continue  # not for this dtype on the CPU either
        got = run(record, tensors(inputs, "cuda", d), params)
        for a, b in zip(want, got, strict=True):
            if a is None:
                assert b is None
                continue
            assert b.is_cuda and b.dtype is a.dtype
            x, y = (
                t.detach().cpu().to(torch.float64 if t.is_floating_point() else t.dtype).numpy()
                for t in (a, b)
            )
            rtol = {4: 1e-4, 2: 5e-2}.get(d.itemsize, 1e-9)
            np.testing.assert_allclose(y, x, rtol, rtol)
