"""Fingerprints: what is equal, what differs, and how a disagreement reads.

python -m pytest tests/distributed/test_fingerprint.py
"""

import subprocess
import sys
import warnings
from typing import Any

import pytest

from isograd.distributed import CollectiveMismatchError
from isograd.distributed.fingerprint import (
    PACKAGE,
    RECORD_SIZE,
    Signature,
    call_site,
    encode,
    mismatch_error,
    script_level,
)

BASE = Signature("all_reduce", "float32", (3, 4), "SUM")


@pytest.mark.parametrize(
    "other",
    [
        BASE._replace(op="reduce"),
        BASE._replace(dtype="float64"),
        BASE._replace(shape=(4, 3)),
        BASE._replace(shape=(12,)),
        BASE._replace(reduce="MAX"),
        BASE._replace(root=0),
        BASE._replace(detail="x"),
    ],
)
def test_every_part_counts(other: Signature) -> None:
    assert len(encode(BASE, 1)) == RECORD_SIZE
    assert encode(BASE, 1) == encode(Signature(*BASE), 1)
    assert encode(BASE, 1) != encode(other, 1)
    assert encode(BASE, 1) != encode(BASE, 2)


def test_lines_count_where_they_must_agree_and_folders_do_not() -> None:
    assert encode(BASE, 1, "/here/train.py:7") == encode(BASE, 1, "/there/train.py:7")
    assert len({encode(BASE, 1, site) for site in ("", "train.py:7", "train.py:8")}) == 3


def test_records_agree_between_processes() -> None:
    """Python's own hash would not: it is salted per process."""
    program = (
        "from isograd.distributed.fingerprint import *;"
        "print(encode(Signature('all_reduce', 'float32', (3, 4), 'SUM'), 1).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == encode(BASE, 1).hex()


def test_call_site_is_the_users() -> None:
    site = call_site()
    assert site.startswith(__file__)


def test_warnings_name_the_users_line() -> None:
    source = "def f(): warnings.warn('x', stacklevel=script_level())\ndef g(): f()"
    inside: dict[str, Any] = {"warnings": warnings, "script_level": script_level}
    exec(compile(source, f"{PACKAGE}some.py", "exec"), inside)
    with pytest.warns(UserWarning, match="x") as caught:
        inside["g"]()
    assert caught[0].filename == __file__


def test_message() -> None:
    lines = [f"{BASE.text()} at a.py:1", "broadcast(root=0) int32 (2,) at a.py:2"]
    error = mismatch_error("all_reduce", "world", [4, 6], 7, lines)
    assert isinstance(error, CollectiveMismatchError) and isinstance(error, RuntimeError)
    assert "collective 7 of group 'world' (2 ranks); no data was moved" in str(error)
    assert "rank 4: all_reduce(SUM) float32 (3, 4) at a.py:1" in str(error)
    assert "rank 6: broadcast(root=0) int32 (2,) at a.py:2" in str(error)


def test_many_ranks_are_grouped() -> None:
    lines = ["barrier() at a.py:1"] * 99 + ["barrier() at b.py:2"]
    text = str(mismatch_error("barrier", "world", range(100), 1, lines))
    assert "99 rank(s) [0, 1, 2, 3, 4, 5]...: barrier() at a.py:1" in text
    assert "1 rank(s) [99]: barrier() at b.py:2" in text
