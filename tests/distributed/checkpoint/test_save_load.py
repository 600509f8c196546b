"""Saving and loading, in one process and on threads that are ranks.

python -m pytest tests/distributed/checkpoint/test_save_load.py
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import isograd as torch
import isograd.distributed as dist
import isograd.distributed.checkpoint as dcp
from isograd.data.view import register_view
from isograd.distributed.checkpoint import saver, shards
from isograd.distributed.checkpoint.index import INDEX
from tests.distributed.checkpoint.cut import cut

WHOLE = np.arange(7 * 3, dtype=np.float64).reshape(7, 3)


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# -- one process


def test_model_and_optimizer_go_on_as_if_nothing_had_been(
    tmp_path: Path, trained: Any, equal: Any
) -> None:
    old, new = trained(1), trained(2, steps=0)
    dcp.save({**old, "epoch": 3}, checkpoint_id=tmp_path / "c")
    state = {**new, "epoch": 0}
    assert dcp.load(state, checkpoint_id=tmp_path / "c") == ([], [])
    assert state["epoch"] == 3
    assert equal(old, new)
    x = torch.randn(5, 4)
    for run in (old, new):
        run["optimizer"].zero_grad()
        run["model"](x).square().mean().backward()
        run["optimizer"].step()
    assert equal(old, new)


def test_state_dicts_are_filled_in_place(tmp_path: Path, trained: Any, equal: Any) -> None:
    old, new = trained(1), trained(2)
    plain = {k: v.state_dict() for k, v in old.items()}
    dcp.save(plain, checkpoint_id=tmp_path / "c")
    state = {k: v.state_dict() for k, v in new.items()}
    moment = state["optimizer"]["state"][0]["exp_avg"]
    dcp.load(state, checkpoint_id=tmp_path / "c")
    assert state["optimizer"]["state"][0]["exp_avg"] is moment
    assert equal(state, plain)
    assert equal(new["model"], old["model"])  # the dictionary's tensors are the model's own


def test_values_of_all_kinds(tmp_path: Path) -> None:
    noise = torch.Generator().manual_seed(4)
    torch.rand(3, generator=noise)
    tied = torch.ones(2)
    value = {
        "n": [1, 2.5, None, "x", float("inf"), (True, b"\0")],
        "array": np.arange(4),
        "noise": noise,
        "deep": {3: [torch.ones(2), {"k": (torch.zeros(()), 5)}]},
        "z": torch.tensor([1 + 2j, 3j]),
        "b": torch.tensor([1.5, 2.5], dtype=torch.bfloat16),
        "empty": torch.zeros(0, 3),
        "tied": [tied, tied],
        "view": torch.arange(12.0).reshape(3, 4)[:, 1:3],
    }
    dcp.save(value, checkpoint_id=tmp_path / "c")
    state: dict[str, Any] = {
        "n": [], "array": None, "noise": torch.Generator(),
        "deep": {3: [torch.zeros(2), {"k": (torch.ones(()), 0)}]},
        "z": torch.zeros(2, dtype=torch.complex64), "b": torch.zeros(2, dtype=torch.bfloat16),
        "empty": None, "tied": [], "view": torch.zeros(3, 2),
    }  # fmt: skip
    generator = state["noise"]
    dcp.load(state, checkpoint_id=tmp_path / "c")
    assert state["n"] == value["n"]
    assert state["array"].tolist() == [0, 1, 2, 3]
    assert state["noise"] is generator
    assert torch.equal(generator.get_state(), noise.get_state())
    assert state["deep"][3][0].tolist() == [1, 1] and state["deep"][3][1]["k"][1] == 5
    assert state["deep"][3][1]["k"][0].item() == 0
    for name in ("z", "b", "empty", "view"):
        assert torch.equal(state[name], value[name])
    assert state["tied"][0] is state["tied"][1]


def test_other_programs_read_the_shards(tmp_path: Path) -> None:
    dcp.save({"a": torch.arange(3.0)}, checkpoint_id=tmp_path / "c")
    (shard,) = (tmp_path / "c").glob("*.safetensors")
    assert load_file(shard)["a"].tolist() == [0, 1, 2]


def test_tied_weights_are_stored_once(tmp_path: Path) -> None:
    t = torch.ones(5)
    index = dcp.save({"a": t, "b": t.detach()}, checkpoint_id=tmp_path / "c")
    assert index is not None and list(index.tensors) == ["a"]
    state = {"a": torch.zeros(5), "b": torch.zeros(5)}
    dcp.load(state, checkpoint_id=tmp_path / "c")
    assert state["b"].tolist() == [1] * 5


def test_a_part_of_the_state_may_be_loaded(tmp_path: Path, trained: Any, equal: Any) -> None:
    old, new = trained(1), trained(2)
    dcp.save(old, checkpoint_id=tmp_path / "c")
    dcp.load({"model": new["model"]}, checkpoint_id=tmp_path / "c")
    assert equal(old["model"], new["model"]) and not equal(old["optimizer"], new["optimizer"])


def test_another_model_is_refused_before_anything_changes(tmp_path: Path) -> None:
    saved = {f"w{i}": torch.ones(2) for i in range(25)} | {"shape": torch.ones(2, 3)}
    dcp.save({"m": {**saved, "kind": torch.ones(2)}}, checkpoint_id=tmp_path / "c")
    inner = {"w0": torch.zeros(2), "new": torch.zeros(1), "shape": torch.zeros(3, 2)}
    state = {"m": {**inner, "kind": torch.zeros(2, dtype=torch.int64)}}
    with pytest.raises(dcp.CheckpointError) as error:
        dcp.load(state, checkpoint_id=tmp_path / "c")
    text = str(error.value)
    assert "1 missing (here, but not in the checkpoint): m.new" in text
    assert "24 unexpected" in text and "m.w10, and 14 more" in text and "m.w11" not in text
    assert "2 mismatched" in text
    assert "m.shape (here float32 [3, 2], in the checkpoint float32 [2, 3])" in text
    assert "m.kind (here int64 [2], in the checkpoint float32 [2])" in text
    assert state["m"]["w0"].tolist() == [0, 0]


def test_not_strict(tmp_path: Path) -> None:
    dcp.save({"m": {"a": torch.ones(2), "b": torch.ones(2)}}, checkpoint_id=tmp_path / "c")
    state = {"m": {"a": torch.zeros(2), "x": torch.zeros(2)}}
    report = dcp.load(state, checkpoint_id=tmp_path / "c", strict=False)
    assert report == (["m.x"], ["m.b"])
    assert state["m"]["a"].tolist() == [1, 1] and list(state["m"]) == ["a", "x"]
    with pytest.raises(dcp.CheckpointError, match="1 mismatched"):
        dcp.load({"m": {"a": torch.zeros(3)}}, checkpoint_id=tmp_path / "c", strict=False)


def test_flat_state_dicts_are_compared_whole(tmp_path: Path) -> None:
    dcp.save({"a": torch.ones(2), "b": torch.ones(2)}, checkpoint_id=tmp_path / "c")
    with pytest.raises(dcp.CheckpointError, match="1 unexpected .*: b"):
        dcp.load({"a": torch.zeros(2)}, checkpoint_id=tmp_path / "c")


def test_what_cannot_be_saved_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"obj\['a'\]\[0\].*lambda|function"):
        dcp.save({"a": [lambda: 0]}, checkpoint_id=tmp_path / "c")
    with pytest.raises(TypeError, match="expected a dict"):
        dcp.save([1], checkpoint_id=tmp_path / "c")  # type: ignore[arg-type]
    assert files(tmp_path) == []


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a checkpoint_id"):
        dcp.save({})
    with pytest.raises(TypeError, match="planner is not supported"):
        dcp.load({}, checkpoint_id=tmp_path, planner=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a FileSystemReader"):
        dcp.load({}, storage_reader=3)  # type: ignore[arg-type]
    with pytest.raises(dcp.CheckpointError, match="no complete checkpoint"):
        dcp.load({}, checkpoint_id=tmp_path / "nothing")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "text").write_text("mine")
    with pytest.raises(FileExistsError, match="is no checkpoint"):
        dcp.save({}, checkpoint_id=tmp_path / "notes")
    assert files(tmp_path) == ["notes"]


def test_reader_and_writer(tmp_path: Path) -> None:
    writer = dcp.FileSystemWriter(tmp_path / "c", overwrite=False)
    dcp.save({"a": torch.ones(2)}, storage_writer=writer)
    with pytest.raises(FileExistsError, match="overwrite=False"):
        dcp.save({"a": torch.ones(2)}, storage_writer=writer)
    reader = dcp.FileSystemReader(tmp_path / "c")
    assert reader.read_metadata().tensors["a"].shape == (2,)
    state = {"a": torch.zeros(2)}
    dcp.load(state, storage_reader=reader)
    assert state["a"].tolist() == [1, 1]


def test_saving_again_replaces(tmp_path: Path) -> None:
    for n in (1, 2):
        dcp.save({"n": n}, checkpoint_id=tmp_path / "c")
    state = {"n": 0}
    dcp.load(state, checkpoint_id=tmp_path / "c")
    assert state == {"n": 2} and files(tmp_path) == ["c"]


# -- in the background


def test_a_snapshot_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    go = threading.Event()
    write = saver.write_shard
    monkeypatch.setattr(saver, "write_shard", lambda *a: go.wait(10) and write(*a))
    a, array = torch.ones(3), np.ones(3)
    future = dcp.async_save({"a": a, "np": array}, checkpoint_id=tmp_path / "c")
    a.zero_()
    array[:] = 0
    assert not future.done() and dcp.latest(tmp_path) is None
    go.set()
    future.result(10)
    state: dict[str, Any] = {"a": torch.zeros(3), "np": None}
    dcp.load(state, checkpoint_id=tmp_path / "c")
    assert state["a"].tolist() == state["np"].tolist() == [1, 1, 1]


def test_the_next_save_waits(tmp_path: Path, monkeypatch: Any) -> None:
    go = threading.Event()
    write = saver.write_shard
    monkeypatch.setattr(saver, "write_shard", lambda *a: go.wait(10) and write(*a))
    first = dcp.async_save({"a": torch.ones(3)}, checkpoint_id=tmp_path / "c")
    threading.Timer(0.05, go.set).start()
    second = dcp.async_save({"a": torch.zeros(3)}, checkpoint_id=tmp_path / "d")
    assert first.done()
    second.result(10)
    assert files(tmp_path) == ["c", "d"]


def test_a_failure_in_the_background_is_told(tmp_path: Path, monkeypatch: Any, caplog: Any) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saver, "write_shard", full)
    future = dcp.async_save({"a": torch.ones(3)}, checkpoint_id=tmp_path / "c")
    with pytest.raises(OSError, match="No space left"):
        future.result(10)
    assert "No space left" in caplog.text and files(tmp_path) == []


@pytest.mark.gpu
@pytest.mark.parametrize("background", [False, True])
def test_tensors_on_the_device(background: bool, tmp_path: Path) -> None:
    a = torch.arange(1 << 20, device="cuda").reshape(1024, -1)
    saved: Any = (dcp.async_save if background else dcp.save)(
        {"a": a}, checkpoint_id=tmp_path / "c"
    )
    if background:
        a.zero_()
        saved.result(30)
    into = torch.zeros(1024, 1024, dtype=torch.int64, device="cuda")
    dcp.load({"a": into}, checkpoint_id=tmp_path / "c")
    assert torch.equal(into.cpu(), torch.arange(1 << 20).reshape(1024, -1))


# -- several ranks


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("background", [False, True])
def test_saved_on_some_ranks_loaded_on_others(
    size: int, background: bool, tmp_path: Path, trained: Any, equal: Any
) -> None:
    old = {**trained(1), "big": torch.arange(float(1 << 19)).reshape(1 << 9, -1)}

    def write(rank: int) -> None:
        state = {**old, "rows": cut(WHOLE, rank, size), "step": 5}
        call = dcp.async_save if background else dcp.save
        saved: Any = call(state, checkpoint_id=tmp_path / "c")
        if background:
            saved.result(20)

    def read(rank: int) -> None:
        ranks = dist.get_world_size() if dist.is_initialized() else 1
        new = {**trained(2 + rank), "big": torch.zeros(1 << 9, 1 << 10)}
        state = {**new, "rows": cut(WHOLE * 0, rank, ranks), "step": 0}
        dcp.load(state, checkpoint_id=tmp_path / "c")
        assert equal({**old, "step": 5}, {k: v for k, v in state.items() if k != "rows"})
        rows: Any = state["rows"]._array
        assert np.array_equal(rows.piece, WHOLE[rows.first : rows.first + len(rows.piece)])
        assert rows.boxes == [((rows.first, 0), rows.piece.shape)]  # nothing else was read

    dist.run_local(size, write)
    assert files(tmp_path) == ["c"]
    sizes = [p.stat().st_size for p in (tmp_path / "c").glob("shard-*")]
    assert len(sizes) == size and max(sizes) < 1.2 * min(sizes)
    read(0)
    for ranks in (1, 3, 4):
        dist.run_local(ranks, read)
    whole = {"rows": torch.zeros(7, 3, dtype=torch.float64)}
    dcp.load(whole, checkpoint_id=tmp_path / "c", strict=False)
    assert np.array_equal(whole["rows"].numpy(), WHOLE)


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("background", [False, True])
def test_a_rank_that_cannot_write_fails_the_save_on_all(
    rank: int, background: bool, tmp_path: Path, monkeypatch: Any
) -> None:
    write = shards.write_shard

    def full(path: Path, entries: Any) -> Any:
        if path.name.startswith(f"shard-{rank:05d}"):
            raise OSError(28, "No space left on device")
        return write(path, entries)

    monkeypatch.setattr(saver, "write_shard", full)
    state = {f"t{i}": torch.ones(10) for i in range(6)}

    def program(_: int) -> None:
        with pytest.raises(dcp.CheckpointException, match="save: .*No space left") as error:
            if background:
                dcp.async_save(state, checkpoint_id=tmp_path / "c").result(10)
            else:
                dcp.save(state, checkpoint_id=tmp_path / "c")
        assert list(error.value.failures) == [rank]
        dist.barrier()
        assert files(tmp_path) == []

    dist.run_local(3, program)


def test_ranks_that_hold_different_states(tmp_path: Path) -> None:
    def program(rank: int) -> None:
        state = {"a": torch.ones(2)} | ({"b": torch.ones(1)} if rank == 1 else {})
        with pytest.raises(dcp.CheckpointException, match=r"rank 1 of 2: holds other.*b float32"):
            dcp.save(state, checkpoint_id=tmp_path / "c")
        with pytest.raises(dcp.CheckpointException, match="saves to"):
            dcp.save({}, checkpoint_id=tmp_path / str(rank))
        with pytest.raises(dcp.CheckpointException, match="rank 1 of 2: TypeError"):
            dcp.save({"f": print if rank else 1}, checkpoint_id=tmp_path / "c")
        dist.barrier()
        assert files(tmp_path) == []

    dist.run_local(2, program)


def test_ranks_without_a_common_file_system(tmp_path: Path, monkeypatch: Any) -> None:
    seen = saver.is_folder
    monkeypatch.setattr(
        saver, "is_folder", lambda p: threading.current_thread().name != "rank1" and seen(p)
    )

    def program(rank: int) -> None:
        with pytest.raises(dcp.CheckpointException, match="needs a folder on a file system that"):
            dcp.save({"a": torch.ones(2)}, checkpoint_id=tmp_path / "c")

    dist.run_local(2, program)
    assert files(tmp_path) == []


def test_one_rank_with_another_model_stops_all(tmp_path: Path) -> None:
    dcp.save({"a": torch.ones(2)}, checkpoint_id=tmp_path / "c")

    def program(rank: int) -> None:
        state = {"a": torch.zeros(2 + rank)}
        with pytest.raises(dcp.CheckpointException, match="rank 1 of 2: it holds another state"):
            dcp.load(state, checkpoint_id=tmp_path / "c")
        assert state["a"].sum().item() == 0

    dist.run_local(2, program)


def test_training_communicates_while_a_save_runs(tmp_path: Path) -> None:
    def program(rank: int) -> list[float]:
        total, futures = torch.zeros(1), []
        for step in range(20):
            x = torch.ones(3) * rank
            work = dist.all_reduce(x, async_op=True)
            if step % 4 == 0:
                name = tmp_path / f"{step}"
                futures.append(dcp.async_save({"t": total, "s": step}, checkpoint_id=name))
            work.wait()
            total += x.sum()
        for future in futures:
            future.result(10)
        return total.tolist()

    assert dist.run_local(3, program) == [[180.0]] * 3
    for step in range(0, 20, 4):
        state = {"t": torch.zeros(1), "s": -1}
        dcp.load(state, checkpoint_id=tmp_path / f"{step}")
        assert state["s"] == step and state["t"].item() == 9 * step


def test_destroying_the_world_waits_for_the_save(tmp_path: Path) -> None:
    def program(rank: int) -> None:
        dcp.async_save({"a": torch.ones(2)}, checkpoint_id=tmp_path / "c")
        dist.destroy_process_group()
        assert dcp.latest(tmp_path) is not None

    dist.run_local(2, program)


def test_no_dist_and_groups(tmp_path: Path) -> None:
    def program(rank: int) -> None:
        dcp.save({"r": rank}, checkpoint_id=tmp_path / f"{rank}", no_dist=True)
        group = dist.new_group([0, 2])
        index = dcp.save({"a": torch.ones(4)}, checkpoint_id=tmp_path / "g", process_group=group)
        assert (index is None) == (rank == 1)
        if index is not None:
            assert index.world_size == 2

    dist.run_local(3, program)
    assert files(tmp_path) == ["0", "1", "2", "g"]


class _View:
    """A global view of two threads."""

    def __init__(self, communicator: Any) -> None:
        self._communicator = communicator
        self.rank, self.size = communicator.rank, communicator.size
        self.exchange_bytes = communicator.exchange_bytes


def test_the_ranks_of_a_global_view_save_together(tmp_path: Path) -> None:
    views = threading.local()
    withdraw = register_view(lambda: getattr(views, "mine", None))

    def program(rank: int) -> None:
        group = dist.group.WORLD
        assert group is not None
        views.mine = _View(group.communicator)
        index = dcp.save({"a": torch.ones(4)}, checkpoint_id=tmp_path / "c")
        assert index is not None and index.world_size == 2
        future = dcp.async_save({"a": torch.ones(4)}, checkpoint_id=tmp_path / "d")
        assert future.done()  # this view has nothing to split: written at the call
        state = {"a": torch.zeros(4)}
        dcp.load(state, checkpoint_id=tmp_path / "d")
        assert state["a"].tolist() == [1] * 4

    try:
        dist.run_local(2, program)
    finally:
        withdraw()


# -- real ranks


def shared_folder(tmp_path: Path) -> Path:
    """Rank 0's temporary folder."""
    group = dist.group.WORLD
    assert group is not None
    return Path(os.fsdecode(group.communicator.exchange_bytes(os.fsencode(tmp_path))[0]))


