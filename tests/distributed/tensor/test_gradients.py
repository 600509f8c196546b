"""Gradients of parameters under a global view: what they move, when, and what is kept of them.

Reference for the bytes: a ring all-reduce of the gradients, 2(W-1)/W of them per rank (Thakur,
Rabenseifner & Gropp 2005), and the numbers that are read.

pytest tests/distributed/tensor/test_gradients.py
tools/mpi_test.sh 2 tests/distributed/tensor/test_gradients.py
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from isograd import nn
from isograd.distributed import global_view
from isograd.distributed.group import default_group
from isograd.distributed.tensor.gradients import reducer_of
from tests.distributed.view_checks import built, classes, in_view, loader, normal, on_threads


def deep() -> Any:
    """16 layers of 64 KiB."""
    layers = [layer for _ in range(16) for layer in (nn.Linear(128, 128), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(128, 4))


def convolutions() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 4),
    )  # fmt: skip


def moved(ops: tuple[str, ...] = ()) -> int:
    """Bytes that this rank has sent so far."""
    group: Any = default_group()
    by_op = group.communicator.traffic.by_op()
    return sum(t.sent for op, t in by_op.items() if not ops or op in ops)


def spent(act: Callable[[], Any]) -> int:
    group: Any = default_group()
    group.communicator.drain()
    before = moved()
    act()
    group.communicator.drain()
    return moved() - before


def ring(nbytes: int) -> int:
    world = dist.get_world_size()
    return 2 * nbytes * (world - 1) // world


MODELS = {
    "mlp, mse": (deep, (8, 128), lambda: normal(8, 4, seed=3), F.mse_loss),
    "mlp, cross entropy": (deep, (8, 128), lambda: classes(8), F.cross_entropy),
    "cnn, mse": (convolutions, (8, 1, 10, 10), lambda: normal(8, 4, seed=3), F.mse_loss),
    "cnn, cross entropy": (convolutions, (8, 1, 10, 10), lambda: classes(8), F.cross_entropy),
}


def steps(name: str, from_loader: bool, micro: int = 1, read: bool = True) -> list[tuple[int, int]]:
    """Per training step, the bytes that were sent and the most that there may be."""
    make, shape, targets, loss_of = MODELS[name]
    model = built(make)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = normal(*shape), targets()
    size = sum(p.nbytes for p in model.parameters())
    scalars = 4 * read  # the loss that is printed
    if from_loader and loss_of is F.cross_entropy:
        scalars += 4 * micro  # how many targets count, for the mean: they lie in parts

    def step() -> None:
        optimizer.zero_grad()
        for _ in range(micro):
            a, b = next(iter(loader(x, y, batch_size=8))) if from_loader else (x, y)
            loss = loss_of(model(a), b)
            loss.backward()
        optimizer.step()
        if read:
            loss.item()

    return [(spent(step), ring(size) + ring(scalars) + 8) for _ in range(3)]


class GradientChecks:
    def run(self, program: Callable[[], Any], shards: int | None = None) -> list[Any]:
        raise NotImplementedError

    @pytest.mark.parametrize("from_loader", [False, True])
    @pytest.mark.parametrize("name", MODELS)
    def test_a_step_moves_what_a_ring_moves(self, name: str, from_loader: bool) -> None:
        for got in self.run(lambda: steps(name, from_loader)):
            assert all(sent <= most for sent, most in got), got

    @pytest.mark.parametrize("name", ["mlp, mse", "cnn, cross entropy"])
    def test_four_micro_batches_move_what_one_moves(self, name: str) -> None:
        one = self.run(lambda: steps(name, False, read=False))
        four = self.run(lambda: steps(name, False, micro=4, read=False))
        assert one == four

    def test_most_are_on_their_way_before_backward_ends(self) -> None:
        """From the second step on; the backward pass ends with the first layer's gradient."""

        def program() -> list[float]:
            group: Any = default_group()
            model = built(deep)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            ends: list[float] = []
            model[0].weight.register_post_accumulate_grad_hook(
                lambda p: ends.append(time.perf_counter())
            )
            early = []
            for _ in range(3):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(normal(64, 128)), classes(64))
                group.enable_trace()
                loss.backward()
                optimizer.step()
                group.enable_trace(False)
                group.communicator.drain()
                events = [e for e in group.trace if "all_reduce" in e.op]
                group.trace.clear()
                total = sum(e.nbytes for e in events)
                early.append(sum(e.nbytes for e in events if e.issued < ends[-1]) / max(1, total))
            return early

        for shards in (None, 5):
            for early in self.run(program, shards):
                assert min(early[1:]) >= 0.8, early

    def test_gradients_that_nobody_reads(self) -> None:
        """They are reduced once; when somebody reads one after all, it is the sum."""

        def program() -> tuple[list[int], list[float]]:
            body, head = built(lambda: nn.Linear(8, 256)), built(lambda: nn.Linear(256, 4), 1)
            optimizer = torch.optim.SGD(head.parameters(), lr=0.0)

            def step() -> None:
                optimizer.zero_grad()
                F.cross_entropy(head(body(normal(9, 8))), classes(9)).backward()
                optimizer.step()

            sent = [spent(step) for _ in range(4)]
            return sent, body.weight.grad.flatten()[:5].tolist()

        model = nn.Linear(8, 256), nn.Linear(256, 4)
        own = [sum(p.nbytes for p in m.parameters()) for m in model]
        _, want = dist.run_local(1, lambda rank: program())[0]
        for sent, got in self.run(program):
            assert sent[0] <= sum(own) * 2
            assert all(n <= own[1] * 2 for n in sent[2:]), sent
            assert got == pytest.approx(want, rel=1e-5, abs=1e-7)


class TestLocalTwo(GradientChecks):
    ranks = 2

    def run(self, program: Callable[[], Any], shards: int | None = None) -> list[Any]:
        return on_threads(self.ranks, program, shards)


class TestLocalThree(TestLocalTwo):
    ranks = 3


class TestLocalFour(TestLocalTwo):
    ranks = 4


@pytest.fixture(scope="module")
def world() -> Iterator[None]:
    dist.init_process_group()
    yield
    dist.destroy_process_group()


@pytest.mark.mpi
@pytest.mark.usefixtures("world")
class TestMpi(GradientChecks):
    def run(self, program: Callable[[], Any], shards: int | None = None) -> list[Any]:
        return [in_view(program, shards)]


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_tree_moves_what_a_ring_moves_for_powers_of_two(ranks: int) -> None:
    for got in on_threads(ranks, lambda: steps("mlp, mse", False), 8):
        assert all(sent <= most * 1.01 for sent, most in got), got


def test_parameters_that_are_gone_are_forgotten() -> None:
    def program() -> int:
        for step in range(5):
            model = built(lambda: nn.Linear(8, 4), step)
            model(normal(6, 8)).sum().backward()
            model.weight.grad.sum()
            model.bias.grad.sum()
            x = normal(6, 8).requires_grad_()
            model(x).sum().backward()
            x.grad.sum()
            model.zero_grad()
        view: Any = global_view.current()
        del model, x
        gc.collect()
        return len(reducer_of(view.mesh)._habits)

    assert max(on_threads(2, program, 4)) <= 2  # the last ones were not looked at again
