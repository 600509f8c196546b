"""What DistributedDataParallel must do for any number of ranks; against one process's whole batch.

Subclasses give `ranks` and `run(program)`: `program(rank)` on every rank; the results of the ranks
this process has come back as ``[(rank, result), ...]``.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
from isograd import nn
from isograd.autograd.checkpoint import checkpoint
from isograd.nn.parallel import DistributedDataParallel as DDP

SEEDED = threading.Lock()  # threads that play ranks share the default generator


class Net(nn.Module):
    """Two layers and one that only some calls use."""

    def __init__(self) -> None:
        super().__init__()
        with SEEDED:
            torch.manual_seed(0)
            self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 2)
            self.extra = nn.Linear(4, 2)

    def forward(self, x: Any, extra: bool = True) -> Any:
        out = self.second(torch.tanh(self.first(x)))
        return out + self.extra(x) if extra else out


class Checkpointed(Net):
    def forward(self, x: Any, extra: bool = True) -> Any:
        return checkpoint(self.second, torch.tanh(checkpoint(self.first, x))) + self.extra(x)


def batch(n: int) -> Any:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32))


def grads(model: Any) -> list[np.ndarray]:
    return [p.grad.numpy().copy() for p in model.parameters()]


def whole(n: int, steps: int = 1) -> list[np.ndarray]:
    """Gradients of one process with the whole batch, accumulated over steps."""
    model = Net()
    for _ in range(steps):
        (model(batch(n)) ** 2).mean().backward()
    return grads(model)


def assert_same(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


class DdpChecks:
    ranks: int

    def run(self, program: Any) -> list[tuple[int, Any]]:
        raise NotImplementedError

    def mine(self, rank: int, n: int = 8) -> Any:
        """This rank's rows of a batch of n."""
        return batch(n)[rank * n // self.ranks : (rank + 1) * n // self.ranks]

    @pytest.mark.parametrize("cap", [25.0, 0.0001])
    @pytest.mark.parametrize("kind", [Net, Checkpointed])
    def test_gradients_equal_the_whole_batch(self, cap: float, kind: type[Net]) -> None:
        def program(rank: int) -> list[np.ndarray]:
            model = DDP(kind(), bucket_cap_mb=cap)
            (model(self.mine(rank)) ** 2).mean().backward()
            return grads(model)

        for _, got in self.run(program):
            assert_same(got, whole(8))

    def test_no_sync_accumulates_and_then_sums(self) -> None:
        def program(rank: int) -> tuple[list[np.ndarray], int]:
            model = DDP(Net())
            traffic = model.process_group.communicator.traffic
            before = traffic.sent
            with model.no_sync():
                (model(self.mine(rank)) ** 2).mean().backward()
            moved = traffic.sent - before
            (model(self.mine(rank)) ** 2).mean().backward()
            return grads(model), moved

        for _, (got, moved) in self.run(program):
            assert_same(got, whole(8, steps=2))
            assert moved == 0

    def test_unused_parameters_raise_on_all_ranks_naming_them(self) -> None:
        def program(rank: int) -> str:
            model = DDP(Net())
            with pytest.raises(RuntimeError) as error:
                model(batch(4), extra=rank != self.ranks - 1).sum().backward()
            return str(error.value)

        for rank, message in self.run(program):
            assert "find_unused_parameters=True" in message
            assert ("extra.weight" if rank == self.ranks - 1 else "on another rank") in message

    def test_find_unused_parameters(self) -> None:
        def program(rank: int) -> tuple[Any, list[float]]:
            model = DDP(Net(), find_unused_parameters=True)
            model(batch(4), extra=False).sum().backward()
            nowhere = model.module.extra.weight.grad
            model.zero_grad()
            model(batch(4), extra=rank == 0).sum().backward()
            return nowhere, model.module.extra.bias.grad.tolist()

        for _, (nowhere, somewhere) in self.run(program):
            assert nowhere is None
            assert somewhere == [4.0 / self.ranks] * 2  # rank 0's 4 rows, averaged over the ranks

    def test_a_forward_pass_alone_changes_no_gradient(self) -> None:
        def program(rank: int) -> tuple[Any, list[float]]:
            model = DDP(Net(), find_unused_parameters=True)
            bias = model.module.extra.bias
            bias.grad = torch.full((2,), 4.0)
            model(batch(4), extra=False)
            kept = bias.grad.tolist()
            model.zero_grad()
            (model(batch(4), extra=False) + model(batch(4))).sum().backward()
            return kept, bias.grad.tolist()

        for _, (kept, got) in self.run(program):
            assert kept == [4.0, 4.0]
            assert got == [4.0, 4.0]  # used by the second of two forward passes

    def test_gradients_that_somebody_holds_are_left_alone(self) -> None:
        def program(rank: int) -> tuple[bool, bool]:
            model = DDP(Net())
            (model(batch(4)) ** 2).mean().backward()
            held, want = [p.grad for p in model.parameters()], grads(model)
            flat = model.reducer.buckets[0].flat
            model.zero_grad()
            model(batch(4)).sum().backward()
            kept = all((h.numpy() == w).all() for h, w in zip(held, want, strict=True))
            del held
            flat = model.reducer.buckets[0].flat
            model.zero_grad()
            model(batch(4)).sum().backward()
            return kept, model.reducer.buckets[0].flat is flat

        for _, got in self.run(program):
            assert got == (True, True)

    def test_complex_parameters(self) -> None:
        class Turn(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.w = nn.Parameter(torch.ones(2, dtype=torch.complex64))

            def forward(self, x: Any) -> Any:
                return (self.w * x).abs().sum()

        def program(rank: int) -> Any:
            model = DDP(Turn())
            model(torch.ones(2)).backward()
            return model.module.w.grad.tolist()

        for _, got in self.run(program):
            assert got == [1 + 0j, 1 + 0j]

    def test_join_allows_uneven_inputs(self) -> None:
        def program(rank: int) -> float:
            with SEEDED:
                torch.manual_seed(0)
                module = nn.Linear(1, 1, bias=False)
            model = DDP(module)
            optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
            with model.join():
                for _ in range(1 + rank):
                    optimizer.zero_grad()
                    model(torch.ones(1, 1)).sum().backward()
                    optimizer.step()
            return float(model.module.weight.item())

        torch.manual_seed(0)
        start = nn.Linear(1, 1, bias=False).weight.item()
        n = self.ranks
        moved = sum((n - step) / n for step in range(n))  # step k: the n - k ranks still active
        for _, got in self.run(program):
            assert abs(got - (start - moved)) < 1e-5

    def test_join_throws_on_early_termination(self) -> None:
        def program(rank: int) -> str:
            model = DDP(nn.Linear(1, 1))
            with pytest.raises(RuntimeError, match="exhausted inputs") as error:
                with model.join(throw_on_early_termination=True):
                    for _ in range(1 + rank):
                        model(torch.ones(1, 1)).sum().backward()
            return str(error.value)

        if self.ranks > 1:
            assert all(message for _, message in self.run(program))

    def test_start_state_comes_from_rank_0(self) -> None:
        def program(rank: int) -> list[float]:
            module = nn.BatchNorm1d(2)
            with torch.no_grad():
                module.weight.fill_(rank + 1.0)
                module.running_mean.fill_(rank + 5.0)
            model = DDP(module)
            return [*model.module.weight.tolist(), *model.module.running_mean.tolist()]

        for _, got in self.run(program):
            assert got == [1.0, 1.0, 5.0, 5.0]

    def test_different_models_raise_on_all_ranks(self) -> None:
        def program(rank: int) -> str:
            with pytest.raises(RuntimeError, match="different models") as error:
                DDP(nn.Linear(2, 3 + (rank == 1)))
            return str(error.value)

        if self.ranks > 1:
            for _, message in self.run(program):
                assert "weight [3, 2] float32, rank 1 has weight [4, 2] float32" in message

    def test_a_swapped_bucket_order_is_caught_before_data_moves(self) -> None:
        def program(rank: int) -> str:
            model = DDP(Net(), bucket_cap_mb=0.0001)
            if rank == 1:
                buckets = model.reducer.buckets
                buckets[0], buckets[-1] = buckets[-1], buckets[0]
            with pytest.raises(dist.CollectiveMismatchError) as error:
                model(batch(4)).sum().backward()
            return str(error.value)

        if self.ranks > 1:
            for _, message in self.run(program):
                assert "rank 0" in message and "rank 1" in message

    def test_reduction_overlaps_the_backward_pass(self) -> None:
        """With small buckets, most sums start before the last gradient: the trace shows it."""

        def program(rank: int) -> tuple[int, int]:
            torch.manual_seed(0)
            layers = [nn.Linear(64, 64) for _ in range(12)]
            model = DDP(nn.Sequential(*layers), bucket_cap_mb=0.01, broadcast_buffers=False)
            group = model.process_group
            group.enable_trace()
            ends: list[float] = []
            model.module[0].weight.register_post_accumulate_grad_hook(
                lambda p: ends.append(time.perf_counter())
            )
            model(torch.ones(256, 64)).sum().backward()
            group.enable_trace(False)
            events = [e for e in group.trace if e.op == "all_reduce"]
            group.trace.clear()
            return sum(e.issued < ends[0] for e in events), len(events)

        for _, (early, count) in self.run(program):
            assert count >= 10 and early >= 0.8 * count
