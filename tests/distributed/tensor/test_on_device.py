"""Pieces on a GPU, a pretended one: every record in parts, and a training step.

Rounding, races and transfers between processes are not pretended; against NumPy's pieces it shows
calls that CuPy lacks, arrays of the host beside those of the device, and waits for the device.

Run: pytest tests/distributed/tensor/test_on_device.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from isograd import nn
from isograd.distributed.tensor import DeviceMesh, Shard, distribute_tensor, init_device_mesh
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from tests.checks import draw
from tests.distributed.tensor.record_checks import RECORDS, in_parts, placings
from tests.distributed.view_checks import built, classes, in_view, normal
from tests.tensor import pretend_cupy
from tests.tensor.pretend_cupy import DeviceArray

POSITIONS = 3
LIKE = [r for r in RECORDS if r.cuts is not None and r.name != "to_device"]


@pytest.fixture(scope="module", autouse=True)
def _cuda() -> Iterator[None]:
    with pretend_cupy.pretended():
        yield


def leaves(record: Primitive, mesh: DeviceMesh, on_device: bool) -> Iterator[tuple[list[Any], Any]]:
    """The first sample's inputs as the record's cuts say, as leaves, and its params."""
    assert record.samples is not None
    inputs, params = record.samples(draw(1))[0]
    for ins, lengths, cut in placings(record, inputs, params, POSITIONS):
        if cut is not None:
            placed = [
                in_parts(v, (w,), mesh, n, i) if isinstance(v, np.ndarray) else v
                for i, (v, w, n) in enumerate(zip(inputs, ins, lengths, strict=True))
            ]
            yield [leaf(v, on_device) for v in placed], params


def leaf(value: Any, on_device: bool) -> Any:
    if not hasattr(value, "dtype"):
        return value
    made = wrap(moved(value) if on_device else value)
    return made.requires_grad_() if made.is_floating_point() or made.is_complex() else made


def moved(array: Any) -> Any:
    if isinstance(array, ShardedArray):
        return ShardedArray(array.layout, [DeviceArray(p) for p in array.pieces])
    return DeviceArray(array)


def results(record: Primitive, inputs: list[Any], params: dict[str, Any]) -> list[Any]:
    """Outputs, and gradients of the sum of squares of the real outputs' parts."""
    made = apply(record, *inputs, **params)
    outs = list(made) if isinstance(made, tuple) else [made]
    live = [o for o in outs if isinstance(o, Tensor) and o.requires_grad]
    if not live:
        return outs
    total: Any = sum(((o * o.conj()).real if o.is_complex() else o * o).sum() for o in live)
    wanted = [t for t in inputs if isinstance(t, Tensor) and t.requires_grad]
    return outs + list(torch.autograd.grad(total, wanted, allow_unused=True))


@pytest.mark.parametrize("record", LIKE, ids=lambda r: r.name)
def test_records(record: Primitive) -> None:
    mesh = init_device_mesh("cuda", (POSITIONS,))
    pairs = zip(leaves(record, mesh, True), leaves(record, mesh, False), strict=True)
    for (inputs, params), (host_inputs, _) in pairs:
        want = results(record, host_inputs, params)
        for a, b in zip(results(record, inputs, params), want, strict=True):
            if b is None:
                assert a is None
                continue
            assert a.is_cuda and a.dtype is b.dtype and a.shape == b.shape
            x, y = (t.detach().full_tensor().cpu().numpy() for t in (a, b))
            np.testing.assert_allclose(x, y, 1e-9, 1e-9)


def test_numbers_of_the_host_come_along_others_do_not() -> None:
    mesh = init_device_mesh("cuda", (POSITIONS,))
    x = torch.arange(6.0)
    for device in ("cpu", "cuda"):  # one mesh, and the same layouts on both
        d = distribute_tensor(x.to(device), mesh, [Shard(0)])
        for number in (torch.tensor(2.0), 2.0):
            for got in (d * number, number * d, d.sum() + number, torch.where(d > 1, d, number)):
                assert got.device.type == device
        assert (d * torch.tensor(2.0)).full_tensor().tolist() == (x * 2).tolist()
    for a, b in ((d, x), (x, d), (d.cpu(), x.cuda()), (d.cpu(), x[1].cuda())):
        with pytest.raises(RuntimeError, match=r"mul: Expected all tensors to be on the same dev"):
            a * b


def training(device: str) -> tuple[list[Any], list[str]]:
    """Losses and the last gradients of a few steps, and what the steps waited for."""
    model = built(
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.LayerNorm(64), nn.Linear(64, 4),
        )
    ).to(device)  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = normal(7, 1, 8, 8).to(device), classes(7).to(device)
    losses = []
    pretend_cupy.waits.clear()
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss)
    waited = list(pretend_cupy.waits)
    grads = [p.grad.cpu().numpy() for p in model.parameters()]
    return [np.array([loss.item() for loss in losses]), *grads], waited


def test_training_waits_for_nothing() -> None:
    want, _ = training("cpu")
    ((found, waited),) = dist.run_local(
        1, lambda rank: in_view(lambda: training("cuda"), shards=POSITIONS)
    )
    assert waited == []
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 1e-5)
