"""Which rank is blamed for the end of a job, and with which exit code.

Run: python -m pytest tests/launch/test_report.py
"""

import pytest

from isograd.launch.control import Rank
from isograd.launch.report import explain, number_ranges


def rank(number: int, state: str, **report: object) -> Rank:
    """A rank that ended."""
    return Rank(number, 100 + number, "h", "", state, report)


def done(number: int) -> Rank:
    """A rank that ended well."""
    return rank(number, "done", bye=0)


def raised(number: int, text: str) -> Rank:
    """A rank that raised."""
    return rank(number, "failed", kind="raise", code=1, name="ValueError", text=text)


def told(ended: list[Rank], size: int, code: int, noise: str = "") -> tuple[str, int]:
    """Explain the end of a job in which the ranks of `ended` had said hello."""
    return explain(ended, size, {r.rank: r for r in ended}, code, noise)


def test_all_well():
    assert told([done(0), done(1)], 2, 0) == ("", 0)


def test_code_zero_is_not_trusted_when_a_rank_is_missing():
    text, code = told([done(0)], 3, 0)
    assert (text, code) == ("isograd: ranks 1-2 of 3 vanished without a word\n", 1)


def test_mpirun_that_starts_nothing():
    text, code = told([], 2, 213, "There are not enough slots\n")
    assert code == 213
    assert text.startswith("There are not enough slots\n")
    assert "before any rank started" in text


def test_the_first_rank_lost_is_blamed_with_its_signal():
    text, code = told([rank(2, "lost"), rank(0, "lost"), rank(1, "lost")], 3, 137)
    assert code == 137
    assert text == "isograd: rank 2 (pid 102, host h) was killed by signal 9 (SIGKILL)\n"


def test_mpirun_knows_better_which_rank_died_first():
    noise = "prterun noticed that process rank 1 with PID 101 on node h exited on\nsignal 11 (x)"
    text, code = told([rank(0, "lost"), rank(1, "lost")], 2, 139, noise)
    assert code == 139
    assert "rank 1 (pid 101, host h) was killed by signal 11 (SIGSEGV)" in text


NOTICE = """PRTE has lost communication with a remote daemon.

  HNP daemon   : [prterun-a-1@0,0] on node a
  Remote daemon: [prterun-a-1@0,2] on node b
"""


def test_a_lost_host_is_blamed_rather_than_the_ranks_mpirun_then_kills():
    killed, silent = rank(0, "lost"), [rank(1, "running"), rank(2, "running")]
    silent[0].host = silent[1].host = "b"
    connected = {r.rank: r for r in [killed, *silent]}
    text, code = explain([killed], 3, connected, 0, NOTICE)
    assert code == 1
    assert text == "isograd: lost host b with ranks 1-2: it is down, or cut off from the network\n"


def test_a_lost_host_without_a_word_of_its_ranks():
    text, code = told([], 2, 0, NOTICE)
    assert (text.startswith("isograd: lost host b: "), code) == (True, 1)


def test_an_exception_after_a_loss_is_a_consequence():
    text, code = told([rank(1, "lost"), raised(0, "DistError: peer 1 is gone\n")], 2, 137)
    assert code == 137
    assert "rank 1" in text.splitlines()[-1]


def test_different_exceptions_are_named_and_the_first_is_printed_last():
    first, second = raised(2, "Traceback\nValueError: a\n"), raised(0, "Traceback\nValueError: b\n")
    text, code = told([first, second, raised(1, "Traceback\nValueError: a\n")], 3, 1)
    assert code == 1
    assert text.splitlines() == [
        "isograd: rank 0 (pid 100, host h) too: ValueError: b",
        "isograd: the same on rank 2",
        "isograd: rank 1 (host h) raised ValueError:",
        "Traceback",
        "ValueError: a",
    ]


def test_os_exit_with_a_code():
    text, code = told([done(0), rank(1, "done", bye=5)], 2, 5)
    assert (text, code) == ("isograd: rank 1 (pid 101, host h) called os._exit(5)\n", 5)


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([3], "3"), ([0, 1, 2, 5], "0-2, 5"), ([7, 5, 4], "4-5, 7")]
)
def test_number_ranges(numbers, text):
    assert number_ranges(numbers) == text
