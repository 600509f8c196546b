"""Streams under a global view: a loader on several processes against one process.

Run: pytest tests/data/streaming
"""

import numpy as np
import pytest

import isograd
from isograd.data import DataLoader
from isograd.data.streaming import (
    PermutationSampler,
    ShardWriter,
    TokenDataset,
    WebDataset,
    write_tokens,
)
from tests.data.ranks import run_ranks, together
from tests.data.streaming.readers import SAMPLES, write


@pytest.fixture
def shards(tmp_path):
    with ShardWriter(tmp_path / "s-%03d.tar", maxcount=7) as out:
        for i in range(SAMPLES):
            noise = np.full(3, i, np.float32)
            out.write({"__key__": f"{i:06}", "cls": i, "txt": f"text {i}", "noise.npy": noise})
    return tmp_path


def stream(folder, workers=0):
    data = WebDataset(folder, seed=2).shuffle(40).decode().to_tuple("cls", "noise.npy")
    data = data.map_tuple(None, lambda x: x + isograd.rand(1).item() / 2)
    return DataLoader(data, batch_size=24, num_workers=workers)


def two_epochs(folder, workers):
    def run(view):
        isograd.manual_seed(7)
        batches = stream(folder, workers)
        return [list(batches) for _ in range(2)]

    return run


@pytest.mark.parametrize(("size", "workers"), [(2, 0), (3, 2), (4, 0), (8, 0)])
def test_the_same_batches_on_any_number_of_processes(shards, size, workers):
    alone = together(run_ranks(two_epochs(shards, 0), 1))
    got = together(run_ranks(two_epochs(shards, workers), size))
    assert len(got[0]) == 5
    for epoch, expected in zip(got, alone):
        assert sorted(i for ids, _ in epoch for i in ids.tolist()) == list(range(SAMPLES))
        for (ids, noise), (expected_ids, expected_noise) in zip(epoch, expected):
            assert np.array_equal(ids, expected_ids)
            assert np.array_equal(noise, expected_noise)


def test_stopped_on_four_and_continued_on_three(shards):
    def stop(view):
        isograd.manual_seed(7)
        batches = stream(shards)
        first = iter(batches)
        return [[next(first) for _ in range(2)], batches.state_dict()]

    def go_on(view):
        batches = stream(shards)
        batches.load_state_dict(state)
        return [list(batches) for _ in range(2)]

    alone = together(run_ranks(two_epochs(shards, 0), 1))
    stopped = run_ranks(stop, 4)
    state = _tensors(stopped[0][1])
    begun = together([result[0] for result in stopped])
    rest = together(run_ranks(go_on, 3))
    got = [begun + rest[0], rest[1]]
    for epoch, expected in zip(got, alone):
        assert [ids.tolist() for ids, _ in epoch] == [ids.tolist() for ids, _ in expected]
    for (_, noise), (_, expected_noise) in zip(got[0], alone[0]):
        assert np.array_equal(noise, expected_noise)


def _tensors(value):
    if isinstance(value, np.ndarray):
        return isograd.from_numpy(value)
    if isinstance(value, dict):
        return {key: _tensors(v) for key, v in value.items()}
    return value


def test_a_broken_shard_stops_all(shards):
    (shards / "s-004.tar").write_bytes(b"nothing")
    errors = run_ranks(two_epochs(shards, 0), 3, errors=True)
    assert len(set(errors)) == 1
    assert "s-004.tar" in errors[0]


def test_a_missing_folder_stops_all(tmp_path):
    errors = run_ranks(lambda view: WebDataset(tmp_path / "absent"), 2, errors=True)
    assert len(set(errors)) == 1
    assert errors[0].startswith("FileNotFoundError: WebDataset: ")


def test_the_files_of_process_0_count(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "s-%03d.tar", samples=10 if name == "a" else 20)

    def length(view):
        return len(WebDataset(tmp_path / ("b" if view.rank else "a")))

    assert run_ranks(length, 3) == [10, 10, 10]


def test_tokens(tmp_path):
    write_tokens(tmp_path / "t.bin", range(1000))

    def epoch(view):
        data = TokenDataset(tmp_path, block_size=8)
        sampler = PermutationSampler(data, seed=3)
        return [list(DataLoader(data, batch_size=30, sampler=sampler))]

    alone, got = together(run_ranks(epoch, 1)), together(run_ranks(epoch, 4))
    assert sorted(x[0] for batch, _ in got[0] for x in batch.tolist()) == list(range(0, 992, 8))
    for (x, y), (expected_x, expected_y) in zip(got[0], alone[0]):
        assert np.array_equal(x, expected_x)
        assert np.array_equal(y, expected_y)
