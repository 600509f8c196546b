"""Ranks that part: every one of them raises and says where, none waits for ever.

The same under the launcher, with whole scripts: tests/scripts (diverge_*.py).

pytest tests/distributed/test_divergence.py
tools/mpi_test.sh 2 tests/distributed/test_divergence.py
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from tests.distributed.view_checks import built, classes, in_view, mlp, normal

Program = Callable[[int], None]


def loss_of(model: Any, n: int = 9) -> Any:
    return F.cross_entropy(model(normal(n, 8)), classes(n))


def one_reads(rank: int) -> None:
    model = built(mlp)
    loss = loss_of(model)
    if rank == 0:
        loss.item()  # one
    loss.backward()
    float(model[0].weight.grad.sum())  # other


def order_of_reads(rank: int) -> None:
    out = built(mlp)(normal(9, 8))
    first, second = out.sum(), (out * out).sum()
    if rank == 0:
        first.item()  # one
    second.item()  # other
    if rank != 0:
        first.item()


def a_batch_of_another_length(rank: int) -> None:
    loss_of(built(mlp), 9 if rank == 0 else 8).item()  # one other


def one_skips_a_batch(rank: int) -> None:
    model = built(mlp)
    for step in range(3):
        loss = loss_of(model)
        if rank == 1 and step == 1:
            continue
        loss.backward()  # one other
        float(model[0].weight.grad.sum())
        model.zero_grad()


def one_evaluates(rank: int) -> None:
    model = built(mlp)
    loss_of(model).backward()
    if rank == 0:
        with torch.no_grad():
            loss_of(model).item()  # one
    float(model[0].weight.grad.sum())  # other


def trained(rank: int, seed: int = 0, lr: float = 0.1, shift: int = 0) -> None:
    model = built(mlp, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for step in range(4):
        optimizer.zero_grad()
        F.cross_entropy(model(normal(9, 8, seed=step + shift)), classes(9)).backward()
        optimizer.step()


def a_seed_of_its_own(rank: int) -> None:
    trained(rank, seed=rank)


def a_rate_of_its_own(rank: int) -> None:
    trained(rank, lr=0.1 * (rank + 1))


def data_of_its_own(rank: int) -> None:
    trained(rank, shift=rank)


def marked_lines(program: Program) -> set[str]:
    lines, start = inspect.getsourcelines(program)
    marked = [i for i, line in enumerate(lines, start) if line.rstrip().endswith(("one", "other"))]
    return {f"test_divergence.py:{i}" for i in marked}


class DivergenceChecks:
    def run(self, program: Program, shards: int | None = None) -> list[str]:
        """What the ranks of this process raised."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "program",
        [one_reads, order_of_reads, a_batch_of_another_length, one_skips_a_batch, one_evaluates],
    )
    def test_both_lines_are_named(self, program: Program) -> None:
        for said in self.run(program):
            assert "the ranks disagree on collective" in said
            assert "rank 0: " in said and "rank 1: " in said
            assert all(line in said for line in marked_lines(program)), said

    @pytest.mark.parametrize("shards", [None, 5])
    @pytest.mark.parametrize(
        ("program", "what"),
        [
            (a_seed_of_its_own, "Sequential's 2.weight differs"),
            (a_rate_of_its_own, "Sequential's 2.weight differs"),
            (data_of_its_own, r"the first input of Sequential, of shape (9, 8), differs"),
        ],
    )
    def test_silent_differences_are_found(
        self, program: Program, what: str, shards: int | None
    ) -> None:
        for said in self.run(program, shards):
            assert what in said and "rank 0 has" in said and "where rank 1 has" in said
            assert "test_divergence.py:" in said and "must not depend on the rank" in said

    @pytest.mark.parametrize("shards", [None, 5])
    def test_no_false_alarm(self, shards: int | None) -> None:
        assert set(self.run(trained, shards)) == {""}


class TestLocal(DivergenceChecks):
    def run(self, program: Program, shards: int | None = None) -> list[str]:
        said = [""] * 2

        def caught(rank: int) -> None:
            try:
                in_view(lambda: program(rank), shards)
            except Exception as error:
                said[rank] = str(error)

        dist.run_local(2, caught, timeout=20)
        return said

    def test_one_ends_early(self) -> None:
        def program(rank: int) -> None:
            model = built(mlp)
            for step in range(4):
                if rank == 1 and step == 2:
                    return
                loss_of(model).item()

        there, gone = self.run(program)
        assert "rank(s) [1] exited without taking part" in there
        assert "rank 1: its program has returned" in there
        assert "rank 0 (this one): waits at" in there and "test_divergence.py:" in there
        assert gone == ""


@pytest.fixture(scope="module")
def world() -> Iterator[None]:
    dist.init_process_group()
    yield
    dist.destroy_process_group()


@pytest.mark.mpi
@pytest.mark.usefixtures("world")
class TestMpi(DivergenceChecks):
    def run(self, program: Program, shards: int | None = None) -> list[str]:
        if dist.get_world_size() < 2:
            pytest.skip("needs two ranks")
        try:
            in_view(lambda: program(dist.get_rank()), shards)
        except Exception as error:
            return [str(error)]
        return [""]
