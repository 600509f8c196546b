"""Null files look like the files `open` gives; copies can be read.

Reference: `open`. Run: python -m pytest tests/launch/script/test_sinks.py
"""

import csv
import os
import pickle
import subprocess
import sys

import pytest

from isograd.launch.script.sinks import Form, Sink, assemble


def form(mode, buffering=-1, encoding=None, errors=None, newline=None):
    return Form(mode, buffering, encoding, errors, newline)


@pytest.mark.parametrize(
    ("mode", "kwargs"),
    [
        ("w", {}), ("wb", {}), ("wb", {"buffering": 0}), ("w+", {}), ("w+b", {}), ("a", {}),
        ("x", {"encoding": "utf-8", "newline": ""}), ("w", {"buffering": 1}),
    ],
)  # fmt: skip
def test_the_same_kind_and_the_same_answers_as_open(tmp_path, mode, kwargs):
    real = open(tmp_path / "real", mode, **kwargs)
    files = [
        assemble(tmp_path / "own", form(mode, **kwargs), None, b"", lambda: None),
        assemble(tmp_path / "null", form(mode, **kwargs), 0, b"", lambda: None),
    ]
    data = b"some\nbytes" if "b" in mode else "some\ntext"
    with real, files[0], files[1]:
        for file in files:
            assert isinstance(file, type(real))
            for ask in ("writable", "readable", "seekable", "isatty"):
                assert getattr(file, ask)() == getattr(real, ask)()
            if "b" not in mode:
                assert (file.line_buffering, file.mode) == (real.line_buffering, real.mode)
                assert file.encoding.lower() == real.encoding.lower()
        for file in (real, *files):
            file.write(data)
        assert len({file.tell() for file in (real, *files)}) == 1
    assert (tmp_path / "own").read_bytes() == (tmp_path / "real").read_bytes()
    assert not (tmp_path / "null").exists()
    assert files[1].closed


def test_libraries_accept_a_null_file(tmp_path):
    with assemble("x.csv", form("w", newline=""), 0, b"", lambda: None) as file:
        csv.writer(file).writerow([1, 2])
        subprocess.run([sys.executable, "-c", "print(1)"], stdout=file, check=True)
        assert file.name == "x.csv"
    with assemble("x.pkl", form("wb"), 0, b"", lambda: None) as file:
        pickle.dump({"a": 1}, file)
    assert not os.path.exists("x.csv")


def test_a_copy_begins_where_the_file_does():
    with assemble("x", form("r+"), 0, b"before", lambda: None) as file:
        assert file.read() == "before"
        file.write(" after")
        file.seek(0)
        assert file.read() == "before after"
    with assemble("x", form("a+b"), 6, b"before", lambda: None) as file:
        file.write(b"!")
        file.seek(0)
        assert file.read() == b"before!"


def test_a_sink_counts():
    sink = Sink("name", 10)
    assert sink.write(b"abc") == 3
    assert (sink.tell(), sink.seek(2), sink.tell(), sink.truncate(), sink.name) == (
        13, 2, 2, 2, "name",
    )  # fmt: skip
    sink.close()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_closing_is_told_to_all_unless_the_collector_closes(tmp_path, solo_view):
    done = []
    file = assemble(tmp_path / "a", form("w"), None, b"", lambda: done.append(1))
    file.close()
    file.close()
    assert (solo_view.exchanges, done) == (1, [1])
    assemble(tmp_path / "a", form("w"), None, b"", lambda: done.append(1)).write("x")
    assert (solo_view.exchanges, done) == (1, [1])
    assert (tmp_path / "a").read_text() == "x"


@pytest.mark.parametrize(
    "args",
    [("q",), ("wr",), ("wbt",), ("ww",), ("wb", -1, "utf-8"), ("wb", -1, None, None, ""), ("w", 0)],
)
def test_what_open_refuses_is_refused_with_its_words(tmp_path, args):
    with pytest.raises(ValueError) as ours:
        form(*args)
    with pytest.raises(ValueError) as theirs:
        open(tmp_path / "x", *args)
    assert str(ours.value) == str(theirs.value)
