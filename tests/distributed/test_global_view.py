"""The global view: programs for one device on 1 to 4 ranks, against the run in one process.

Ranks are threads, or processes over MPI. What is cut: test_root_inputs.py; gradients:
tensor/test_gradients.py; ranks that differ: test_divergence.py; whole scripts: tests/scripts.

pytest tests/distributed/test_global_view.py
tools/mpi_test.sh 3 tests/distributed/test_global_view.py
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from isograd.data import DataLoader, DistributedSampler, TensorDataset
from isograd.distributed import global_view
from isograd.distributed.group import default_group
from isograd.nn.parallel import DistributedDataParallel
from tests.distributed.view_checks import (
    ViewChecks,
    assert_near,
    built,
    classes,
    in_view,
    loader,
    mlp,
    normal,
    on_threads,
    state,
)


class TestLocalTwo(ViewChecks):
    ranks = 2

    def run(self, program: Any, shards: int | None = None) -> list[tuple[int, Any]]:
        return list(enumerate(on_threads(self.ranks, program, shards)))


class TestLocalOne(TestLocalTwo):
    ranks = 1


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
class TestMpi(ViewChecks):
    @property
    def ranks(self) -> int:  # type: ignore[override]
        return dist.get_world_size()

    def run(self, program: Any, shards: int | None = None) -> list[tuple[int, Any]]:
        return [(dist.get_rank(), in_view(program, shards))]


def test_fewer_shards_than_ranks() -> None:
    def program(rank: int) -> None:
        with pytest.raises(ValueError, match=r"--shards 2: there are 3 processes.*--shards 3 or"):
            global_view.start_in(default_group(), 2)

    dist.run_local(3, program)


@pytest.fixture
def view() -> Iterator[Any]:
    """The view of this process."""
    made: list[Any] = []

    def start(shards: int | None = None) -> Any:
        made.append(global_view.start(shards))
        return made[0]

    yield start
    global_view.stop()
    if default_group() is not None:
        dist.destroy_process_group()


def test_there_is_one_view(view: Any) -> None:
    view()
    with pytest.raises(RuntimeError, match="there is a global view already"):
        global_view.start()


def test_a_script_that_distributes_itself_ends_the_view(view: Any) -> None:
    view()
    dist.init_process_group("gloo")
    assert global_view.current() is None
    data = TensorDataset(normal(6, 8), classes(6))
    sampler = DistributedSampler(data)
    model = DistributedDataParallel(built(mlp))
    for x, y in DataLoader(data, batch_size=3, sampler=sampler, shuffle=False):
        F.cross_entropy(model(x), y).backward()
    assert len(sampler) == 6
    assert all(p.grad is not None for p in model.parameters())


def test_not_after_something_was_cut(view: Any) -> None:
    view()
    next(iter(DataLoader(TensorDataset(normal(4, 8)), batch_size=4)))
    with pytest.raises(RuntimeError, match="already been cut .* before the first batch"):
        dist.init_process_group()


def test_not_with_shards(view: Any) -> None:
    view(4)
    with pytest.raises(RuntimeError, match="--shards promises the same bits"):
        dist.init_process_group()
    with pytest.raises(ValueError, match="init_process_group"):
        DistributedDataParallel(built(mlp))
    assert global_view.current() is not None


def test_one_thread_with_shards(view: Any) -> None:
    view(4)
    with pytest.warns(UserWarning, match=r"set_num_threads\(2\) is ignored: with --shards"):
        torch.set_num_threads(2)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("shards", [None, 5])
@pytest.mark.parametrize("ranks", [2, 3])
def test_saved_and_copied_tensors_are_whole(ranks: int, shards: int | None) -> None:
    def saved(value: Any) -> Any:
        file = io.BytesIO()
        torch.save(value, file)
        file.seek(0)
        return torch.load(file)

    def program() -> list[Any]:
        x = next(iter(loader(normal(11, 3), batch_size=11)))[0]
        found = saved({"x": x, "parts": [x[2:5], x > 0]})
        return [
            found["x"].numpy(), found["parts"][0].numpy(), found["parts"][1].numpy(),
            saved(x).numpy(), pickle.loads(pickle.dumps(x)).numpy(), copy.deepcopy(x).numpy(),
        ]  # fmt: skip

    for got in on_threads(ranks, program, shards):
        assert_near(got, program())


@pytest.mark.parametrize("ranks", [2, 3])
def test_models_with_pending_gradients_are_copied(ranks: int) -> None:
    def program() -> list[Any]:
        model = built(mlp)

        def step(m: Any) -> None:
            F.cross_entropy(m(normal(7, 8)), classes(7)).backward()

        step(model)
        twin = copy.deepcopy(model)
        read = pickle.loads(pickle.dumps(model))
        optimizer = torch.optim.Adam(model.parameters())
        optimizer.step()
        other = copy.deepcopy(optimizer)
        step(twin)
        step(model)
        held = copy.deepcopy([p.grad for p in model.parameters()])
        moments = [s["exp_avg"].numpy() for s in other.state_dict()["state"].values()]
        return [
            *state(model, twin, read), *moments, *(g.numpy() for g in held),
            *(p.grad.numpy() for m in (model, twin) for p in m.parameters()),
        ]  # fmt: skip

    want = program()
    for got in on_threads(ranks, program):
        assert_near(got, want)
