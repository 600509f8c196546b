"""Exceptions that travel between processes. Run: pytest tests/data"""

import pickle

import pytest

from isograd.data.failure import ExceptionWrapper


class Picky(Exception):
    def __init__(self, first, second):
        super().__init__(first, second)


def _sent(error):
    try:
        raise error
    except Exception:
        return pickle.loads(pickle.dumps(ExceptionWrapper("in DataLoader worker process 3")))


def test_class_place_and_traceback_survive():
    with pytest.raises(ValueError) as caught:
        _sent(ValueError("broken sample")).reraise()
    text = str(caught.value)
    assert text.startswith(
        "Caught ValueError in DataLoader worker process 3.\n"
        "Original Traceback (most recent call last):\n"
    )
    assert "in _sent" in text
    assert text.endswith("ValueError: broken sample\n")


def test_a_key_error_shows_its_lines():
    with pytest.raises(KeyError) as caught:
        _sent(KeyError("name")).reraise()
    assert "process 3.\nOriginal" in str(caught.value)


def test_a_class_that_one_message_cannot_make():
    wrapped = ExceptionWrapper()
    wrapped.exc_type, wrapped.exc_msg = Picky, "Traceback ..."
    with pytest.raises(RuntimeError, match="Caught Picky in background"):
        wrapped.reraise()
