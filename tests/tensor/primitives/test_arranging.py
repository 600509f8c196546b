"""Repeating, turning, shifting; triangles.

Reference: NumPy; finite differences.
Run: pytest tests/tensor/primitives/test_arranging.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op


def test_repeating():
    check_op(lambda x: x.repeat(2, 1, 3), lambda x: np.tile(x, (2, 1, 3)), (2, 3))
    check_op(lambda x: x.tile(3), lambda x: np.tile(x, (1, 3)), (2, 3))
    check_op(lambda x: x.repeat_interleave(2), lambda x: np.repeat(x, 2), (2, 3))
    check_op(lambda x: x.repeat_interleave(2, 1), lambda x: np.repeat(x, 2, 1), (2, 3))
    counts = isograd.tensor([2, 0, 1])
    check_op(lambda x: x.repeat_interleave(counts, 1), lambda x: np.repeat(x, [2, 0, 1], 1), (2, 3))
    assert isograd.repeat_interleave(counts).tolist() == [0, 0, 2]


@pytest.mark.parametrize("dims", [(0,), (1,), (0, 2), (-1, 0)])
def test_flip(dims):
    check_op(lambda x: x.flip(dims), lambda x: np.flip(x, dims), (2, 3, 4))
    x = isograd.arange(24).reshape(2, 3, 4)
    assert isograd.equal(x.flip(dims=dims), x.flip(*dims))
    assert isograd.equal(isograd.fliplr(x), x.flip(1)) and isograd.equal(x.flipud(), x.flip(0))


def test_roll_and_turn():
    check_op(lambda x: x.roll((1, -2), (0, 1)), lambda x: np.roll(x, (1, -2), (0, 1)), (3, 4))
    check_op(lambda x: isograd.roll(x, 3), lambda x: np.roll(x, 3), (3, 4))
    for k in range(-1, 5):
        check_op(lambda x, k=k: x.rot90(k), lambda x, k=k: np.rot90(x, k), (3, 4))


@pytest.mark.parametrize("k", [-1, 0, 2])
def test_triangles(k):
    check_op(lambda x: x.tril(k), lambda x: np.tril(x, k), (2, 3, 4))
    check_op(lambda x: isograd.triu(x, diagonal=k), lambda x: np.triu(x, k), (2, 3, 4))
    x = isograd.ones(3, 3)
    assert x.tril_(k) is x and x.tolist() == np.tril(np.ones((3, 3)), k).tolist()


X = isograd.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: X.repeat(2), RuntimeError, "can not be smaller"),
        (lambda: X.repeat(2, -1), RuntimeError, "negative dimension"),
        (lambda: X.flip(0, 0), RuntimeError, "multiple times"),
        (lambda: X.flip(), TypeError, "'dims'"),
        (lambda: X.roll((1, 2), 0), RuntimeError, "must align"),
        (lambda: X.rot90(1, (0, 0)), RuntimeError, "to be different"),
        (lambda: X.repeat_interleave(-1), RuntimeError, "can not be negative"),
        (lambda: X.repeat_interleave(isograd.tensor([1, 2]), 1), RuntimeError, "same size"),
        (lambda: isograd.ones(2).tril(), RuntimeError, "at least 2 dimensions"),
        (lambda: isograd.ones(2).fliplr(), RuntimeError, ">= 2-d"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
