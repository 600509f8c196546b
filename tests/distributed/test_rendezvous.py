"""Joining and leaving a world of one, and the refusals; needs no launcher.

python -m pytest tests/distributed/test_rendezvous.py
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import isograd.distributed as dist
from isograd.tensor.core import wrap
from tests.distributed.functional_checks import FunctionalChecks

LAUNCHERS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "RANK")


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _world(_no_launcher: None) -> Iterator[None]:
    dist.init_process_group()
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("_world")
class TestAlone(FunctionalChecks):
    """A world of one does everything, without importing mpi4py."""

    def run(self, program: Any) -> Any:
        return program(0)


def test_before_and_after() -> None:
    def refused() -> None:
        with pytest.raises(ValueError, match="make sure to call init_process_group"):
            dist.all_reduce(wrap(np.zeros(2)))
        with pytest.raises(ValueError, match="isograd run"):
            dist.get_rank()
        assert not dist.is_initialized() and dist.group.WORLD is None

    refused()
    dist.init_process_group("gloo", init_method="env://", world_size=1, rank=0)
    group = dist.new_group([0])
    assert dist.get_backend() == "gloo" and dist.is_initialized()
    dist.destroy_process_group()
    refused()
    with pytest.raises(dist.DistError, match="has been destroyed"):
        dist.all_reduce(wrap(np.zeros(2)), group=group)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backend": "ucc"}, "expected a backend out of"),
        ({"init_method": "zmq://x"}, "expected init_method"),
        ({"world_size": 2, "rank": 0}, "single started rank 0 of 1"),
        ({"store": object()}, "not supported"),
    ],
)
def test_refusals(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dist.init_process_group(**arguments)
    assert not dist.is_initialized()


def test_timeout_comes_from_the_call_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, env, want in [(None, None, 600), (None, "7", 7), (timedelta(minutes=1), "7", 60)]:
        if env is not None:
            monkeypatch.setenv("ISOGRAD_TIMEOUT", env)
        dist.init_process_group("mpi", timeout=given)
        world = dist.group.WORLD
        assert world is not None and world.communicator.timeout == want
        dist.destroy_process_group()
    monkeypatch.setenv("ISOGRAD_TIMEOUT", "soon")
    with pytest.raises(ValueError, match="expected seconds, got 'soon'"):
        dist.init_process_group("mpi")


def test_local_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dist.get_node_local_rank(fallback_rank=3) == 3
    with pytest.raises(RuntimeError, match="fallback_rank"):
        dist.get_node_local_rank()
    monkeypatch.setenv("RANK", "5")
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert dist.get_node_local_rank() == 1


def test_nccl_needs_a_gpu() -> None:
    if dist.is_nccl_available():
        pytest.skip("there is a GPU")
    with pytest.raises(dist.DistBackendError, match="needs a GPU, cupy and nvidia-nccl"):
        dist.init_process_group("cpu:gloo,cuda:nccl")
