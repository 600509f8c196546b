"""Reading a lane: what is held in memory, how many files are open.

Run: pytest tests/data/streaming
"""

import pytest

from isograd.data.streaming.lane_reader import LaneReader
from isograd.data.streaming.order import EpochOrder
from isograd.data.streaming.tar_index import index_tar
from tests.data.streaming.readers import SAMPLES, write


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_memory_and_files_are_bounded(tmp_path, suffix):
    paths = write(tmp_path / f"s-%03d{suffix}", maxcount=3)
    indices = [index_tar(path) for path in paths]
    order = EpochOrder([len(index) for index in indices], lanes=1, buffer=20)
    reader = LaneReader(order, 0, paths, indices)
    held, files, got = 0, 0, []
    for begin in range(0, SAMPLES, 2):  # every second sample only
        for shard, sample, data in reader.take(begin, begin + 1):
            got.append((shard, sample))
            assert f"{3 * shard + sample:06}.cls".encode() in data
        held, files = max(held, len(reader._bytes)), max(files, len(reader._files))
    reader.close()
    assert len(set(got)) == len(got) == 51
    assert 10 < held <= 20 if suffix == ".tar.gz" else held == 0
    assert files == 4
    assert not reader._files
