"""Damaged and hostile checkpoints: each is refused with a reason, before anything is changed.

python -m pytest tests/distributed/checkpoint/test_index.py
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import isograd as torch
import isograd.distributed.checkpoint as dcp
from isograd.distributed.checkpoint.index import INDEX, read_index

SHARD = "shard-00000-of-00001.safetensors"
ZEROS = "0" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    state = {"a": torch.arange(6.0).reshape(2, 3), "n": 1, "array": np.arange(3)}
    dcp.save(state, checkpoint_id=tmp_path / "c")
    return tmp_path / "c"


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """A hostile size would otherwise take down the machine before the test fails."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def forge(folder: Path, change: Callable[[Any], Any]) -> None:
    """Change the index and give it a right checksum again."""
    table = json.loads((folder / INDEX).read_text())
    changed = change(table)
    table = table if changed is None else changed
    if isinstance(table, dict):
        table["checksum"] = ZEROS
    text = json.dumps(table)
    good = hashlib.sha256(text.encode()).hexdigest()
    (folder / INDEX).write_text(text.replace(ZEROS, good, 1))


def refused(folder: Path, match: str) -> None:
    state: dict[str, Any] = {"a": torch.zeros(2, 3), "n": 0, "array": None}
    with pytest.raises(dcp.CheckpointError, match=match):
        dcp.load(state, checkpoint_id=folder)
    assert state["a"].abs().sum().item() == 0 and state["n"] == 0


def part(table: Any) -> Any:
    return table["tensors"]["a"]["parts"][0]


def test_the_forger_is_believed_when_nothing_is_changed(folder: Path) -> None:
    forge(folder, lambda table: None)
    assert read_index(folder).tensors["a"].shape == (2, 3)


def test_damage(folder: Path) -> None:
    text = (folder / INDEX).read_text()
    (folder / INDEX).write_text(text.replace('"world_size":1', '"world_size":2'))
    refused(folder, "index.json: its checksum is wrong")
    (folder / INDEX).write_text(text[:-20])
    refused(folder, "index.json is not valid JSON")
    (folder / INDEX).write_text("")
    refused(folder, "index.json is not valid JSON")
    (folder / INDEX).write_text(text)
    shard = folder / SHARD
    data = shard.read_bytes()
    shard.write_bytes(data[:-4])
    refused(folder, f"{SHARD} is truncated: {len(data) - 4} bytes, {len(data)} were written")
    shard.write_bytes(data[:-1] + b"\x55")
    refused(folder, f"{SHARD} is damaged: its checksum is wrong")
    shard.unlink()
    refused(folder, f"{SHARD} is missing")
    os.mkfifo(shard)
    refused(folder, f"{SHARD} is missing, or no file")
    shard.unlink()
    (folder / INDEX).unlink()
    refused(folder, "no complete checkpoint")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: [], "foreign format"),
        (lambda t: t | {"format": "x"}, "foreign format"),
        (lambda t: t | {"version": 2}, "version 2, this isograd reads 1"),
        (lambda t: t | {"created": True}, "time of creation"),
        (lambda t: t | {"world_size": 0}, "number of ranks"),
        (lambda t: t | {"files": 3}, "no files"),
        (lambda t: t | {"structure": []}, "no structure"),
        (lambda t: t["files"].update({"../x.safetensors": {}}), "the file name '../x"),
        (lambda t: t["files"].update({"/etc/passwd": {}}), "the file name '/etc"),
        (lambda t: t["files"].update({"a/b.safetensors": {}}), "the file name"),
        (lambda t: t["files"].update({".x.safetensors": {}}), "the file name"),
        (lambda t: t["files"].update({"x\n.safetensors": {}}), "the file name"),
        (lambda t: t["files"][SHARD].update(size=-1), "bad size"),
        (lambda t: t["files"][SHARD].update(sha256="x"), "bad checksum"),
        (lambda t: t["tensors"]["a"].update(dtype="object"), "dtype object"),
        (lambda t: t["tensors"]["a"].update(dtype=["float32"]), "dtype"),
        (lambda t: t["tensors"]["a"].update(shape=[1 << 61, 1 << 61]), "holes or overlap"),
        (lambda t: t["tensors"]["a"].update(shape=[-2, -3]), "shape or box"),
        (lambda t: t["tensors"]["a"].update(shape=[1] * 65), "shape or box"),
        (lambda t: t["tensors"]["a"].update(shape=[2.0, 3]), "shape or box"),
        (lambda t: t["tensors"]["a"].update(shape="23"), "shape or box"),
        (lambda t: t["tensors"]["a"].update(parts=[]), "holes or overlap"),
        (lambda t: t["tensors"]["a"].update(parts=[[[0, 0], [2, 3], SHARD]]), "bad part"),
        (lambda t: part(t).__setitem__(2, "other.safetensors"), "unknown file 'other"),
        (lambda t: part(t).__setitem__(2, ["x"]), "bad part"),
        (lambda t: part(t).__setitem__(3, "b"), "there is no entry 'b'"),
        (lambda t: part(t).__setitem__(0, [1, 0]), "lies outside of the shape"),
        (lambda t: part(t).__setitem__(1, [1, 3]), "holes or overlap"),
        (lambda t: t["tensors"].update(b=t["tensors"]["a"]), "shares the entry 'a'"),
        (lambda t: t["tensors"]["a"]["parts"].append(part(t)), "shares the entry 'a'"),
        (lambda t: t["tensors"]["a"].update(dtype="int32"), "1 mismatched: a .*int32"),
        (lambda t: t["tensors"].pop("a"), "there is no tensor 'a'"),
        (lambda t: t["structure"].update(root=[99]), "root: refers to node 99"),
        (lambda t: t["structure"].update(root=7), "its content is a int"),
        (lambda t: t["structure"].update(nodes=5), "no list of nodes"),
        (lambda t: t["files"].pop("values.safetensors"), "there is no values.safetensors"),
    ],
)
def test_hostile_index(change: Any, match: str, folder: Path) -> None:
    def apply(table: Any) -> Any:
        changed = change(table)
        fresh = isinstance(changed, list) or (isinstance(changed, dict) and "files" in changed)
        return changed if fresh else None

    forge(folder, apply)
    refused(folder, match)


