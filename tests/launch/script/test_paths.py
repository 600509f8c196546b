"""Names that differ by rank mean rank 0's; scratch is private.

Run: python -m pytest tests/launch/script/test_paths.py
"""

from pathlib import Path

from isograd.launch.script.paths import Names, is_path


def test_a_name_of_its_own_means_rank_0s(capsys):
    names = Names()
    assert not names.differ
    assert names.learn("/runs/b", ["/runs/a", "/runs/b"], 1) == "/runs/a"
    assert names.differ
    assert names.full("/runs/b/log/x.txt") == "/runs/a/log/x.txt"
    assert names.full("/runs/bb") == "/runs/bb"
    assert names.here(Path("/runs/b/x")) == "/runs/a/x"
    assert names.here("/runs/c") == "/runs/c"
    assert names.here(3) == 3
    assert capsys.readouterr().err == ""  # rank 0 says it


def test_rank_0_says_so_once_per_line(capsys):
    names = Names()
    for _ in range(2):
        assert names.learn("/a", ["/a", "/a", "/b"], 0) == "/a"
    err = capsys.readouterr().err
    assert err.count("isograd: ") == 1
    assert "rank 0 writes /a, rank 2 says /b" in err
    assert not names.differ


def test_scratch_and_devices_are_private(tmp_path):
    names = Names()
    names.keep_private(tmp_path / "s")
    assert names.is_private(tmp_path / "s")
    assert names.is_private(str(tmp_path / "s" / "x"))
    assert not names.is_private(tmp_path / "s2")
    assert names.is_private("/dev/null")
    assert names.is_private(b"/proc/self/maps")


def test_what_names_a_file():
    assert [is_path(v) for v in ("a", b"a", Path("a"), 3, None)] == [True] * 3 + [False] * 2
