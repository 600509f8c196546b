"""Names of files: folders, braces, wildcards, and what names none.

Run: pytest tests/data/streaming
"""

import pytest

from isograd.data.streaming.paths import expand_braces, find_files


def test_braces():
    assert expand_braces("a") == ["a"]
    assert expand_braces("a-{008..011}.tar") == [f"a-{i:03}.tar" for i in range(8, 12)]
    assert expand_braces("{x,yy}{1..2}") == ["x1", "x2", "yy1", "yy2"]
    assert expand_braces("{2..0}") == ["2", "1", "0"]


def test_files(tmp_path):
    for name in ("b.tar", "a.tar", "c.tgz", "d.txt", ".e.tar"):
        (tmp_path / name).touch()

    def names(paths):
        return [path.rpartition("/")[2] for path in find_files(paths, (".tar", ".tgz"), "Test")]

    assert names(tmp_path) == ["a.tar", "b.tar", "c.tgz"]
    assert names(str(tmp_path / "*.tar")) == ["a.tar", "b.tar"]
    assert names(f"{tmp_path}/{{b,a}}.tar") == ["b.tar", "a.tar"]
    assert names([tmp_path / "d.txt", tmp_path / "a.tar"]) == ["d.txt", "a.tar"]
    with pytest.raises(FileNotFoundError, match=r"x-1\.tar: no such file"):
        names(f"{tmp_path}/x-{{1..2}}.tar")
    with pytest.raises(ValueError, match=r"a\.tar is named 2 times"):
        names([tmp_path, tmp_path / "a.tar"])
    with pytest.raises(ValueError, match="at least one"):
        names([])
    with pytest.raises(ValueError, match="fetch remote shards"):
        names("https://example.org/a.tar")
