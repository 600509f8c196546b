"""Gradients of parameters under a global view: what they move, when, and what is kept of them.

Reference for the bytes: a ring all-reduce of the gradients, 2(W-1)/W of them per rank (Thakur,
Rabenseifner & Gropp 2005), and the numbers that are read.

pytest tests/distributed/tensor/test_gradients.py
tools/mpi_test.sh 2 tests/distributed/tensor/test_gradients.py
"""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from isograd import nn
from isograd.distributed import global_view
from isograd.distributed.group import default_group
from isograd.distributed.tensor.gradients import next_fate, reducer_of
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
                alone = isinstance(self, TestMpi) and dist.get_world_size() == 1
                assert alone or min(early[1:]) >= 0.8, early  # one process sends nothing

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


def test_gradients_that_nobody_reads_are_not_held_for_ever() -> None:
    """A new leaf in every step, while the model learns; the last one's gradient is read late."""

    def program() -> tuple[int, Any]:
        model, leaves = built(lambda: nn.Linear(8, 4)), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        late = torch.ones(4, requires_grad=True)
        (model(normal(6, 8)) * late).sum().backward()
        for _ in range(20):
            leaf = torch.ones(4, requires_grad=True)
            leaves.append(weakref.ref(leaf))
            optimizer.zero_grad()
            (model(normal(6, 8)) * leaf).sum().backward()
            optimizer.step()
        del leaf
        gc.collect()
        return sum(ref() is not None for ref in leaves), late.grad.tolist()

    (_, want), *_ = dist.run_local(1, lambda rank: program())
    for held, grad in on_threads(2, program, 4):
        assert held <= 6
        assert grad == pytest.approx(want, rel=1e-4)


# -- what the reducer expects


def train(schedule: Callable[[Any, Any, Any], None], steps: int = 8) -> tuple[list[float], Any]:
    """Per step the bytes moved, in all-reduces of all gradients; and the weights at the end."""
    model = built(lambda: nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = normal(8, 32)
    size = ring(sum(p.nbytes for p in model.parameters())) or 1
    sent = [spent(lambda: schedule(model, optimizer, x)) / size for _ in range(steps)]
    return sent, [p.detach().numpy().copy() for p in model.parameters()]


def drop_one(model: Any, optimizer: Any, x: Any, to_none: bool = True) -> None:
    """A backward pass whose gradients are set aside, then one that is read."""
    optimizer.zero_grad(set_to_none=to_none)
    model(x).mean().backward()
    optimizer.zero_grad(set_to_none=to_none)
    model(x).square().mean().backward()
    optimizer.step()


def drop_to_zeros(model: Any, optimizer: Any, x: Any) -> None:
    drop_one(model, optimizer, x, to_none=False)


def drop_by_module(model: Any, optimizer: Any, x: Any) -> None:
    model.zero_grad(set_to_none=False)
    model(x).square().mean().backward()
    model.zero_grad(set_to_none=False)
    model(x).square().mean().backward()
    optimizer.step()


def three_then_read(model: Any, optimizer: Any, x: Any) -> None:
    optimizer.zero_grad()
    for part in x.split(3):
        model(part).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("schedule", [drop_one, drop_to_zeros, drop_by_module, three_then_read])
def test_what_is_set_aside_or_added_to_is_not_moved(schedule: Any) -> None:
    """Once the schedule is known."""
    want = dist.run_local(1, lambda rank: train(schedule))[0][1]
    for sent, weights in on_threads(2, lambda: train(schedule)):
        assert sent[-4:] == [1.0] * 4, sent
        for a, b in zip(weights, want, strict=True):
            assert a == pytest.approx(b, rel=1e-4, abs=1e-6)


def test_wrong_guesses_keep_the_values() -> None:
    """The number of backward passes changes, and so does who looks at gradients in between."""

    def program() -> Any:
        model = built(lambda: nn.Linear(16, 8))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        x, seen = normal(12, 16), []
        for step, passes in enumerate([1, 1, 3, 1, 4, 2, 2, 1, 3]):
            optimizer.zero_grad(set_to_none=step % 2 == 0)
            for k in range(passes):
                model(x[k : k + 9]).square().mean().backward()
                if step % 3 == 2 and k == 1:
                    seen.append(float(model.weight.grad.norm()))
            optimizer.step()
        return seen, model.weight.detach().numpy().copy()

    seen, weight = dist.run_local(1, lambda rank: program())[0]
    for shards in (None, 5):
        for got, other in on_threads(3, program, shards):
            assert got == pytest.approx(seen, rel=1e-4)
            assert other == pytest.approx(weight, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("together", [True, False])
def test_two_networks_that_play_against_each_other(together: bool) -> None:
    """The gradients that the generator's loss leaves in the discriminator are not reduced."""

    def program() -> Any:
        judge = built(lambda: nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1)))
        maker = built(lambda: nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16)), 1)
        judging = torch.optim.Adam(judge.parameters(), lr=0.01)
        making = torch.optim.Adam(maker.parameters(), lr=0.01)
        real, noise = normal(6, 16), normal(6, 8, seed=2)

        def step() -> None:
            judging.zero_grad()
            fake = maker(noise)
            losses = [F.softplus(-judge(real)).mean(), F.softplus(judge(fake.detach())).mean()]
            for loss in [losses[0] + losses[1]] if together else losses:
                loss.backward()
            judging.step()
            making.zero_grad()
            F.softplus(-judge(fake)).mean().backward()
            making.step()

        size = sum(p.nbytes for m in (judge, maker) for p in m.parameters())
        sent = [spent(step) - ring(size) for _ in range(6)]
        return sent, [p.detach().numpy().copy() for m in (judge, maker) for p in m.parameters()]

    want = dist.run_local(1, lambda rank: in_view(program))[0][1]
    for sent, weights in on_threads(2, program):
        assert max(sent[-3:]) <= 8, sent
        for a, b in zip(weights, want, strict=True):
            assert a == pytest.approx(b, rel=1e-3, abs=1e-5)


