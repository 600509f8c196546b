"""masked_fill, masked_scatter and the copies with one view replaced.

Reference: NumPy.
Run: pytest tests/tensor/primitives/test_masking.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op

MASK = np.array([[True, False, True, False]] * 2 + [[False] * 4])


def test_masked_fill():
    mask = isograd.tensor(MASK)
    check_op(
        lambda x, v: x.masked_fill(mask, v), lambda x, v: np.where(MASK, v, x), (3, 4),
        np.array(2.5),
    )  # fmt: skip
    check_op(lambda x: x.masked_fill(mask[0], 1), lambda x: np.where(MASK[0], 1, x), (3, 4))
    wide = isograd.zeros(4).masked_fill(mask, 1.0)
    assert wide.shape == (3, 4), "the input broadcasts, too"
    x = isograd.zeros(3, 4, dtype=isograd.bfloat16).masked_fill_(mask, float("-inf"))
    assert x.dtype is isograd.bfloat16
    assert x[0, 0].item() == float("-inf")


@pytest.mark.parametrize(
    ("mask", "value", "message"),
    [
        ([1, 0], 1.0, "only supports boolean masks"),
        ([True, False], isograd.ones(2), "only supports a 0-dimensional value tensor"),
        ([True, False], 1j, "without overflow"),
    ],
)
def test_masked_fill_errors(mask, value, message):
    with pytest.raises(RuntimeError, match=message):
        isograd.zeros(2).masked_fill(isograd.tensor(mask), value)


def test_masked_scatter():
    mask = isograd.tensor(MASK)

    def reference(x, s):
        out = x.copy()
        out[MASK] = s.reshape(-1)[: MASK.sum()]
        return out

    check_op(lambda x, s: x.masked_scatter(mask, s), reference, (3, 4), (2, 3))
    with pytest.raises(RuntimeError, match="Number of elements of source < number of ones"):
        isograd.zeros(3, 4).masked_scatter(mask, isograd.ones(2))


def test_copies_with_a_view_replaced():
    def selected(x, s):
        out = x.copy()
        out[:, 1] = s
        return out

    def sliced(x, s):
        out = x.copy()
        out[:, 1::2] = s
        return out

    def diagonal(x, s):
        out = x.copy()
        out[[0, 1, 2], [1, 2, 3]] = s
        return out

    check_op(lambda x, s: x.select_scatter(s, 1, 1), selected, (3, 4), (3,))
    check_op(lambda x, s: x.slice_scatter(s, 1, 1, None, 2), sliced, (3, 4), (3, 2))
    check_op(lambda x, s: x.diagonal_scatter(s, 1), diagonal, (3, 4), (3,))
    with pytest.raises(RuntimeError, match="size equal to the slice of self"):
        isograd.zeros(3, 4).select_scatter(isograd.ones(3), 0, 0)
