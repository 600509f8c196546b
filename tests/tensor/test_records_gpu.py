"""Every primitive record on the GPU: the CPU's values and gradients.

Reference: the same record on the CPU. Run on a GPU machine: make test-gpu
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.tensor.core import wrap
from isograd.tensor.door import apply
from isograd.tensor.primitive import PRIMITIVES, Primitive
from tests.checks import TOLERANCE, draw

pytestmark = pytest.mark.gpu

SAMPLED = [r for _, r in sorted(PRIMITIVES.items()) if r.samples is not None]
MATMUL_TYPES = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128", "int64"]


def tensors(inputs: Any, device: str, d: Any = None) -> list[Any]:
    out = []
    for v in inputs:
        if not isinstance(v, np.ndarray):
            out.append(v)
            continue
        t = wrap(v.copy()).to(device)
        if v.dtype.kind in "fc":
            t = (t if d is None or v.dtype.kind == "c" else t.to(d)).detach().requires_grad_()
        out.append(t)
    return out


def run(
    record: Primitive, inputs: list[Any], params: dict[str, Any]
) -> tuple[list[Any], list[Any]]:
    """Outputs, and gradients of the sum of squares of the real outputs' parts."""
    result = apply(record, *inputs, **params)
    outputs = list(result) if isinstance(result, tuple) else [result]
    live = [o for o in outputs if o.requires_grad]
    leaves = [t for t in inputs if torch.is_tensor(t) and t.requires_grad]
    grads: list[Any] = []
    if live:
        total = sum(((o * o.conj()).real if o.is_complex() else o * o).sum() for o in live)
        grads = list(torch.autograd.grad(total, leaves, allow_unused=True))
    return outputs, grads


def on_host(t: Any) -> Any:
    t = t.detach().cpu()
    return (t.float() if t.dtype in (torch.float16, torch.bfloat16) else t).numpy()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("record", SAMPLED, ids=lambda r: r.name)
def test_gpu_gives_the_cpus_numbers(record: Primitive, dtype: str) -> None:
    assert record.samples is not None
    rtol, atol = (1e-9, 1e-9) if dtype == "float64" else (1e-4, 1e-4)
    for inputs, params in record.samples(draw(7)):
        if any(isinstance(v, torch.device) for v in params.values()):
            continue  # a record about devices
        d = getattr(torch, dtype)
        want = run(record, tensors(inputs, "cpu", d), params)
        got = run(record, tensors(inputs, "cuda", d), params)
        for a, b in zip(want[0] + want[1], got[0] + got[1], strict=True):
            if a is None:
                assert b is None
                continue
            assert b.is_cuda and b.dtype is a.dtype
            np.testing.assert_allclose(on_host(b), on_host(a), rtol, atol)


@pytest.mark.parametrize("dtype", MATMUL_TYPES)
@pytest.mark.parametrize(
    "shapes", [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((0, 4), (4, 5))]
)
@pytest.mark.parametrize("turned", [False, True])
def test_matmul(dtype: str, shapes: Any, turned: bool) -> None:
    """Stacks, broadcasting, transposed views, every dtype; bfloat16 stacks above all."""
    make = draw(8)
    d = getattr(torch, dtype)
    a, b = (torch.from_numpy(make(*s) * 2) for s in shapes)
    if turned:
        a, b = a.transpose(-2, -1).contiguous().transpose(-2, -1), b.mT.contiguous().mT
    want = (a.to(d).cuda().cpu() @ b.to(d)).to(torch.complex128 if d.is_complex else torch.float64)
    got = a.to(d).cuda() @ b.to(d).cuda()
    assert got.dtype is d
    rtol, atol = TOLERANCE.get(dtype, (0, 0))
    np.testing.assert_allclose(got.cpu().to(want.dtype).numpy(), want.numpy(), rtol, atol * 10)


def test_views_alias_and_inplace_writes() -> None:
    x = torch.zeros(3, 4, device="cuda")
    x[1] = 5.0
    row = x[1]
    row.add_(1)
    assert x.cpu()[1].tolist() == [6.0] * 4
    y = torch.ones(3, device="cuda", requires_grad=True)
    z = y * 2
    z[0].mul_(10)
    z.sum().backward()
    assert y.grad.cpu().tolist() == [20.0, 2.0, 2.0]


def test_devices_must_agree() -> None:
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(2) + torch.ones(2, device="cuda")
    assert (torch.ones(2, device="cuda") + torch.tensor(1.0)).cpu().tolist() == [2.0, 2.0]


def test_moving_carries_the_gradient() -> None:
    x = torch.ones(2, requires_grad=True)
    (x.cuda() * 3).cpu().sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and not x.grad.is_cuda
