"""DistributedDataParallel: in local worlds, between MPI processes, and its own corners.

pytest tests/distributed/test_ddp.py
mpirun -n 2 python -m pytest --with-mpi -m mpi tests/distributed/test_ddp.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
from isograd import nn
from isograd.distributed.join import Join, Joinable, JoinHook
from isograd.distributed.reducer import plan_buckets
from isograd.nn.parallel import DistributedDataParallel as DDP
from tests.distributed.ddp_checks import DdpChecks, Net, batch


class TestLocalTwo(DdpChecks):
    ranks = 2

    def run(self, program: Any) -> list[tuple[int, Any]]:
        return list(enumerate(dist.run_local(self.ranks, program, timeout=30)))


class TestLocalFour(TestLocalTwo):
    ranks = 4


class TestLocalOne(TestLocalTwo):
    ranks = 1


@pytest.fixture(scope="module")
def world() -> Iterator[None]:
    dist.init_process_group()
    yield
    dist.destroy_process_group()


@pytest.mark.mpi
@pytest.mark.usefixtures("world")
class TestMpi(DdpChecks):
    @property
    def ranks(self) -> int:  # type: ignore[override]
        return dist.get_world_size()

    def run(self, program: Any) -> list[tuple[int, Any]]:
        return [(dist.get_rank(), program(dist.get_rank()))]


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


def test_plan_buckets() -> None:
    params = [torch.zeros(n) for n in (10, 10, 10)] + [torch.zeros(5, dtype=torch.float64)]
    assert plan_buckets(params, 10_000, 10_000) == [[3], [2, 1, 0]]
    assert plan_buckets(params[:3], 40, 80) == [[2], [1, 0]]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="init_process_group"):
        DDP(Net())

    def program(rank: int) -> None:
        with pytest.raises(RuntimeError, match="doesn't have any parameters"):
            DDP(nn.ReLU())
        with pytest.raises(ValueError, match="single element"):
            DDP(Net(), device_ids=[0, 1])

    dist.run_local(1, program)


class Companion(Joinable):
    """A second joinable with a collective of its own in each step, such as a sharded optimizer."""

    def __init__(self, group: Any) -> None:
        self.group = group

    @property
    def join_process_group(self) -> Any:
        return self.group

    def join_hook(self, **kwargs: Any) -> JoinHook:
        return CompanionHook(self)

    def step(self) -> list[int]:
        active = Join.notify_join_context(self)
        dist.all_reduce(torch.ones(1))
        return active


class CompanionHook(JoinHook):
    def __init__(self, companion: Companion) -> None:
        self.companion = companion

    def main_hook(self, active: list[int]) -> None:
        dist.all_reduce(torch.zeros(1))


def test_two_joinables_count_the_active_ranks_once_per_step() -> None:
    def program(rank: int) -> list[int]:
        model = DDP(nn.Linear(1, 1))
        companion = Companion(model.process_group)
        seen = []
        with Join([model, companion]):
            for _ in range(1 + rank):
                model(torch.ones(1, 1)).sum().backward()
                seen.append(len(companion.step()))
        return seen

    assert dist.run_local(2, program, timeout=30) == [[2], [2, 1]]
