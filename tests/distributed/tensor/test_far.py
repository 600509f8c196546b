"""Views that had to be gathered behave as views: writes go both ways, gradients too.

Reference: the same lines on a plain tensor. pytest tests/distributed/tensor/test_far.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
from isograd.distributed.tensor import DTensor, Shard, distribute_tensor, init_device_mesh
from isograd.distributed.tensor.far import FarArray

pytestmark = pytest.mark.filterwarnings("ignore:view_scatter cannot be computed in parts")

VIEWS: list[Callable[[Any], Any]] = [
    lambda x: x[1], lambda x: x[-1, 1:], lambda x: x[:, 0], lambda x: x[2][1:],
    lambda x: x.reshape(-1)[1:6], lambda x: x.view(3, 5), lambda x: x.T[1], lambda x: x[0].T,
    lambda x: x[1:][0], lambda x: x.diagonal(), lambda x: x.flatten(), lambda x: x.T[:, 2],
    lambda x: x[1].unsqueeze(0), lambda x: x.unbind(0)[3], lambda x: x.chunk(2)[1][0],
]  # fmt: skip


def write(view: Any) -> None:
    view.mul_(10)


def assign(view: Any) -> None:
    view[...] = torch.arange(float(view.numel())).reshape(view.shape)


def add_and_index(view: Any) -> None:
    view[0] += 1


def base() -> Any:
    return torch.arange(15.0).reshape(5, 3).clone()


def run(change: Any, view: Any, x: Any) -> tuple[Any, ...]:
    """A write through a view; one to the base; what the view, another and the base show then."""
    before, seen = view(x), view(x)
    change(seen)
    first = [before.clone(), x.clone()]
    x.add_(1)
    x[0] = -5.0
    assert seen._base is x
    return *first, before, seen, x, seen.sum(), view(x) * seen


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("positions", [1, 2, 4, 7])
@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("change", [write, assign, add_and_index])
def test_writes_go_both_ways(change: Any, implicit: bool, positions: int, dim: int) -> None:
    mesh = init_device_mesh("cpu", (positions,))
    mesh.implicit = implicit
    for view in VIEWS:
        want = run(change, view, base())
        got = run(change, view, distribute_tensor(base(), mesh, [Shard(dim)]))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a.full_tensor().numpy(), b.numpy())


@pytest.mark.parametrize("positions", [2, 3])
def test_gradients_through_writes(positions: int) -> None:
    mesh = init_device_mesh("cpu", (positions,))
    for view in VIEWS:
        grads = []
        for place in (lambda t: t, lambda t: distribute_tensor(t, mesh, [Shard(0)])):
            leaf = place(base()).requires_grad_()
            x = leaf * leaf
            seen = view(x)
            seen.mul_(3)
            seen[0] = seen[-1] * 2
            ((x * x).sum() + seen.sum()).backward()
            grads.append(leaf.grad.full_tensor().numpy())
        np.testing.assert_array_equal(grads[1], grads[0])


@pytest.mark.parametrize("positions", [1, 3])
def test_as_gradients(positions: int) -> None:
    """A row is given to backward, twice, and stands as ``.grad`` before."""
    mesh = init_device_mesh("cpu", (positions,))
    results = []
    for place in (lambda t: t, lambda t: distribute_tensor(t, mesh, [Shard(0)])):
        x, p, q = place(base()), torch.ones(3, requires_grad=True), torch.ones(3)
        q.requires_grad_().grad = x[2]
        for i in range(2):
            (p + q + p).backward(x[i])
        results.append([t.grad.full_tensor().tolist() for t in (p, q)])
    assert results[1] == results[0]


class Written(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return written(g)


def written(g: Any) -> Any:
    g = g.clone()
    g[0].mul_(2)
    g[:, 1].zero_()
    g.view(-1)[5:8].fill_(3.0)
    return g


@pytest.mark.parametrize("positions", [1, 3])
def test_written_to_in_hooks(positions: int) -> None:
    """What users call in a backward pass writes to views as elsewhere."""
    mesh = init_device_mesh("cpu", (positions,))
    results = []
    for place in (lambda t: t, lambda t: distribute_tensor(t, mesh, [Shard(0)])):
        x, log = place(base()).requires_grad_(), place(base())
        y = Written.apply(x * x)
        y.register_hook(written)
        x.register_hook(written)
        x.register_post_accumulate_grad_hook(lambda p, log=log: log[1].add_(p.grad[2]))
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, written):
            z = y * y
        z.sum().backward()
        results.append([t.full_tensor().tolist() for t in (x.grad, log)])
    assert results[1] == results[0]


def test_on_several_processes() -> None:
    def program(rank: int) -> tuple[list[Any], list[Any], float]:
        x = distribute_tensor(base(), init_device_mesh("cpu", (5,)), [Shard(0)])
        row = x[3]
        row += 1
        x[0] *= 2
        x[4] = row
        return x.full_tensor().tolist(), row.full_tensor().tolist(), float(x[1, 2])

    want = base()
    want[3] += 1
    want[0] *= 2
    want[4] = want[3]
    for got in dist.run_local(3, program):
        assert got == (want.tolist(), want[3].tolist(), 5.0)


def test_what_it_is() -> None:
    x = distribute_tensor(base(), init_device_mesh("cpu", (2,)), [Shard(0)])
    row = x[1]
    assert isinstance(row._array, FarArray) and isinstance(row, DTensor)
    assert row.shape == (3,) and row.dtype is torch.float32 and row.stride() == (1,)
    assert (row.device, row.is_contiguous(), row.requires_grad) == (x.device, True, False)
    assert row.tolist() == [3.0, 4.0, 5.0] == list(row.numpy())
    assert repr(row) == "tensor([3., 4., 5.])"
    assert (row[0].item(), int(row[1]), float(row[2]), bool(row[0])) == (3.0, 4, 5.0, True)
    assert torch.zeros_like(row).full_tensor().tolist() == [0.0] * 3
    copied = row.clone()
    row.zero_()
    assert copied.full_tensor().tolist() == [3.0, 4.0, 5.0]
    plain = torch.ones(3)
    plain += row
    plain.copy_(row + 1)
    assert plain.full_tensor().tolist() == [1.0] * 3


def test_a_reshape_that_copies_is_a_copy() -> None:
    x = distribute_tensor(base(), init_device_mesh("cpu", (2,)), [Shard(0)])
    copied = x.T.reshape(-1)
    copied.zero_()
    assert x.full_tensor().tolist() == base().tolist()
