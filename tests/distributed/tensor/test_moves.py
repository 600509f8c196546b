"""Redistribution between all pairs of placements: any number of positions over any processes.

Reference: the parts cut out of the whole array; all is exact. pytest tests/distributed/tensor/
test_moves.py, and on real processes: tools/mpi_test.sh 3 tests/distributed/tensor/test_moves.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd.distributed as dist
from isograd.distributed.tensor import Partial, Replicate, Shard, init_device_mesh, moves
from isograd.distributed.tensor.layout import Layout
from tests.distributed.tensor.move_checks import KINDS, MoveChecks, check_moves, held, values


class TestLocalOne(MoveChecks):
    ranks = 1

    def run(self, program: Any) -> list[Any]:
        return dist.run_local(self.ranks, program, timeout=60)


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
class TestMpi(MoveChecks):
    @property
    def ranks(self) -> int:  # type: ignore[override]
        return dist.get_world_size()

    def run(self, program: Any) -> list[Any]:
        return [program(dist.get_rank())]


@pytest.mark.parametrize("positions", range(1, 9))
def test_one_process_plays_all_positions(positions: int) -> None:
    assert check_moves(init_device_mesh("cpu", (positions,)), (5, 3), KINDS) > 60


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 2), (2, 2, 2)])
def test_one_process_plays_a_grid(shape: tuple[int, ...]) -> None:
    few = [Replicate(), Shard(0), Partial()]
    assert check_moves(init_device_mesh("cpu", shape), (7, 2), few) > 100


@pytest.mark.parametrize(
    ("op", "dtype", "want"),
    [
        ("sum", "i8", 0), ("product", "f4", 1), ("max", "f8", -np.inf), ("min", "f2", np.inf),
        ("max", "i4", -(2**31)), ("min", "u1", 255), ("max", "?", False), ("min", "?", True),
    ],
)  # fmt: skip
def test_neutral_elements(op: str, dtype: str, want: Any) -> None:
    found = moves.neutral(op, np.dtype(dtype))
    assert found == want
    assert found.dtype == np.dtype(dtype) if hasattr(found, "dtype") else dtype[0] in "iu"


@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_totals(shape: tuple[int, ...]) -> None:
    """Sums of arrays in any two layouts; parts of sums stay so where nothing has to move."""
    mesh = init_device_mesh("cpu", shape)
    x, y = values(4, 3), values(4, 3)[::-1].copy()
    kinds = [Replicate(), Shard(0), Partial(), Partial("max")]
    for a in kinds:
        for b in kinds:
            first = Layout(mesh, x.shape, (a,) * mesh.ndim)
            second = Layout(mesh, y.shape, (b,) * mesh.ndim)
            got = moves.total(held(x, first), held(y, second))
            assert bool(got.layout.partial) == (
                Partial() in (a, b) and {a, b} <= {Partial(), Replicate()}
            )
            np.testing.assert_array_equal(got.whole(), x + y)
    part = Layout(mesh, x.shape, (Partial(),) * mesh.ndim)
    np.testing.assert_array_equal(moves.total(held(x, part), y).whole(), x + y)
    number = moves.total(
        held(values(), Layout(mesh, (), (Partial(),) * mesh.ndim)), np.asarray(2.0)
    )
    assert all(type(p) is np.ndarray for p in number.pieces)
    assert number.item() == 3
