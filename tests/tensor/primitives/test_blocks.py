"""Blocks, combinations, splitting by direction, traces, indices; gcd and lcm.

Reference: NumPy, itertools.
Run: pytest tests/tensor/primitives/test_blocks.py
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import isograd
from tests.checks import check_op


def test_block_diag():
    def reference(a, b, c):
        out = np.zeros((6, 7))
        out[:2, :3], out[2, 3:5], out[3:, 5:] = a, b, c
        return out

    check_op(isograd.block_diag, reference, (2, 3), (2,), (3, 2))
    with pytest.raises(RuntimeError, match="2 or fewer dimensions"):
        isograd.block_diag(isograd.ones(1, 1, 1))


@pytest.mark.parametrize("r", [1, 2, 3])
@pytest.mark.parametrize("again", [False, True])
def test_combinations(r, again):
    choose = itertools.combinations_with_replacement if again else itertools.combinations
    x = isograd.tensor([5, 6, 7, 8])
    assert isograd.combinations(x, r, again).tolist() == [list(c) for c in choose(x.tolist(), r)]


def test_splitting():
    x = np.arange(24.0).reshape(2, 4, 3)
    t = isograd.tensor(x)
    for name, how in (("hsplit", 2), ("vsplit", [1]), ("dsplit", 3)):
        got, want = getattr(t, name)(how), getattr(np, name)(x, how)
        assert [g.tolist() for g in got] == [w.tolist() for w in want]
    t.hsplit(2)[0].zero_()
    assert t[:, :2].sum().item() == 0.0
    with pytest.raises(RuntimeError, match="not divisible"):
        t.hsplit(3)
    with pytest.raises(RuntimeError, match="at least 3 dimension"):
        isograd.dsplit(isograd.ones(2, 2), 1)


def test_traces_and_diagonals():
    check_op(isograd.trace, np.trace, (3, 4))
    check_op(lambda x: x.diagflat(1), lambda x: np.diagflat(x, 1), (2, 2))


def test_indices():
    x = isograd.tensor([0, 5, 11])
    got = isograd.unravel_index(x, (3, 4))
    want = np.unravel_index(x.numpy(), (3, 4))
    assert [g.tolist() for g in got] == [w.tolist() for w in want]
    assert isograd.nonzero_static(isograd.tensor([0, 1]), size=2).tolist() == [[1], [-1]]


def test_whole_numbers():
    a, b = isograd.tensor([12, -4, 0]), isograd.tensor([18, 6, 5])
    assert a.gcd(b).tolist() == [6, 2, 5] and a.lcm(b).tolist() == [36, 12, 0]
    with pytest.raises(RuntimeError, match="not implemented"):
        isograd.gcd(isograd.ones(2), isograd.ones(2))


def test_copies_do_not_alias():
    x = isograd.zeros(2, 3)
    isograd.transpose_copy(x, 0, 1).fill_(1)
    assert x.sum().item() == 0.0