@pytest.mark.mpi
@pytest.mark.parametrize("background", [False, True])
def test_over_mpi(background: bool, tmp_path: Path, trained: Any, equal: Any) -> None:
    started = not dist.is_initialized()
    if started:
        dist.init_process_group("mpi")
    try:
        rank, size = dist.get_rank(), dist.get_world_size()
        folder, old, new = shared_folder(tmp_path), trained(1), trained(2)
        state = {**old, "rows": cut(WHOLE, rank, size)}
        if background:
            saved = dcp.async_save(state, checkpoint_id=folder / "c")
            x = torch.ones(100)
            for _ in range(20):
                dist.all_reduce(x)
            saved.result(30)
        else:
            dcp.save(state, checkpoint_id=folder / "c")
        table = json.loads((folder / "c" / INDEX).read_text())
        assert table["world_size"] == size
        into = {**new, "rows": cut(WHOLE * 0, rank, size)}
        dcp.load(into, checkpoint_id=folder / "c")
        assert equal(old, new)
        assert np.array_equal(into["rows"]._array.piece, state["rows"]._array.piece)
        alone = {"rows": torch.zeros(7, 3, dtype=torch.float64)}
        dcp.load(alone, checkpoint_id=folder / "c", no_dist=True, strict=False)
        assert np.array_equal(alone["rows"].numpy(), WHOLE)
        with pytest.raises((dcp.CheckpointError, TypeError), match="a checkpoint cannot hold"):
            dcp.save({"f": print if rank == size - 1 else 0}, checkpoint_id=folder / "d")
        dist.barrier()
    finally:
        if started:
            dist.destroy_process_group()