def test_hooks_see_whole_gradients() -> None:
    def program() -> Any:
        model, seen = built(lambda: nn.Linear(8, 4)), []
        model.weight.register_hook(lambda g: seen.append(float(g.sum())))
        model.bias.register_hook(lambda g: 2 * g)
        model.weight.register_post_accumulate_grad_hook(
            lambda p: seen.append(float(p.grad.abs().max()))
        )
        for _ in range(3):
            model(normal(5, 8)).square().mean().backward()
        return seen, model.bias.grad.tolist()

    want = dist.run_local(1, lambda rank: program())[0]
    for seen, bias in on_threads(3, program):
        assert seen == pytest.approx(want[0], rel=1e-4)
        assert bias == pytest.approx(want[1], rel=1e-4)


def test_gradients_given_by_hand_and_kept() -> None:
    """``.grad`` set by the script, kept by it, or taken from one parameter for another."""

    def program() -> Any:
        model = built(lambda: nn.Linear(8, 4))
        model.weight.grad = torch.ones(4, 8)
        model(normal(5, 8)).square().mean().backward()
        kept = model.weight.grad
        first = kept.clone()
        model.zero_grad()
        model(normal(5, 8)).square().mean().backward()
        other = torch.zeros(4, 8, requires_grad=True)
        other.grad = model.weight.grad
        return first.numpy(), kept.numpy(), other.grad.numpy()

    want = dist.run_local(1, lambda rank: program())[0]
    for found in on_threads(2, program):
        for a, b in zip(found, want, strict=True):
            assert a == pytest.approx(b, rel=1e-4, abs=1e-6)


def test_gradients_that_the_script_holds_are_added_to() -> None:
    """Views of one buffer, a tensor given as ``.grad``, and what ``zero_grad`` set to zero."""

    def program() -> Any:
        model = built(lambda: nn.Linear(8, 4))
        flat, held = torch.zeros(32), torch.zeros(4)
        model.weight.grad, model.bias.grad = flat.view(4, 8), held
        seen = []
        for step in range(4):
            model(normal(5, 8)).square().mean().backward()
            seen += [flat.tolist(), held.tolist()]
            if step % 2:
                model.zero_grad(set_to_none=False)
        return seen

    want = dist.run_local(1, lambda rank: program())[0]
    for found in on_threads(2, program, shards=3):
        for a, b in zip(found, want, strict=True):
            assert a == pytest.approx(b, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("fates", "expected"),
    [
        ([2], 2), ([1, 1, 1], 1), ([1, 3], 3), ([1, -1, 1], -1), ([1, -1, 1, -1], 1),
        ([1, 1, -1, 1, 1], -1), ([2, -1, -1, 2], -1), ([2, -1, -1, 2, -1], -1), ([4, 2, 1], 1),
    ],
)  # fmt: skip
def test_expectations(fates: list[int], expected: int) -> None:
    assert next_fate(fates) == expected
