"""Windows of token files: each once, the right tokens, and what is wrong with bad files.

Run: pytest tests/data/streaming
"""

import pickle

import numpy as np
import pytest

import isograd
from isograd.data import DataLoader
from isograd.data.streaming import PermutationSampler, ShardError, TokenDataset, write_tokens

LENGTHS = (50, 17, 33)


@pytest.fixture
def folder(tmp_path):
    start = 0
    for i, n in enumerate(LENGTHS):
        write_tokens(tmp_path / f"part-{i}.bin", np.arange(start, start + n))
        start += n
    return tmp_path


def test_each_window_once_within_its_file(folder):
    data = TokenDataset(folder, block_size=8)
    starts = [x[0].item() for x, _ in data]
    # (n - 1) // 8 windows in each file
    expected = [*range(0, 48, 8), *range(50, 66, 8), *range(67, 99, 8)]
    assert starts == expected
    assert len(data) == 12
    for x, y in data:
        assert (y - x).tolist() == [1] * 8
        assert x.dtype == y.dtype == isograd.int64
    assert data[-1][0][0].item() == 91


def test_overlapping_windows(folder):
    data = TokenDataset(folder, block_size=8, stride=3)
    starts = [x[0].item() for x, _ in data]
    assert starts == [*range(0, 42, 3), *range(50, 59, 3), *range(67, 92, 3)]


def test_a_loader_with_a_computed_permutation(folder):
    data = TokenDataset(folder, block_size=4)
    loader = DataLoader(data, batch_size=5, sampler=PermutationSampler(data, seed=1))
    seen = [int(x[0]) for batch, _ in loader for x in batch]
    assert sorted(seen) == [x[0].item() for x, _ in data] != seen


def test_random_windows(folder):
    data = TokenDataset(folder, block_size=8, random_windows=True, num_windows=3000)
    assert len(data) == 3000
    first = [data[i][0][0].item() for i in range(3000)]
    assert first == [data[i][0][0].item() for i in range(3000)]
    # any place from which 9 tokens lie in the file, and all of them
    places = {*range(42), *range(50, 59), *range(67, 92)}
    assert set(first) == places
    data.set_epoch(1)
    assert first != [data[i][0][0].item() for i in range(3000)]
    assert len(TokenDataset(folder, block_size=8, random_windows=True)) == 12
    other = TokenDataset(folder, block_size=8, random_windows=True, num_windows=3000)
    other.load_state_dict(data.state_dict())
    assert [other[i][0][0].item() for i in range(20)] == [data[i][0][0].item() for i in range(20)]


def test_npy_and_wide_tokens(tmp_path):
    path = tmp_path / "wide.npy"
    write_tokens(path, [70000, 1, 2], dtype=isograd.uint32 if hasattr(isograd, "uint32") else "u4")
    assert np.load(path).dtype == np.uint32
    x, y = TokenDataset(path, block_size=2)[0]
    assert (x.tolist(), y.tolist()) == ([70000, 1], [1, 2])


def test_x_and_y_share_no_memory(folder):
    x, y = TokenDataset(folder, block_size=4)[0]
    x.zero_()
    assert y.tolist() == [1, 2, 3, 4]


def test_pickles_without_the_data(folder):
    data = TokenDataset(folder, block_size=4)
    data[0]
    sent = pickle.dumps(data)
    assert len(sent) < 2000
    assert pickle.loads(sent)[3][0].tolist() == data[3][0].tolist()


def test_bad_files(tmp_path):
    path = tmp_path / "bad.bin"
    for content, message in [
        (b"", "no tokens"),
        (b"abc", "3 bytes are no whole number of uint16"),
        (b"abcd", "its 2 tokens are fewer than a window's 5"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ShardError, match=message) as info:
            TokenDataset(path, block_size=4)
        assert info.value.shard == str(path)
    other = tmp_path / "bad.npy"
    other.write_bytes(b"nothing")
    with pytest.raises(ShardError, match=r"bad\.npy: no readable"):
        TokenDataset(other, block_size=4)
    np.save(other, np.zeros((2, 3)))
    with pytest.raises(ShardError, match=r"got float64 of shape \[2, 3\]"):
        TokenDataset(other, block_size=4)
    with pytest.raises(FileNotFoundError, match="no such file"):
        TokenDataset(tmp_path / "absent.bin", block_size=4)


def test_a_token_outside_of_the_vocabulary(folder):
    data = TokenDataset(folder, block_size=8, vocab_size=60)
    assert len(data[6][0]) == 8
    with pytest.raises(ShardError, match=r"part-1\.bin: token 10 is 60, outside of range"):
        data[7]


def test_writing_refuses(tmp_path):
    path = tmp_path / "t.bin"
    for tokens, message in [
        ([70000], "do not fit uint16"),
        ([-1], "do not fit uint16"),
        ([0.5], "one row of integers"),
        ([[1]], "one row of integers"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_tokens(path, tokens)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="integer dtype"):
        write_tokens(path, [1], dtype="f4")


def test_bad_arguments(folder):
    with pytest.raises(ValueError, match="block_size"):
        TokenDataset(folder, block_size=0)
    with pytest.raises(ValueError, match="num_windows"):
        TokenDataset(folder, block_size=4, num_windows=3)
    with pytest.raises(IndexError):
        TokenDataset(folder, block_size=8)[12]
