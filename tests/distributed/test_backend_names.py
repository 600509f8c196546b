"""Names of communication libraries. Run: pytest tests/distributed/test_backend_names.py"""

from __future__ import annotations

import pytest

import isograd.distributed as dist
from isograd.distributed.algorithms.join import Join
from isograd.distributed.join import Join as JoinItself


def test_names() -> None:
    assert dist.get_default_backend_for_device("cpu") == "gloo"
    assert dist.get_default_backend_for_device("cuda:1") == "nccl"
    assert dist.is_backend_available("GLOO") == dist.is_mpi_available()
    assert dist.is_backend_available("nccl") == dist.is_nccl_available()
    assert not dist.is_backend_available("pigeon")


def test_torchrun_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert not dist.is_torchelastic_launched()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")
    assert dist.is_torchelastic_launched()


def test_torchs_path_to_join() -> None:
    assert Join is JoinItself
