"""Meshes: who owns which positions, groups along dimensions, and torch's names for it.

Reference: the balanced shares, ranks' coordinates by NumPy, torch 2.13's answers for a mesh of one
position per rank. pytest tests/distributed/tensor/test_mesh.py
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
from isograd.data.view import shares
from isograd.distributed.device_mesh import init_device_mesh
from isograd.distributed.tensor import DeviceMesh, Shard, distribute_tensor


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("positions", [4, 5, 8])
def test_every_process_owns_a_run(ranks: int, positions: int) -> None:
    def program(rank: int) -> tuple[int, int, int, Any]:
        mesh = init_device_mesh("cpu", (positions,))
        return mesh.first, mesh.count, mesh.get_rank(), mesh.get_coordinate()

    found = dist.run_local(ranks, program)
    want = shares(positions, ranks)
    assert [count for _, count, _, _ in found] == list(want)
    assert [first for first, *_ in found] == np.cumsum([0, *want])[:-1].tolist()
    assert [(rank, at) for _, _, rank, at in found] == [
        (r, (first,)) for r, (first, *_) in enumerate(found)
    ]


def test_names_of_torch() -> None:
    mesh = init_device_mesh("cpu", (2, 3), mesh_dim_names=("dp", "tp"))
    assert mesh.mesh.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (mesh.ndim, mesh.shape, mesh.size(), mesh.size(0), mesh.size(-1)) == (2, (2, 3), 6, 2, 3)
    assert mesh.mesh_dim_names == ("dp", "tp") and mesh.device_type == "cpu"
    assert mesh.get_coordinate() == (0, 0)
    assert mesh.get_local_rank("tp") == mesh.get_local_rank(mesh_dim=0) == 0
    assert mesh["dp"].shape == (2,) and mesh["tp"].mesh_dim_names == ("tp",)
    assert mesh["dp", "tp"] is mesh
    assert dist.DeviceMesh is DeviceMesh and dist.init_device_mesh is init_device_mesh
    names = list(inspect.signature(init_device_mesh).parameters)
    assert names[:3] == ["device_type", "mesh_shape", "mesh_dim_names"]


def test_groups_along_dimensions() -> None:
    def program(rank: int) -> tuple[Any, ...]:
        mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
        sums = []
        for name in ("dp", "tp"):
            x = torch.tensor([float(rank)])
            dist.all_reduce(x, group=mesh.get_group(name))
            sums.append(x.item())
        sub = mesh["tp"]
        parts = distribute_tensor(torch.arange(4.0), sub, [Shard(0)]).to_local().tolist()
        return (*sums, sub.get_local_rank(), parts, len(mesh.get_all_groups()), mesh["tp"] == sub)

    assert dist.run_local(4, program) == [
        (2.0, 1.0, 0, [0.0, 1.0], 2, True),
        (4.0, 1.0, 1, [2.0, 3.0], 2, True),
        (2.0, 5.0, 0, [0.0, 1.0], 2, True),
        (4.0, 5.0, 1, [2.0, 3.0], 2, True),
    ]


def test_some_of_three_dimensions() -> None:
    def program(rank: int) -> tuple[Any, ...]:
        mesh = init_device_mesh("cpu", (2, 1, 2), mesh_dim_names=("pp", "dp", "tp"))
        sub = mesh["pp", "tp"]
        return sub.shape, sub.get_coordinate(), mesh["dp"].size(), mesh.get_group("tp").size()

    assert dist.run_local(4, program) == [
        ((2, 2), (r // 2, r % 2), 1, 2) for r in range(4)
    ]  # fmt: skip


def test_a_mesh_of_a_group() -> None:
    def program(rank: int) -> tuple[int, int]:
        pair, one = dist.new_group([0, 1]), dist.new_group([2])
        mesh = DeviceMesh.from_group(pair if rank < 2 else one, "cpu")
        return mesh.size(), mesh.get_local_rank()

    assert dist.run_local(3, program) == [(2, 0), (2, 1), (1, 0)]
    with pytest.raises(TypeError, match="expected one group"):
        DeviceMesh.from_group([], "cpu")  # type: ignore[arg-type]


def test_within_a_mesh() -> None:
    mesh = init_device_mesh("cpu", (3,))
    with mesh:
        with init_device_mesh("cpu", (2,)):
            inner = distribute_tensor(torch.zeros(4), placements=[Shard(0)])
        outer = distribute_tensor(torch.zeros(4), placements=[Shard(0)])
    assert (inner.device_mesh.size(), outer.device_mesh.size()) == (2, 3)
    with pytest.raises(RuntimeError, match="distribute_tensor: expected a device_mesh"):
        distribute_tensor(torch.zeros(4))


def test_equal_meshes() -> None:
    a, b = init_device_mesh("cpu", (2, 2)), init_device_mesh("cpu", (2, 2))
    assert a == b and hash(a) == hash(b) and a != init_device_mesh("cpu", (4,))
    x = distribute_tensor(torch.ones(4), a, [Shard(0)] * 2)
    y = distribute_tensor(torch.ones(4), b, [Shard(0)] * 2)
    assert (x + y).full_tensor().tolist() == [2.0] * 4
    assert repr(init_device_mesh("cpu", (2,), mesh_dim_names=["dp"])) == (
        "DeviceMesh('cpu', [0, 1], mesh_dim_names=('dp',))"
    )


def test_tensors_on_two_meshes() -> None:
    x = distribute_tensor(torch.ones(4), init_device_mesh("cpu", (2,)), [Shard(0)])
    y = distribute_tensor(torch.ones(4), init_device_mesh("cpu", (4,)), [Shard(0)])
    with pytest.raises(RuntimeError, match=r"add: expected tensors on one mesh, got .*full_tensor"):
        x + y
    assert (x + y.full_tensor()).full_tensor().tolist() == [2.0] * 4


def test_fewer_positions_than_processes() -> None:
    def program(rank: int) -> str:
        with pytest.raises(ValueError) as error:
            init_device_mesh("cpu", (2,))
        return str(error.value)

    assert all("a mesh of 2 positions (2,)" in text for text in dist.run_local(3, program))
    assert "among 3 processes" in dist.run_local(3, program)[0]


def test_groups_need_a_position_per_process() -> None:
    def program(rank: int) -> str:
        mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("a", "b"))
        with pytest.raises(RuntimeError) as error:
            mesh["a"]
        return str(error.value)

    assert all("2 processes own 4 positions" in text for text in dist.run_local(2, program))


def test_wrong_arguments() -> None:
    mesh = init_device_mesh("cpu", (2, 3), mesh_dim_names=("dp", "tp"))
    for error, text, call in [
        (RuntimeError, "expected device_type 'cpu' or 'cuda', got 'tpu'",
         lambda: init_device_mesh("tpu", (2,))),
        (RuntimeError, "expected positive lengths", lambda: init_device_mesh("cpu", (2, 0))),
        (RuntimeError, "expected positive lengths", lambda: init_device_mesh("cpu", ())),
        (RuntimeError, "repeat",
         lambda: init_device_mesh("cpu", (1, 1), mesh_dim_names=["a", "a"])),
        (ValueError, "expected 1 mesh_dim_names",
         lambda: init_device_mesh("cpu", (2,), mesh_dim_names=("a", "b"))),
        (ValueError, "other orders are not supported", lambda: DeviceMesh("cpu", [1, 0])),
        (KeyError, "no mesh dimension is called 'pp'", lambda: mesh["pp"]),
        (KeyError, "in their order", lambda: mesh["tp", "dp"]),
        (RuntimeError, "say which one is meant", lambda: mesh.get_group()),
        (IndexError, "no dimension 2", lambda: mesh.size(2)),
        (RuntimeError, "lives in one process", lambda: mesh.get_group("dp")),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            call()
