"""Counts of all shards: kept beside them, and agreed among pretended ranks (threads).

Run: pytest tests/data/streaming
"""

import os
import threading

import numpy as np
import pytest

from isograd.data.streaming import ShardError, WebDataset
from isograd.data.streaming import counting as module
from isograd.data.streaming.counting import CACHE_NAME, count_shards
from tests.data.streaming.readers import write


class View:
    """One of several threads that exchange bytes."""

    def __init__(self, rank, size, meeting, table):
        self.rank, self.size, self._meeting, self._table = rank, size, meeting, table

    def exchange_bytes(self, data):
        self._table[self.rank] = data
        self._meeting.wait(10)
        return list(self._table)


def on_ranks(size, function, monkeypatch):
    """What ``function(rank)`` gives or raises, with a view of its own in each thread."""
    meeting, table, local, out = threading.Barrier(size), [b""] * size, threading.local(), {}
    monkeypatch.setattr(module, "current_view", lambda: local.view)

    def run(rank):
        local.view = View(rank, size, meeting, table)
        try:
            out[rank] = function(rank)
        except Exception as error:
            out[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return [out[rank] for rank in range(size)]


def test_ranks_share_the_counting(tmp_path, monkeypatch):
    shards = write(tmp_path / "s-%03d.tar", samples=30, maxcount=4)
    counted = []

    def count(path):
        counted.append(path)
        return real(path)

    real = module.index_tar
    monkeypatch.setattr(module, "index_tar", count)
    got = on_ranks(3, lambda rank: count_shards(shards, "raise", True), monkeypatch)
    assert sorted(counted) == sorted(shards)
    for indices in got:
        assert [index.bounds.tolist() for index in indices] == [
            real(path).bounds.tolist() for path in shards
        ]


def test_a_broken_shard_is_known_to_all_ranks(tmp_path, monkeypatch):
    shards = write(tmp_path / "s-%03d.tar", samples=30, maxcount=4)
    os.truncate(shards[4], 5000)
    got = on_ranks(3, lambda rank: count_shards(shards, "raise", False), monkeypatch)
    assert [type(error) for error in got] == [ShardError] * 3
    assert len({str(error) for error in got}) == 1
    with pytest.warns(UserWarning, match=r"s-004") as caught:
        got = on_ranks(3, lambda rank: count_shards(shards, "skip", False), monkeypatch)
    assert len(caught) == 1
    for indices in got:
        assert [len(index) for index in indices] == [4, 4, 4, 4, 2, 4, 4, 2]


def test_ranks_that_see_other_files_raise(tmp_path, monkeypatch):
    shards = write(tmp_path / "s-%03d.tar", samples=12, maxcount=4)
    others = [*shards[:2], str(tmp_path / "absent.tar")]
    own = [shards, others]
    got = on_ranks(2, lambda rank: count_shards(own[rank], "raise", False), monkeypatch)
    for error in got:
        assert isinstance(error, ShardError)
        assert "for rank 0, no file for rank 1; all ranks must read the same" in str(error)


def test_counts_are_kept(tmp_path, monkeypatch):
    shards = write(tmp_path / "s-%03d.tar", samples=12, maxcount=4)
    first = WebDataset(tmp_path)
    assert (tmp_path / CACHE_NAME).exists()
    write(tmp_path / "t-%03d.tar", samples=5, maxcount=5)
    os.utime(shards[1], (1, 1))
    real, counted = module.index_tar, []
    monkeypatch.setattr(module, "index_tar", lambda path: counted.append(path) or real(path))
    again = WebDataset(tmp_path)
    assert counted == [shards[1], str(tmp_path / "t-000.tar")]
    assert (len(first), len(again)) == (12, 17)
    assert len(WebDataset(tmp_path)) == 17
    assert len(counted) == 2


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 broken"])
def test_a_broken_file_of_counts_is_ignored(tmp_path, content):
    write(tmp_path / "s-%03d.tar", samples=12, maxcount=4)
    (tmp_path / CACHE_NAME).write_bytes(content)
    assert len(WebDataset(tmp_path)) == 12
    assert np.load(tmp_path / CACHE_NAME)["shard:s-000.tar"].dtype == np.int64


def test_counts_in_memory_only(tmp_path, monkeypatch):
    write(tmp_path / "s-%03d.tar", samples=12, maxcount=4)
    assert len(WebDataset(tmp_path, cache_index=False)) == 12
    assert not (tmp_path / CACHE_NAME).exists()

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(module, "atomic_file", refuse)
    assert len(WebDataset(tmp_path)) == 12
