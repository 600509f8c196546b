"""The NCCL transport: all communicator checks on device arrays.

Without a GPU, its logic over a pretend NCCL (threads, fake_cuda.py). With GPUs, the real one:

    mpirun -n 2 python -m pytest --with-mpi -m "gpu and mpi" tests/distributed/test_nccl.py

(one GPU per rank, or NCCL >= 2.30 with NCCL_MULTI_RANK_GPU_ENABLE=1).
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from isograd.distributed import (
    CollectiveMismatchError,
    ReduceOp,
    detect_world,
    is_nccl_available,
)
from isograd.distributed.checked import CheckedCommunicator
from isograd.distributed.local import run_communicators
from isograd.distributed.nccl import NcclTransport, communicator_over_nccl
from isograd.distributed.nccl_plan import reduction_plan
from isograd.distributed.staging import is_device
from tests.distributed.communicator_checks import CommunicatorChecks
from tests.distributed.device_proxy import OnDevice
from tests.distributed.fake_cuda import DeviceArray, fake_modules


@pytest.fixture
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in fake_modules().items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("_fake")
class TestLogicTwoRanks(CommunicatorChecks):
    size = 2
    site = "device_proxy.py:"
    receive_order = (2, 3)  # NCCL matches messages of a pair by their order

    def run(self, program: Any) -> Any:
        def on_device(comm: Any) -> Any:
            nccl = CheckedCommunicator(NcclTransport(comm._transport, 0), comm.ranks, comm.timeout)
            assert nccl.backend == "nccl"
            proxy = OnDevice(nccl, lambda a: DeviceArray(a.copy()), lambda d: d.host)
            result = program(proxy)
            nccl.close()
            return result

        return run_communicators(self.size, on_device, timeout=30)


class TestLogicFourRanks(TestLogicTwoRanks):
    size = 4


@pytest.mark.usefixtures("_fake")
class TestStagedThroughTheHost(TestLogicTwoRanks):
    """Device arrays on a communicator without device support."""

    receive_order = (3, 2)

    @pytest.mark.filterwarnings("ignore:isograd.distributed. device arrays travel through pinned")
    def run(self, program: Any) -> Any:
        def on_device(comm: Any) -> Any:
            return program(OnDevice(comm, lambda a: DeviceArray(a.copy()), lambda d: d.host))

        return run_communicators(self.size, on_device, timeout=30)


@pytest.mark.usefixtures("_fake")
def test_host_and_device_do_not_mix() -> None:
    def program(comm: Any) -> None:
        nccl = CheckedCommunicator(NcclTransport(comm._transport, 0), comm.ranks, comm.timeout)
        arrays: list[Any] = [np.ones(3), DeviceArray(np.ones(3))]
        if comm.rank == 0:
            nccl.send(arrays[1], 1)
            nccl.send(arrays[0], 1)
        else:
            for array, words in [(arrays[0], "a device tensor, rank 1 expects a host")] + [
                (arrays[1], "a host tensor, rank 1 expects a device")
            ]:
                with pytest.raises(CollectiveMismatchError, match=words):
                    nccl.recv(array, 0)
        nccl.barrier()
        nccl.close()

    run_communicators(2, program, timeout=20)


@pytest.mark.parametrize(
    ("dtype", "op", "plan"),
    [
        (np.float32, ReduceOp.SUM, ("float32", 7, 0)),
        (ml_dtypes.bfloat16, ReduceOp.AVG, ("bfloat16", 9, 4)),
        (np.complex64, ReduceOp.SUM, ("float32", 7, 0)),
        (np.complex128, ReduceOp.AVG, ("float64", 8, 4)),
        (np.complex64, ReduceOp.PRODUCT, None),  # not a product of the parts
        (np.bool_, ReduceOp.SUM, ("uint8", 1, 2)),
        (np.bool_, ReduceOp.PRODUCT, ("uint8", 1, 3)),
        (np.bool_, ReduceOp.BXOR, None),
        (np.int16, ReduceOp.SUM, None),  # no such type in NCCL
        (np.int32, ReduceOp.BAND, None),  # no such operator
    ],
)
def test_plan_of_areduction_plan(dtype: Any, op: ReduceOp, plan: Any) -> None:
    """Numbers of nccl.h: types 1 uint8, 7 float32, 8 float64, 9 bfloat16; 0 sum to 4 average."""
    found = reduction_plan(DeviceArray(np.zeros(4, dtype)), op)
    assert plan == (None if found is None else (found[0].dtype.name, *found[1:]))
    assert reduction_plan(np.zeros(4, dtype), op) is None  # host arrays go over MPI


@pytest.mark.gpu
@pytest.mark.mpi
@pytest.mark.skipif(not is_nccl_available(), reason="needs GPUs, cupy and NCCL")
class TestNccl(CommunicatorChecks):
    site, receive_order = "device_proxy.py:", (2, 3)

    @pytest.fixture(scope="class")
    def world(self) -> Iterator[Any]:
        communicator = communicator_over_nccl(detect_world(os.environ), "nccl", 60.0, None)
        yield communicator
        communicator.close()

    @pytest.fixture(autouse=True)
    def _communicator(self, world: Any) -> None:
        self.comm = world

    def run(self, program: Any) -> Any:
        import cupy

        def to_device(array: np.ndarray) -> Any:
            device = cupy.asarray(array)
            assert is_device(device)
            return device

        return program(OnDevice(self.comm, to_device, cupy.asnumpy))
