"""Orders compared between ranks: how often, and what is told.

Run: pytest tests/data
"""

import pickle

import numpy as np
import pytest

import isograd
from isograd.data.agreement import compare, entry_digest, is_fixed, is_known, watched
from isograd.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    Unending,
    WeightedRandomSampler,
)


class Two:
    """Rank 0 of two; ``change`` is what rank 1 says instead."""

    def __init__(self, change=None):
        self.asked, self.change = [], change or {}

    def exchange_bytes(self, data):
        mine = pickle.loads(data)
        self.asked.append(mine)
        return [data, pickle.dumps(mine | self.change)]


def _compared(n, known):
    view = Two()
    assert list(watched([[i] for i in range(n)], view, {"seed": 3}, known)) == [
        [i] for i in range(n)
    ]
    return [(asked["the number of batches"], "seed" in asked) for asked in view.asked]


def test_how_often():
    assert _compared(20, known=True) == [(1, True)]
    assert _compared(0, known=True) == [(0, True)]
    assert _compared(20, known=False) == [
        (1, True), (2, False), (4, False), (8, False), (16, False), (20, False)
    ]  # fmt: skip


def test_what_differs_is_told():
    with pytest.raises(RuntimeError, match="Seed differs: rank 0 has 3, rank 1 has 4"):
        list(watched([[1]], Two({"seed": 4}), {"seed": 3}, True))
    with pytest.raises(RuntimeError, match="not at the same place of their loops"):
        compare(Two({"more": 1}), {"seed": 3})
    compare(Two(), {})


def test_an_order_that_differs_late():
    view = Two()
    entries = watched([[i] for i in range(9)], view, {}, known=False)
    assert [next(entries) for _ in range(5)] == [[0], [1], [2], [3], [4]]
    view.change = {"the order of samples": "other"}
    assert [next(entries) for _ in range(2)] == [[5], [6]]
    with pytest.raises(RuntimeError, match="The order of samples differs"):
        next(entries)


def test_digests_see_the_numbers_alone():
    same = ([1, 2], (1, 2), np.array([1, 2]), isograd.tensor([1, 2]), [np.int64(1), 2])
    assert len({entry_digest(entry) for entry in same}) == 1
    assert entry_digest([1, 2]) != entry_digest([2, 1])
    assert entry_digest("a") != entry_digest("b")


def test_known_orders():
    class Mine(SequentialSampler):
        pass

    data = range(3)
    drawn = [RandomSampler(data), WeightedRandomSampler([1.0], 2)]
    fixed = [SequentialSampler(data), Unending(2)]
    assert all(is_known(s) and is_known(BatchSampler(s, 2, False)) for s in drawn + fixed)
    assert all(map(is_fixed, fixed)) and not any(map(is_fixed, drawn))
    assert not is_known(Mine(data)) and not is_known(BatchSampler(Mine(data), 2, False))
    assert not is_fixed([[0], [1]])
