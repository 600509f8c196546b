"""Reductions along the fixed tree: threads, processes and a pretend NCCL against one process.

python -m pytest tests/distributed/test_tree.py
mpirun -n 4 python -m pytest --with-mpi --only-mpi -p no:cacheprovider tests/distributed

"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from isograd.data.view import shares
from isograd.distributed import ReduceOp, detect_world, tree_plan
from isograd.distributed.checked import CheckedCommunicator
from isograd.distributed.local import run_communicators
from isograd.distributed.mpi_world import communicator_over_mpi
from isograd.distributed.nccl import NcclTransport
from isograd.distributed.tree import tree_all_reduce, tree_fold
from isograd.distributed.tree_plan import plan_for
from tests.distributed.fake_cuda import DeviceArray, fake_modules
from tests.distributed.tree_checks import TreeChecks, own


@pytest.mark.parametrize("size", range(1, 9))
class TestThreads(TreeChecks):
    @pytest.fixture(autouse=True)
    def _size(self, size: int) -> None:
        self.size = size

    def run(self, program: Any) -> Any:
        return run_communicators(self.size, program, timeout=30)


@pytest.fixture
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in fake_modules().items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("_fake")
class TestPretendNccl(TreeChecks):
    """Device arrays, whose reductions stay on the device."""

    size = 3

    def run(self, program: Any) -> Any:
        def on_device(comm: Any) -> Any:
            nccl = CheckedCommunicator(NcclTransport(comm._transport, 0), comm.ranks, comm.timeout)
            program(nccl)
            nccl.close()

        return run_communicators(self.size, on_device, timeout=30)

    def put(self, array: np.ndarray) -> Any:
        return DeviceArray(array.copy())

    def host(self, array: Any) -> np.ndarray:
        assert isinstance(array, DeviceArray)
        return array.host


@pytest.mark.usefixtures("_fake")
class TestDeviceThroughTheHost(TestPretendNccl):
    """Device arrays over a transport of host buffers."""

    def run(self, program: Any) -> Any:
        return run_communicators(2, program, timeout=30)


@pytest.fixture(scope="module")
def comm() -> Iterator[Any]:
    communicator = communicator_over_mpi(detect_world(os.environ), "trees", 60.0)
    yield communicator
    communicator.close()


@pytest.mark.mpi
class TestProcesses(TreeChecks):
    @pytest.fixture(autouse=True)
    def _communicator(self, comm: Any) -> None:
        self.comm = comm

    def run(self, program: Any) -> Any:
        return program(self.comm)


def test_the_tree() -> None:
    """Seven values: a left part of four, then two, then one."""
    a, b, c, d, e, f, g = (np.random.default_rng(v).standard_normal(9) for v in range(7))
    want = ((a + b) + (c + d)) + ((e + f) + g)
    assert tree_fold([a, b, c, d, e, f, g]).tobytes() == want.tobytes()
    single = tree_fold([a])
    assert single.tobytes() == a.tobytes() and not np.shares_memory(single, a)


def test_reduction_of_a_few_ranks_differs_from_that_of_one() -> None:
    """The control: sums by rank, then a plain all-reduce, depend on the number of ranks."""
    values = [np.random.default_rng(v).standard_normal(1000).astype(np.float32) for v in range(8)]

    def program(comm: Any) -> tuple[bytes, bytes]:
        parts = own(values, comm)
        plain = parts[0].copy()
        for part in parts[1:]:
            plain += part
        comm.all_reduce(plain)
        return plain.tobytes(), tree_all_reduce(comm, parts, 8).wait().tobytes()

    seen = [run_communicators(size, program) for size in range(1, 9)]
    assert len({plain for run in seen for plain, _ in run}) > 3
    assert len({tree for run in seen for _, tree in run}) == 1


@pytest.mark.mpi
def test_plain_all_reduce_of_processes_differs_from_one_process(comm: Any) -> None:
    """The same control over MPI; no rank's run is a node of the tree."""
    values = [np.random.default_rng(v).standard_normal(2000).astype(np.float32) for v in range(11)]
    parts = own(values, comm)
    plain = parts[0].copy()
    for part in parts[1:]:
        plain += part
    comm.all_reduce(plain)
    total = tree_all_reduce(comm, parts, 11).wait()
    assert total.tobytes() == tree_fold(values).tobytes()
    assert total.tobytes() != plain.tobytes()


def test_fewer_positions_than_ranks() -> None:
    def program(comm: Any) -> None:
        with pytest.raises(ValueError, match=r"each of the 3 ranks.*got positions=2"):
            tree_all_reduce(comm, [np.zeros(1)], 2)

    run_communicators(3, program)


def test_half_precision_rounds_once() -> None:
    parts = [np.array([1.0], ml_dtypes.bfloat16)]
    parts += [np.array([2**-9], ml_dtypes.bfloat16)] * 4  # each alone would vanish
    assert tree_fold(parts)[0] == 1 + 2**-7
    assert tree_fold(parts, ReduceOp.AVG)[0] == ml_dtypes.bfloat16((1 + 2**-7) / 5)
    halves = [np.array([60000.0], np.float16)] * 2
    assert tree_fold(halves, ReduceOp.AVG)[0] == 60000.0  # the sum does not fit


def test_nan_wins_in_maximum_and_minimum() -> None:
    parts = [np.array([1.0, np.nan]), np.array([np.nan, 2.0]), np.array([3.0, 3.0])]
    assert np.isnan(tree_fold(parts, ReduceOp.MAX)).all()
    assert np.isnan(tree_fold(parts, ReduceOp.MIN)).all()


def test_refusals_of_fold() -> None:
    with pytest.raises(ValueError, match="tree_fold: expected 1 arrays.*got 0"):
        tree_fold([])
    with pytest.raises(ValueError, match="one shape and dtype, got float64"):
        tree_fold([np.zeros(2), np.zeros(2, np.float32)])
    with pytest.raises(ValueError, match=r"contiguous array of float64 \(2,\).*strides \(16,\)"):
        tree_fold([np.zeros(2)], out=np.zeros(4)[::2])


@pytest.mark.parametrize(("positions", "ranks"), [(8, 3), (8, 5), (7, 4), (12, 8), (64, 8)])
def test_plan_covers_every_position_and_element_once(
    positions: int, ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_for(positions, ranks, np.zeros(10_001, np.float32))
    held = [position for nodes in plan.nodes for lo, hi in nodes for position in range(lo, hi)]
    assert held == list(range(positions))
    counts = [sum(hi - lo for lo, hi in nodes) for nodes in plan.nodes]
    assert counts == list(shares(positions, ranks))
    monkeypatch.setattr(tree_plan, "HOST_SLICE", 2000)
    for n in (10_000, 10_001, 1025):
        plan = plan_for(positions, ranks, np.zeros(n, np.float32))
        assert sum(map(sum, plan.chunks)) == n
        assert len(plan.chunks) == -(-n // (ranks * 448))  # 448 = 7 * 64 floats below 2000 bytes
        for slices in plan.chunks:
            assert len(slices) == ranks and max(slices) - min(slices) < 128
