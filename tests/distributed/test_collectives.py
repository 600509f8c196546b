"""The functional API: in a local world, between MPI processes, and alone.

python -m pytest tests/distributed/test_collectives.py
mpirun -n 2 python -m pytest --with-mpi -m mpi tests/distributed/test_collectives.py
"""

from collections.abc import Iterator
from typing import Any

import pytest

import isograd.distributed as dist
from tests.distributed.functional_checks import FunctionalChecks


class TestLocalTwo(FunctionalChecks):
    size = 2

    def run(self, program: Any) -> Any:
        return dist.run_local(self.size, program, timeout=30)


class TestLocalFour(TestLocalTwo):
    size = 4


@pytest.fixture(scope="module")
def world() -> Iterator[None]:
    dist.init_process_group("gloo")
    yield
    dist.destroy_process_group()


@pytest.mark.mpi
@pytest.mark.usefixtures("world")
class TestMpi(FunctionalChecks):
    def run(self, program: Any) -> Any:
        return program(dist.get_rank())