def test_a_huge_empty_shape_makes_nothing(folder: Path) -> None:
    def change(table: Any) -> None:
        table["tensors"]["a"].update(shape=[1 << 61, 0, 1 << 61], parts=[])

    forge(folder, change)
    refused(folder, "1 mismatched: a ")
    with pytest.raises(dcp.CheckpointError, match="a .*cannot be made|cannot be held"):
        dcp.load({"a": None}, checkpoint_id=folder)


def test_an_entry_of_another_dtype_than_the_index_says(folder: Path) -> None:
    forge(folder, lambda table: table["tensors"]["a"].update(dtype="int32"))
    with pytest.raises(dcp.CheckpointError, match="'a' is float32 .*the index says int32"):
        dcp.load({"a": None}, checkpoint_id=folder)


def test_overlapping_and_missing_boxes(folder: Path) -> None:
    save_file({"x": np.zeros((1, 3), np.float32), "y": np.zeros((1, 3), np.float32)},
              folder / SHARD)  # fmt: skip

    def change(rows: tuple[int, int]) -> Callable[[Any], None]:
        def apply(table: Any) -> None:
            data = (folder / SHARD).read_bytes()
            total = hashlib.sha256(data).hexdigest()
            table["files"][SHARD] = {"size": len(data), "sha256": total}
            table["tensors"]["a"]["parts"] = [
                [[row, 0], [1, 3], SHARD, key] for row, key in zip(rows, "xy")
            ]

        return apply

    forge(folder, change((1, 1)))
    refused(folder, "holes or overlap")
    forge(folder, change((1, 0)))
    dcp.load({"a": torch.ones(2, 3), "array": None}, checkpoint_id=folder)


def test_deep_structures_are_refused(folder: Path) -> None:
    def change(table: Any) -> None:
        nodes = table["structure"]["nodes"]
        start = len(nodes)
        nodes += [["list", [[start + n + 1]]] for n in range(50_000)] + [["list", []]]
        (kind, items), *_ = [n for n in nodes if n[0] == "dict"]
        items.append(["deep", [start]])

    forge(folder, change)
    with pytest.raises(dcp.CheckpointError, match="cannot be held"):
        dcp.load({"deep": None}, checkpoint_id=folder, strict=False)


def test_many_parts_are_checked_quickly(tmp_path: Path) -> None:
    class Rows:
        """One part per row."""

        shape, dtype = (3000, 4), np.dtype(np.int64)

        def own_parts(self) -> list[Any]:
            return [((r, 0), np.full((1, 4), r)) for r in range(3000)]

    tensor = torch.zeros(1)
    tensor._array = Rows()  # type: ignore[assignment]
    dcp.save({"a": tensor}, checkpoint_id=tmp_path / "c")
    state = {"a": torch.zeros(3000, 4, dtype=torch.int64)}
    dcp.load(state, checkpoint_id=tmp_path / "c")
    assert state["a"][:, 3].tolist() == list(range(3000))
