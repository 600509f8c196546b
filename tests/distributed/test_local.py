"""The local world (threads as ranks): all communicator checks, and what only it can do.

python -m pytest tests/distributed/test_local.py
"""

import time
from typing import Any

import numpy as np
import pytest

from isograd.distributed import (
    CollectiveAbortedError,
    CollectiveTimeoutError,
    Communicator,
    DistError,
)
from isograd.distributed.local import run_communicators
from tests.distributed.communicator_checks import CommunicatorChecks


class TestOneRank(CommunicatorChecks):
    size = 1

    def run(self, program: Any) -> Any:
        return run_communicators(self.size, program, timeout=30)


class TestTwoRanks(TestOneRank):
    size = 2


class TestFourRanks(TestOneRank):
    size = 4


def test_is_a_communicator() -> None:
    assert all(run_communicators(2, lambda comm: isinstance(comm, Communicator)))


def test_same_bits_whatever_the_arrival_order() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(1000).astype(np.float32) for _ in range(4)]

    def program(comm: Any, delays: list[float]) -> bytes:
        array = parts[comm.rank].copy()
        time.sleep(delays[comm.rank])
        comm.all_reduce(array)
        return array.tobytes()

    forward = run_communicators(4, lambda c: program(c, [0, 0.01, 0.02, 0.03]))
    backward = run_communicators(4, lambda c: program(c, [0.03, 0.02, 0.01, 0]))
    assert len({*forward, *backward}) == 1
    tree = (parts[0] + parts[1]) + (parts[2] + parts[3])
    assert forward[0] == tree.tobytes()


def test_missing_rank_is_named_with_its_line() -> None:
    def program(comm: Any) -> None:
        if comm.rank == 1:
            time.sleep(1.0)  # HERE
        else:
            comm.all_reduce(np.zeros(3))

    with pytest.raises(CollectiveTimeoutError) as info:
        run_communicators(3, program, timeout=0.3)
    text = str(info.value)
    assert "waited 0.3 s for rank(s) [1]" in text
    assert "time.sleep(1.0)  # HERE" in text
    assert "all_reduce(SUM) float64 (3,)" in text


def test_rank_that_returned_is_reported_at_once() -> None:
    def program(comm: Any) -> None:
        if comm.rank != 1:
            comm.barrier()

    start = time.monotonic()
    with pytest.raises(CollectiveTimeoutError, match=r"rank\(s\) \[1\] exited without taking part"):
        run_communicators(3, program, timeout=30)
    assert time.monotonic() - start < 10


def test_a_group_is_unusable_after_a_timeout() -> None:
    def program(comm: Any) -> None:
        if comm.rank == 0:
            with pytest.raises(CollectiveTimeoutError):
                comm.barrier()
            with pytest.raises(DistError, match="cannot be used on rank 0"):
                comm.barrier()
        else:
            time.sleep(0.5)

    run_communicators(2, program, timeout=0.1)


def test_receive_from_a_silent_rank_times_out() -> None:
    def program(comm: Any) -> None:
        if comm.rank == 0:
            with pytest.raises(CollectiveTimeoutError, match=r"no partner within 0\.1 s"):
                comm.recv(np.zeros(3), 1)
        else:
            time.sleep(1.5)

    run_communicators(2, program, timeout=0.1)


def test_exception_on_one_rank_ends_the_others() -> None:
    outcomes: list[Any] = [None] * 3

    def program(comm: Any) -> None:
        if comm.rank == 1:
            raise KeyError("planted")
        try:
            if comm.rank == 0:
                comm.barrier()
            comm.recv(np.zeros(1), 0)
        except CollectiveAbortedError as error:
            outcomes[comm.rank] = str(error)
            raise

    with pytest.raises(KeyError, match="planted") as info:
        run_communicators(3, program, timeout=30)
    assert "raised on rank 1" in info.value.__notes__[0]
    assert all("KeyError" in outcomes[r] for r in (0, 2))


def test_without_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOGRAD_FINGERPRINT", "0")

    def program(comm: Any) -> float:
        array = np.ones(2)
        comm.all_reduce(array)
        comm.barrier()
        return float(array.sum())

    assert run_communicators(2, program) == [4.0, 4.0]
