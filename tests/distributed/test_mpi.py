"""The MPI transport: all communicator checks between processes, and its own corners.

mpirun -n 2 python -m pytest --with-mpi --only-mpi -p no:cacheprovider tests/distributed
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from isograd.distributed import detect_world, mpi_buffers
from isograd.distributed.mpi_world import communicator_over_mpi
from tests.distributed.communicator_checks import CommunicatorChecks

pytestmark = pytest.mark.mpi


@pytest.fixture(scope="module")
def comm() -> Iterator[Any]:
    communicator = communicator_over_mpi(detect_world(os.environ), "tests", 60.0)
    yield communicator
    communicator.close()


class TestMpi(CommunicatorChecks):
    @pytest.fixture(autouse=True)
    def _communicator(self, comm: Any) -> None:
        self.comm = comm

    def run(self, program: Any) -> Any:
        return program(self.comm)


class TestMpiAboveTheCountLimit(TestMpi):
    """The same, with MPI's limit on counts lowered so that everything takes the long way."""

    large = 500

    @pytest.fixture(autouse=True)
    def _limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mpi_buffers, "MAX_COUNT", 5)


def test_user_traffic_does_not_collide(comm: Any) -> None:
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    if world.size < 2:
        return
    mine = np.zeros(1)
    request = world.Irecv(mine, MPI.ANY_SOURCE, MPI.ANY_TAG)  # would swallow any message of ours
    peer = (comm.rank + 1) % comm.size
    calls = [("send", np.ones(1), peer, 0), ("recv", np.zeros(1), (comm.rank - 1) % comm.size, 0)]
    for work in comm.batch(calls):
        work.wait()
    comm.barrier()
    assert not request.Test()
    comm.barrier()  # everybody has looked
    world.Send(np.full(1, 7.0), peer)
    request.Wait()
    assert mine[0] == 7.0


def test_all_ranks_get_the_same_bits(comm: Any) -> None:
    array = np.random.default_rng(comm.rank).standard_normal(10_001).astype(np.float32)
    comm.all_reduce(array)
    assert len(set(comm.exchange_bytes(array.tobytes()))) == 1
