"""Ranks that ask for the same get rank 0's answer; others all raise.

Run: python -m pytest tests/launch/script/test_exchange.py
"""

import pickle

import pytest

from isograd.data.view import register_view
from isograd.distributed.errors import CollectiveMismatchError
from isograd.launch.script.exchange import Outcome, agree, answer_of_rank_0


class PairView:
    """This process as rank 1; rank 0's message is given."""

    positions, first, count, rank, size = 2, 1, 1, 1, 2

    def __init__(self, what, value):
        self.first_message = pickle.dumps((what, "train.py:1", value))

    def exchange_bytes(self, data):
        return [self.first_message, data]


@pytest.fixture
def beside():
    forget = []

    def view(what, value):
        pair = PairView(what, value)
        forget.append(register_view(lambda: pair))

    yield view
    for undo in forget:
        undo()


def test_rank_0_answers(beside):
    beside("exists", Outcome(True))
    assert answer_of_rank_0("exists", lambda: 1 / 0) is True


def test_what_rank_0_raises_all_raise(beside):
    beside("open", Outcome(error=PermissionError(13, "Permission denied", "x")))
    with pytest.raises(PermissionError) as info:
        answer_of_rank_0("open", lambda: None)
    assert (info.value.errno, info.value.filename) == (13, "x")


def test_errors_that_cannot_travel_are_described():
    class Local(Exception):
        pass

    outcome = pickle.loads(pickle.dumps(Outcome(error=Local("why"))))
    assert str(outcome.error) == "Local: why"


def test_different_questions_name_both_lines(beside):
    beside("os.path.exists", None)
    with pytest.raises(CollectiveMismatchError) as info:
        agree("open a file")
    assert "rank 0: os.path.exists  at train.py:1" in str(info.value)
    assert f"rank 1: open a file  at {__file__}" in str(info.value)


def test_without_a_view_there_is_nobody_to_ask():
    with pytest.raises(RuntimeError, match="no global view"):
        agree("anything")
