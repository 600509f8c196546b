"""Folders of checkpoints: which is the newest, what is left over, what is cleaned.

python -m pytest tests/distributed/checkpoint/test_folder.py
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.distributed.checkpoint as dcp
from isograd.distributed.checkpoint import folder
from isograd.distributed.checkpoint.folder import Temporary, checkpoints
from isograd.distributed.checkpoint.index import INDEX


def save(path: Path, n: int = 0) -> None:
    dcp.save({"a": torch.ones(3), "n": n}, checkpoint_id=path)


def n_of(path: Path | None) -> Any:
    assert path is not None
    state = {"a": torch.zeros(3), "n": None}
    dcp.load(state, checkpoint_id=path)
    return state["n"]


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def spoil(path: Path) -> None:
    (shard,) = path.glob("shard-*")
    data = shard.read_bytes()
    shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_newest_is_what_was_written_last(tmp_path: Path) -> None:
    assert dcp.latest(tmp_path) is None and dcp.latest(tmp_path / "nowhere") is None
    for n, name in enumerate(["z", "step-100", "step-20"]):
        save(tmp_path / name, n)
    (tmp_path / "notes.txt").write_text("not mine")
    (tmp_path / "empty").mkdir()
    assert [p.name for p in checkpoints(tmp_path)] == ["z", "step-100", "step-20"]
    assert n_of(dcp.latest(tmp_path)) == 2


def test_the_order_does_not_need_a_right_clock(tmp_path: Path, monkeypatch: Any) -> None:
    save(tmp_path / "a")
    monkeypatch.setattr("time.time_ns", lambda: 5)
    save(tmp_path / "b")
    assert [p.name for p in checkpoints(tmp_path)] == ["a", "b"]


def test_a_damaged_newest_is_named_and_the_one_before_taken(tmp_path: Path) -> None:
    for n in range(3):
        save(tmp_path / f"c{n}", n)
    spoil(tmp_path / "c2")
    assert n_of(tmp_path / "c1") == 1
    assert dcp.latest(tmp_path) == tmp_path / "c2"  # its bytes were not looked at
    with pytest.warns(UserWarning, match=r"c2 is passed over: shard-.* is damaged"):
        assert n_of(dcp.latest(tmp_path, verify=True)) == 1
    (shard,) = (tmp_path / "c2").glob("shard-*")
    shard.write_bytes(b"")
    with pytest.warns(UserWarning, match="c2 is passed over: .*truncated"):
        assert n_of(dcp.latest(tmp_path)) == 1
    (tmp_path / "c1" / INDEX).write_text("{")
    with pytest.warns(UserWarning) as told:
        assert n_of(dcp.latest(tmp_path)) == 0
    assert len(told) == 2


def test_what_killed_runs_left_is_cleaned_but_not_what_is_being_written(tmp_path: Path) -> None:
    save(tmp_path / "c")
    running = Temporary(tmp_path / "running")
    dead = Temporary(tmp_path / "dead")
    dead._lock.close()  # as the system does with a killed process's
    folder._making.discard(dead.path)
    old = tmp_path / "x.tmp-0123456789abcdef"
    old.mkdir()
    os.utime(old, (1, 1))
    (tmp_path / "y.tmp-0123456789abcdef").mkdir()  # perhaps its lock is about to be made
    (tmp_path / "x.del-0123456789abcdef").mkdir()
    (tmp_path / "x.tmp-mine").mkdir()
    (tmp_path / "z.del-0123456789abcdef").mkdir()
    (tmp_path / "z.del-0123456789abcdef" / "thesis.tex").write_text("")
    assert dcp.latest(tmp_path) == tmp_path / "c"
    save(tmp_path / "d")
    kept = {"c", "d", running.path.name, "x.tmp-mine", "y.tmp-0123456789abcdef"}
    kept |= {"z.del-0123456789abcdef"}
    assert set(names(tmp_path)) == kept
    running.discard()


def test_a_replacement_that_was_killed_between_its_two_names(tmp_path: Path) -> None:
    save(tmp_path / "c", 7)
    aside = tmp_path / "c.old-0123456789abcdef"
    (tmp_path / "c").rename(aside)
    assert dcp.latest(tmp_path) == aside and n_of(tmp_path / "c") == 7
    save(tmp_path / "d", 8)
    assert names(tmp_path) == ["c", "d"] and n_of(tmp_path / "c") == 7
    (tmp_path / "d").rename(aside)  # and where the new one had its name already
    assert dcp.latest(tmp_path) == tmp_path / "c"
    save(tmp_path / "d", 9)
    assert names(tmp_path) == ["c", "d"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def program(rank: int) -> None:
        with pytest.raises(dcp.CheckpointException, match=r"rank 0 of 2: (NotADir|FileEx)"):
            save(tmp_path / "file" / "c")

    dist.run_local(2, program)
    assert names(tmp_path) == ["file"]
