"""Every record on tensors in parts: the values and gradients it has on whole ones.

For meshes of 2, 3 and 5 positions (uneven and empty parts) every input is cut along each of its
dimensions, alone and together with the others, split into parts of a sum, and placed as each of the
record's cuts says. Reference: the same operation on plain tensors; exact for integers and bools.

pytest tests/distributed/tensor/test_records.py
mpirun -n 2 python -m pytest --with-mpi -m mpi tests/distributed/tensor/test_records.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

import isograd.distributed as dist
from isograd.distributed.tensor import DeviceMesh, init_device_mesh
from isograd.distributed.tensor.gathers import GATHERS
from isograd.distributed.tensor.partitioner import COMPOSED
from isograd.tensor.primitive import PRIMITIVES, Primitive
from tests.distributed.tensor.record_checks import RECORDS, check_pairs, check_placings

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be computed in parts:UserWarning")

POSITIONS = (2, 3, 5)
MOST_PAIRS = 8


@cache
def mesh_of(*shape: int) -> DeviceMesh:
    return init_device_mesh("cpu", shape)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.name)
def test_values_and_gradients(record: Primitive) -> None:
    ever = [check_placings(record, mesh_of(n)) for n in POSITIONS]
    assert any(ever) or record.cuts is None, f"{record.name} never ran in parts"


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.name)
def test_on_meshes_of_two_dimensions(record: Primitive) -> None:
    check_pairs(record, mesh_of(2, 2), MOST_PAIRS)


@pytest.mark.parametrize(
    "record", [r for r in RECORDS if r.differentiable and r.cuts], ids=lambda r: r.name
)
def test_second_derivatives(record: Primitive) -> None:
    check_placings(record, mesh_of(3), brief=True, twice=True)


def test_no_record_gathers_silently() -> None:
    """What can only be computed whole is listed, with its reason."""
    without = {r.name for r in PRIMITIVES.values() if r.cuts is None}
    assert without - set(GATHERS) - set(COMPOSED) == set(), "no cuts, and no reason given"
    assert set(GATHERS) - without == set(), "listed, but has cuts (or does not exist)"


@pytest.fixture
def world() -> Iterator[None]:
    dist.init_process_group()
    yield
    dist.destroy_process_group()


@pytest.mark.mpi
@pytest.mark.usefixtures("world")
def test_over_processes() -> None:
    """The parts of a mesh lie in several processes, evenly or not."""
    processes = dist.get_world_size()
    line, plane = init_device_mesh("cpu", (processes + 1,)), init_device_mesh("cpu", (processes, 2))
    for record in RECORDS:
        check_placings(record, line, brief=True)
        check_pairs(record, plane, 2)
