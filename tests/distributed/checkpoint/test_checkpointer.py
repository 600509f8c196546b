"""Checkpointer: numbering, pruning, and going on from the newest good one.

python -m pytest tests/distributed/checkpoint/test_checkpointer.py
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.distributed.checkpoint as dcp
from isograd.distributed.checkpoint import saver


def state(n: int = 0) -> dict[str, Any]:
    return {"a": torch.ones(3) * n, "n": n}


def spoil(path: Path) -> None:
    (shard,) = path.glob("shard-*")
    shard.write_bytes(shard.read_bytes()[:-4])


def test_policy(tmp_path: Path) -> None:
    keeper = dcp.Checkpointer(tmp_path, keep_last=2, keep_every=5)
    for step in range(13):
        keeper.save(step, state(step))
    assert keeper.steps() == [0, 5, 10, 11, 12]
    everything = dcp.Checkpointer(tmp_path / "all")
    for step in range(4):
        everything.save(step, state(step))
    assert everything.steps() == [0, 1, 2, 3] and everything.prune() == []


def test_going_back_keeps_what_is_written_now(tmp_path: Path) -> None:
    keeper = dcp.Checkpointer(tmp_path, keep_last=2)
    for step in (90, 100, 51):
        keeper.save(step, state(step))
    assert keeper.steps() == [100, 51]
    into = state()
    assert keeper.load(into) == 51 and into["n"] == 51


def test_pruning_counts_only_whole_ones(tmp_path: Path) -> None:
    keeper = dcp.Checkpointer(tmp_path, keep_last=1)
    everything = dcp.Checkpointer(tmp_path)
    for step in (1, 2, 3, 4):
        everything.save(step, state(step))
    spoil(tmp_path / "step-00000003")
    spoil(tmp_path / "step-00000004")
    assert keeper.prune() == [1]
    with pytest.warns(UserWarning, match="passed over"):
        assert keeper.load(state()) == 2


def test_pruning_spares_what_is_being_written(tmp_path: Path, monkeypatch: Any) -> None:
    keeper = dcp.Checkpointer(tmp_path, keep_last=1)
    keeper.save(1, state(1))
    go = threading.Event()
    write = saver.write_shard
    monkeypatch.setattr(saver, "write_shard", lambda *a: go.wait(10) and write(*a))
    future = keeper.async_save(2, state(2))
    assert keeper.prune() == [] and keeper.steps() == [1]
    go.set()
    future.result(10)
    assert keeper.steps() == [2] and [p.name for p in tmp_path.iterdir()] == ["step-00000002"]


def test_loading(tmp_path: Path) -> None:
    keeper = dcp.Checkpointer(tmp_path)
    assert keeper.load(state()) is None
    for step in (1, 2, 3):
        keeper.async_save(step, state(step))
    keeper.wait()
    into = state()
    assert keeper.load(into, 2) == 2 and into["n"] == 2 and into["a"].tolist() == [2, 2, 2]
    with pytest.raises(dcp.CheckpointError, match="no complete checkpoint"):
        keeper.load(into, 9)
    with pytest.raises(dcp.CheckpointError, match="1 missing"):
        keeper.load({**state(), "more": torch.zeros(1)})
    spoil(tmp_path / "step-00000003")
    with pytest.raises(dcp.CheckpointError, match="truncated"):
        keeper.load(into, 3)


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_fall_back_together(size: int, tmp_path: Path) -> None:
    def write(rank: int) -> None:
        keeper = dcp.Checkpointer(tmp_path, keep_last=2)
        for step in (1, 2, 3):
            keeper.save(step, {f"t{i}": torch.ones(4) * step for i in range(8)})

    dist.run_local(size, write)
    shard = sorted((tmp_path / "step-00000003").glob("shard-*"))[-1]
    data = shard.read_bytes()
    shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    def read(rank: int) -> tuple[int | None, float]:
        into = {f"t{i}": torch.zeros(4) for i in range(8)}
        step = dcp.Checkpointer(tmp_path).load(into)
        return step, sum(t.sum().item() for t in into.values())

    with pytest.warns(UserWarning, match=r"step-00000003 is passed over: .*is damaged"):
        assert dist.run_local(4, read) == [(2, 64.0)] * 4


def test_arguments(tmp_path: Path) -> None:
    for wrong in ({"keep_last": 0}, {"keep_last": 1, "keep_every": -1}, {"keep_every": 3}):
        with pytest.raises(ValueError, match="Checkpointer: "):
            dcp.Checkpointer(tmp_path, **wrong)
    with pytest.raises(ValueError, match="expected a step"):
        dcp.Checkpointer(tmp_path).save(-1, {})
