"""Counting samples: where they begin, what belongs to none, and every kind of damage.

Run: pytest tests/data/streaming
"""

import gzip
import io
import pickle
import tarfile

import pytest

from isograd.data.streaming.lane_reader import unpack
from isograd.data.streaming.tar_index import index_tar, split_name
from tests.data.streaming.readers import write

LONG = "x" * 150


def make(path, members, format=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w", format=format) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return str(path)


def samples(path):
    index = index_tar(path)
    assert index.error is None
    with open(path, "rb") as file:
        data = file.read()
    spans = zip(index.bounds[:-1].tolist(), index.bounds[1:].tolist())
    return [unpack(data[begin:end], path, begin) for begin, end in spans]


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_members_of_all_kinds(tmp_path, format):
    path = make(
        tmp_path / "a.tar",
        [
            ("train/", None),
            ("train/__meta__.json", b"{}"),
            ("train/0.jpg", b"jpg" * 300),
            ("train/0.seg.PNG", b"png"),
            (f"train/{LONG}.cls", b"1"),
            (f"train/{LONG}.ä", b""),
            ("README", b"belongs to none"),
            ("train/2.cls", b"2"),
        ],
        format,
    )
    url = {"__url__": path}
    assert samples(path) == [
        {**url, "__key__": "train/0", "jpg": b"jpg" * 300, "seg.png": b"png"},
        {**url, "__key__": f"train/{LONG}", "cls": b"1", "ä": b""},
        {**url, "__key__": "train/2", "cls": b"2"},
    ]


def test_names():
    assert split_name("a.b/c/0.tar.gz") == ("a.b/c/0", "tar.gz")
    assert split_name("./0.X") == ("./0", "x")
    for name in ("0", ".hidden", ".hidden.jpg", "0.", "a/b", "__sizes__.json"):
        assert split_name(name) is None


def test_an_empty_archive(tmp_path):
    index = index_tar(make(tmp_path / "a.tar", []))
    assert (len(index), index.error) == (0, None)


def damaged(tmp_path, change, suffix=".tar"):
    [path] = write(tmp_path / f"s-%03d{suffix}", samples=4, maxcount=4)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(change(data))
    return index_tar(path)


@pytest.mark.parametrize(
    ("change", "kept", "reason"),
    [
        (lambda data: b"", 0, "no tar archive"),
        (lambda data: b"garbage " * 900, 0, "no tar archive"),
        (lambda data: data[:300], 0, "no tar archive"),
        (lambda data: data[: 2048 * 3 - 900], 2, "cut off"),  # in a header
        (lambda data: data[: 2048 * 3 - 512], 2, "cut off"),  # between header and data
        (lambda data: data[: 2048 * 3 - 400], 2, "cut off"),  # in the data
        (lambda data: data[: 2048 * 3], 2, "its end mark is missing"),  # behind a sample
        (lambda data: data[:4096] + b"?" + data[4097:], 1, "bad header"),
        (lambda data: data[:4096] + data[2048:4096] * 2 + data[4096:], 1, "two members 'cls'"),
    ],
)
def test_damage(tmp_path, change, kept, reason):
    index = damaged(tmp_path, change)
    assert len(index) == kept
    assert reason in str(index.error)
    assert "s-000.tar" in str(index.error)
    assert index.error.offset is not None
    copied = pickle.loads(pickle.dumps(index.error))
    assert (str(copied), copied.sample) == (str(index.error), index.error.sample)


def test_a_header_of_negative_size_ends(tmp_path):
    def change(data):
        header = bytearray(data[2048:2560])
        header[124:136] = b"\xff" * 10 + (0x10000 - 4096).to_bytes(2, "big")  # base 256: -4096
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return data[:2048] + bytes(header) + data[2560:]

    assert "s-000.tar" in str(damaged(tmp_path, change).error)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: data[:-3], "cut off"),
        (lambda data: data[:-8] + b"0000" + data[-4:], "CRC"),
        (lambda data: data[:40] + b"\xff\xff\xff\xff" + data[44:], ""),
    ],
)
def test_damage_of_compressed_shards(tmp_path, change, reason):
    index = damaged(tmp_path, change, ".tar.gz")
    assert reason in str(index.error)
    assert "s-000.tar.gz" in str(index.error)
    assert len(index) < 4 or "cut off" in reason


def test_compressed_by_another_program(tmp_path):
    plain = make(tmp_path / "a.tar", [("0.cls", b"0"), ("1.cls", b"1")])
    path = tmp_path / "b.tar"  # the name does not say it
    with open(plain, "rb") as file:
        path.write_bytes(gzip.compress(file.read()))
    assert index_tar(str(path)).bounds.tolist() == [0, 1024, 2048]


def test_a_missing_file():
    assert "No such file" in str(index_tar("/nowhere/a.tar").error)
