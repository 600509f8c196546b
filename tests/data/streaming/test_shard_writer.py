"""Writing shards: limits, atomicity, refusals. Run: pytest tests/data/streaming"""

import tarfile

import numpy as np
import pytest

import isograd
from isograd.data.streaming import ShardWriter, WebDataset
from isograd.data.streaming import shard_writer as module


def test_limits(tmp_path):
    with ShardWriter(tmp_path / "a-%02d.tar", maxcount=3, start_shard=5) as out:
        for i in range(7):
            out.write({"__key__": str(i), "cls": i})
    assert [path[-8:] for path in out.shards] == ["a-05.tar", "a-06.tar", "a-07.tar"]
    assert out.count == 7
    with ShardWriter(tmp_path / "b-%d.tar", maxsize=1000) as out:
        for i in range(4):
            out.write({"__key__": str(i), "bin": b"x" * 600})
    assert len(out.shards) == 2


def test_other_programs_can_read_it(tmp_path):
    with ShardWriter(tmp_path / "a-%d.tar.gz") as out:
        out.write({"__key__": "d/0", "txt": "t", "__url__": "ignored"})
    with tarfile.open(tmp_path / "a-0.tar.gz") as archive:
        assert archive.getnames() == ["d/0.txt"]


def test_the_same_samples_give_the_same_bytes(tmp_path):
    contents = []
    for name in ("a", "b"):
        with ShardWriter(tmp_path / f"{name}-%d.tar.gz") as out:
            out.write({"__key__": "0", "npy": isograd.arange(3)})
        contents.append((tmp_path / f"{name}-0.tar.gz").read_bytes())
    assert contents[0] == contents[1]


def test_a_shard_is_there_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), ShardWriter(tmp_path / "a-%d.tar", 2) as out:
        for i in range(3):
            out.write({"__key__": str(i), "cls": i})
        assert (tmp_path / "a-0.tar").exists()
        assert not (tmp_path / "a-1.tar").exists()
        raise RuntimeError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["a-0.tar"]
    assert len(WebDataset(tmp_path)) == 2


def test_under_a_global_view_the_first_process_writes(tmp_path, monkeypatch):
    class View:
        def __init__(self, rank):
            self.rank, self.waited = rank, 0

        def exchange_bytes(self, data):
            self.waited += 1
            return [data]

    for rank in (1, 0):
        view = View(rank)
        monkeypatch.setattr(module, "current_view", lambda view=view: view)
        with ShardWriter(tmp_path / "a-%d.tar", maxcount=2) as out:
            for i in range(3):
                out.write({"__key__": str(i), "cls": i})
        assert view.waited == 1
        assert len(out.shards) == 2
        assert len(list(tmp_path.iterdir())) == (0 if rank else 2)


@pytest.mark.parametrize(
    ("sample", "error", "message"),
    [
        ({"cls": 1}, ValueError, "__key__"),
        ({"__key__": "0"}, ValueError, "no members"),
        ({"__key__": "a.b", "cls": 1}, ValueError, "would not be read back"),
        ({"__key__": "a", "CLS": 1}, ValueError, "would not be read back"),
        ({"__key__": "a", "cls": 1.5}, TypeError, "integer"),
        ({"__key__": "a", "bin": [1]}, TypeError, r"bytes or str for \.bin"),
        ({"__key__": "a", "npz": {"x": np.array([{}], object)}}, TypeError, "objects"),
    ],
)
def test_refusals_leave_nothing(tmp_path, sample, error, message):
    with pytest.raises(error, match=message), ShardWriter(tmp_path / "a-%d.tar") as out:
        out.write(sample)
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments(tmp_path):
    for pattern in ("a.tar", "a-%d-%d.tar", "a-%q"):
        with pytest.raises(ValueError, match="one %d"):
            ShardWriter(pattern)
    with pytest.raises(ValueError, match="maxcount"):
        ShardWriter("a-%d.tar", maxcount=0)
    with ShardWriter(tmp_path / "a-%d.tar") as out:
        out.write({"__key__": "0", "cls": 1})
        with pytest.raises(ValueError, match="differs from the last"):
            out.write({"__key__": "0", "cls": 1})
