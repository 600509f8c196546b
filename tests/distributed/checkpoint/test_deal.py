"""Dealing tensors over ranks: everything once, and as much for everybody as rows allow.

python -m pytest tests/distributed/checkpoint/test_deal.py
"""

from __future__ import annotations

import random
from math import prod

import pytest

from isograd.distributed.checkpoint.deal import borders, deal
from isograd.distributed.checkpoint.index import Stored
from isograd.tensor.dtypes import float32, int64


@pytest.mark.parametrize("ranks", range(1, 7))
def test_every_row_is_dealt_once(ranks: int) -> None:
    draw = random.Random(ranks)
    shapes = [(), (0, 3), (1, 1 << 19), (7, 100_000), (3,), (1 << 20,), (2, 3, 4)]
    draw.shuffle(shapes)
    tensors = [Stored(str(n), draw.choice([float32, int64]), s) for n, s in enumerate(shapes)]
    taken = [draw.randrange(1 << 22) for _ in range(ranks)]
    rows: dict[int, list[int]] = {n: [] for n in range(len(tensors))}
    for run in deal(tensors, taken):
        for number, first, end in run:
            assert first < end
            rows[number] += range(first, end)
    for number, shape in enumerate(shapes):
        expected = 0 if not prod(shape) else shape[0] if shape else 1
        assert sorted(rows[number]) == list(range(expected))


def test_large_tensors_are_cut_so_that_ranks_write_the_same() -> None:
    tensors = [Stored("a", float32, (4096, 1024)), Stored("b", float32, (1000,))]
    bytes_of = [
        sum((end - first) * (4096 if n == 0 else 4) for n, first, end in run)
        for run in deal(tensors, [0, 0, 0])
    ]
    assert max(bytes_of) - min(bytes_of) < 3 * 4096


def test_small_tensors_stay_whole() -> None:
    runs = deal([Stored(str(n), float32, (100,)) for n in range(10)], [0] * 4)
    assert all(end - first == 100 for run in runs for _, first, end in run)
    assert [len(run) for run in runs] == [2, 3, 2, 3]


@pytest.mark.parametrize(
    ("total", "taken", "expected"),
    [
        (12, [0, 0, 0], [4, 8, 12]),
        (10, [6, 0], [2, 10]),
        (4, [100, 0, 2], [0, 3, 4]),
        (0, [1, 2], [0, 0]),
        (7, [5], [7]),
    ],
)
def test_those_who_have_less_get_more(total: int, taken: list[int], expected: list[int]) -> None:
    assert borders(total, taken) == expected
