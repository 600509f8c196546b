"""DistributedDataParallel on threads as ranks: against one process with the whole batch.

    pytest tests/distributed/test_ddp.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
from isograd import nn
from isograd.distributed.reducer import plan_buckets
from isograd.nn.parallel import DistributedDataParallel as DDP


class Net(nn.Module):
    """Two layers and one that only some calls use."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 2)
        self.extra = nn.Linear(4, 2)

    def forward(self, x: Any, extra: bool = True) -> Any:
        out = self.second(torch.tanh(self.first(x)))
        return out + self.extra(x) if extra else out


def batch(n: int) -> Any:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32))


def whole(n: int, steps: int = 1) -> list[np.ndarray]:
    """Gradients of one process with the whole batch, accumulated over steps."""
    model = Net()
    for _ in range(steps):
        (model(batch(n)) ** 2).mean().backward()
    return [p.grad.numpy().copy() for p in model.parameters()]


def grads(model: Any) -> list[np.ndarray]:
    return [p.grad.numpy().copy() for p in model.parameters()]


def assert_same(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("cap", [25.0, 0.0001])
def test_gradients_equal_the_whole_batch(ranks: int, cap: float) -> None:
    def program(rank: int) -> list[np.ndarray]:
        model = DDP(Net(), bucket_cap_mb=cap)
        x = batch(8)[rank * 8 // ranks : (rank + 1) * 8 // ranks]
        (model(x) ** 2).mean().backward()
        return grads(model)

    for got in dist.run_local(ranks, program):
        assert_same(got, whole(8))


def test_grad_is_a_view_of_the_bucket_or_own_memory() -> None:
    def program(rank: int) -> tuple[bool, bool]:
        results = []
        for views in (True, False):
            model = DDP(Net(), gradient_as_bucket_view=views)
            model(batch(4)).sum().backward()
            flat = model.reducer.buckets[0].flat
            p = model.reducer.buckets[0].params[0]
            results.append(np.shares_memory(flat, p.grad.numpy()))
        return results[0], results[1]

    assert dist.run_local(2, program) == [(True, False)] * 2


def test_no_sync_accumulates_and_then_sums() -> None:
    def program(rank: int) -> tuple[list[np.ndarray], int]:
        model = DDP(Net())
        x = batch(8)[rank * 4 : rank * 4 + 4]
        before = model.process_group.communicator.traffic.total_bytes()
        with model.no_sync():
            (model(x) ** 2).mean().backward()
        moved = model.process_group.communicator.traffic.total_bytes() - before
        (model(x) ** 2).mean().backward()
        return grads(model), moved

    for got, moved in dist.run_local(2, program):
        assert_same(got, whole(8, steps=2))
        assert moved == 0


def test_unused_parameters_raise_on_all_ranks_naming_them() -> None:
    def program(rank: int) -> str:
        model = DDP(Net())
        with pytest.raises(RuntimeError) as error:
            model(batch(4), extra=rank == 0).sum().backward()
        return str(error.value)

    first, second = dist.run_local(2, program)
    assert "on another rank" in first
    assert "extra.weight" in second and "find_unused_parameters=True" in second


def test_find_unused_parameters() -> None:
    def program(rank: int) -> tuple[Any, list[float]]:
        model = DDP(Net(), find_unused_parameters=True)
        model(batch(4), extra=False).sum().backward()
        nowhere = model.module.extra.weight.grad
        model.zero_grad()
        model(batch(4), extra=rank == 0).sum().backward()
        return nowhere, model.module.extra.bias.grad.tolist()

    for nowhere, somewhere in dist.run_local(2, program):
        assert nowhere is None
        assert somewhere == [2.0, 2.0]  # rank 0's 4 rows, averaged over two ranks


def test_join_allows_uneven_inputs() -> None:
    def program(rank: int) -> list[float]:
        torch.manual_seed(0)
        model = DDP(nn.Linear(1, 1, bias=False))
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        with model.join():
            for _ in range(1 + rank):
                optimizer.zero_grad()
                model(torch.ones(1, 1)).sum().backward()
                optimizer.step()
        return model.module.weight.flatten().tolist()

    torch.manual_seed(0)
    start = nn.Linear(1, 1, bias=False).weight.item()
    results = dist.run_local(3, program)
    # step 1: all three ranks (-1), step 2: two of three (-2/3), step 3: one of three (-1/3)
    assert all(abs(r[0] - (start - 2)) < 1e-6 for r in results)


def test_join_throws_on_early_termination() -> None:
    def program(rank: int) -> str:
        model = DDP(nn.Linear(1, 1))
        with pytest.raises(RuntimeError, match="exhausted inputs") as error:
            with model.join(throw_on_early_termination=True):
                for _ in range(1 + rank):
                    model(torch.ones(1, 1)).sum().backward()
        return str(error.value)

    assert len(dist.run_local(2, program)) == 2


def test_start_state_comes_from_rank_0() -> None:
    def program(rank: int) -> list[float]:
        module = nn.BatchNorm1d(2)
        with torch.no_grad():
            module.weight.fill_(rank + 1.0)
            module.running_mean.fill_(rank + 5.0)
        model = DDP(module)
        return [*model.module.weight.tolist(), *model.module.running_mean.tolist()]

    assert dist.run_local(2, program) == [[1.0, 1.0, 5.0, 5.0]] * 2


def test_different_models_raise_on_all_ranks() -> None:
    def program(rank: int) -> str:
        with pytest.raises(RuntimeError, match="different models") as error:
            DDP(nn.Linear(2, 3 + rank))
        return str(error.value)

    for message in dist.run_local(2, program):
        assert "weight [3, 2] float32, rank 1 has weight [4, 2] float32" in message


def test_bucket_order_is_part_of_the_contract() -> None:
    """A rank that reduces its buckets in another order is caught before data moves."""

    def program(rank: int) -> str:
        model = DDP(Net(), bucket_cap_mb=0.0001)
        if rank == 1:
            model.reducer.buckets[0], model.reducer.buckets[-1] = (
                model.reducer.buckets[-1], model.reducer.buckets[0],
            )  # fmt: skip
        with pytest.raises(dist.CollectiveMismatchError) as error:
            model(batch(4)).sum().backward()
        return str(error.value)

    for message in dist.run_local(2, program):
        assert "rank 0" in message and "rank 1" in message


def test_reduction_overlaps_the_backward_pass() -> None:
    """With small buckets, sums start before the backward pass has ended: the trace shows it."""

    def program(rank: int) -> tuple[int, int]:
        torch.manual_seed(0)
        layers = [nn.Linear(64, 64) for _ in range(12)]
        model = DDP(nn.Sequential(*layers), bucket_cap_mb=0.01, broadcast_buffers=False)
        group = model.process_group
        group.enable_trace()
        first = model.module[0].weight
        ends: list[float] = []
        import time

        first.register_post_accumulate_grad_hook(lambda p: ends.append(time.perf_counter()))
        model(torch.ones(256, 64)).sum().backward()
        events = [e for e in group.trace if e.op == "all_reduce"]
        return sum(e.issued < ends[0] for e in events), len(events)

    for early, count in dist.run_local(2, program):
        assert count >= 10 and early >= 0.8 * count


def test_checkpoints_and_shared_weights() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            from isograd.autograd.checkpoint import checkpoint

            return checkpoint(self.layer, self.layer(x))

    alone = Shared()
    (alone(batch(8)) ** 2).mean().backward()

    def program(rank: int) -> list[np.ndarray]:
        model = DDP(Shared())
        (model(batch(8)[rank * 4 : rank * 4 + 4]) ** 2).mean().backward()
        return grads(model)

    for got in dist.run_local(2, program):
        assert_same(got, grads(alone))


def test_plan_buckets() -> None:
    params = [torch.zeros(n) for n in (10, 10, 10)] + [torch.zeros(5, dtype=torch.float64)]
    assert plan_buckets(params, 10_000, 10_000) == [[3], [2, 1, 0]]
    small = plan_buckets(params[:3], 40, 80)
    assert small == [[2], [1, 0]]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="init_process_group"):
        DDP(Net())

    def program(rank: int) -> None:
        with pytest.raises(RuntimeError, match="doesn't have any parameters"):
            DDP(nn.ReLU())
        with pytest.raises(ValueError, match="single element"):
            DDP(Net(), device_ids=[0, 1])

    dist.run_local(1, program)
