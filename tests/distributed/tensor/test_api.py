"""DTensors: torch.distributed.tensor's functions on threads, on processes, and in one alone.

Reference: the same numbers on plain tensors, and torch 2.13's signatures, written down here.
pytest tests/distributed/tensor/test_api.py
tools/mpi_test.sh 3 tests/distributed/tensor/test_api.py
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.distributed.tensor as dtensor
from isograd.distributed.tensor import (
    DTensor,
    Partial,
    Replicate,
    Shard,
    distribute_tensor,
    init_device_mesh,
)
from tests.distributed.tensor.api_checks import ApiChecks, whole


class TestLocalOne(ApiChecks):
    ranks = 1

    def run(self, program: Any) -> list[tuple[int, Any]]:
        return list(enumerate(dist.run_local(self.ranks, program, timeout=30)))


class TestLocalTwo(TestLocalOne):
    ranks = 2


class TestLocalThree(TestLocalOne):
    ranks = 3


class TestLocalFour(TestLocalOne):
    ranks = 4


@pytest.fixture(scope="module")
def world() -> Iterator[None]:
    dist.init_process_group()
    yield
    dist.destroy_process_group()


@pytest.mark.mpi
@pytest.mark.usefixtures("world")
class TestMpi(ApiChecks):
    @property
    def ranks(self) -> int:  # type: ignore[override]
        return dist.get_world_size()

    def run(self, program: Any) -> list[tuple[int, Any]]:
        return [(dist.get_rank(), program(dist.get_rank()))]


SIGNATURES = {  # of torch 2.13; ours may have more
    dtensor.distribute_tensor: ["tensor", "device_mesh", "placements", "src_data_rank"],
    dtensor.distribute_module: ["module", "device_mesh", "partition_fn", "input_fn", "output_fn"],
    DTensor.from_local: [
        "local_tensor", "device_mesh", "placements", "run_check", "shape", "stride",
        "grad_placements",
    ],
    torch.Tensor.to_local: ["self", "grad_placements"],
    torch.Tensor.full_tensor: ["self", "grad_placements"],
    torch.Tensor.redistribute: ["self", "device_mesh", "placements", "async_op"],
}  # fmt: skip


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda f: f.__name__)
def test_signatures_of_torch(function: Any) -> None:
    assert list(inspect.signature(function).parameters) == SIGNATURES[function]


def test_names_of_torch() -> None:
    for name in (
        "DTensor", "distribute_tensor", "distribute_module", "Shard", "Replicate", "Partial",
        "Placement", "ones", "empty", "full", "rand", "randn", "zeros",
    ):  # fmt: skip
        assert hasattr(dtensor, name)


def test_one_process_has_the_parts_of_all_positions() -> None:
    mesh = init_device_mesh("cpu", (3,))
    d = distribute_tensor(whole(5, 2), mesh, [Shard(0)])
    assert d.to_local().tolist() == whole(5, 2).tolist()
    mine = (d * 2).requires_grad_()
    (mine.to_local() * whole(5, 2)).sum().backward()
    assert mine.grad.full_tensor().tolist() == whole(5, 2).tolist()
    with pytest.raises(RuntimeError, match=r"this process owns 3 positions, .*use full_tensor"):
        d.redistribute(placements=[Partial()]).to_local()
    with pytest.raises(RuntimeError, match="use distribute_tensor, or as many positions as"):
        DTensor.from_local(whole(2), mesh, [Shard(0)])


def test_what_is_a_dtensor() -> None:
    plain = whole(3)
    assert not isinstance(plain, DTensor)
    assert plain.full_tensor() is plain and plain.to_local() is plain
    for name in ("placements", "device_mesh"):
        with pytest.raises(AttributeError, match="a plain tensor is on no mesh"):
            getattr(plain, name)
    with pytest.raises(RuntimeError, match="redistribute: a plain tensor is on no mesh"):
        plain.redistribute(placements=[Replicate()])
    placed = plain.redistribute(init_device_mesh("cpu", (2,)), [Shard(0)])
    assert isinstance(placed, DTensor) and placed.placements == (Shard(0),)


def test_two_mesh_dimensions() -> None:
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
    d = distribute_tensor(whole(5, 4).requires_grad_(), mesh, [Shard(0), Shard(1)])
    both = d.redistribute(placements=[Shard(0), Shard(0)])
    ((both @ both.T).sum() + (d * 2).mean()).backward()
    x = whole(5, 4).requires_grad_()
    ((x @ x.T).sum() + (x * 2).mean()).backward()
    assert torch.allclose(d.grad.full_tensor(), x.grad)
    assert d.grad.placements == (Shard(0), Shard(1))


def test_wrong_placements() -> None:
    mesh = init_device_mesh("cpu", (2, 2))
    with pytest.raises(ValueError, match=r"distribute_tensor: expected one placement per mesh"):
        distribute_tensor(whole(4), mesh, [Shard(0)])
    with pytest.raises(IndexError, match=r"Shard\(1\) of a tensor of shape \(4,\)"):
        distribute_tensor(whole(4), mesh, [Shard(0), Shard(1)])
    with pytest.raises(TypeError, match="expected Shard, Replicate or Partial, got 'rows'"):
        distribute_tensor(whole(4), mesh, [Shard(0), "rows"])  # type: ignore[list-item]


def test_filled_and_drawn() -> None:
    mesh = init_device_mesh("cpu", (3,))
    torch.manual_seed(5)
    a = dtensor.rand(7, 2, device_mesh=mesh, placements=[Shard(0)])
    torch.manual_seed(5)
    assert a.full_tensor().tolist() == torch.rand(7, 2).tolist()
    b = dtensor.full((2, 2), 3.0, device_mesh=mesh, placements=[Shard(1)], requires_grad=True)
    assert b.full_tensor().tolist() == [[3.0, 3.0]] * 2 and b.requires_grad and b.is_leaf
    assert dtensor.ones(3, dtype=torch.int64, device_mesh=mesh).dtype is torch.int64
    assert dtensor.empty(3, 1, device_mesh=mesh, placements=[Shard(0)]).shape == (3, 1)
