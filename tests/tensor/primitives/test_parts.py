"""Parts of tensors: splitting, slices, diagonals; all are views.

Reference: NumPy.
Run: pytest tests/tensor/primitives/test_parts.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_grad, check_op, draw


def shapes(parts):
    return [tuple(p.shape) for p in parts]


def test_split():
    x = isograd.arange(10).reshape(5, 2)
    assert shapes(x.split(2)) == [(2, 2), (2, 2), (1, 2)]
    assert shapes(x.split([1, 4])) == [(1, 2), (4, 2)]
    assert shapes(x.chunk(3)) == [(2, 2), (2, 2), (1, 2)]
    assert shapes(x.tensor_split(3)) == [(2, 2), (2, 2), (1, 2)]
    assert shapes(x.tensor_split([1, -1])) == [(1, 2), (3, 2), (1, 2)]
    assert shapes(x.unbind(1)) == [(5,), (5,)]
    x.split(2)[1].zero_()
    assert x.sum().item() == 45 - (4 + 5 + 6 + 7)
    check_grad(lambda x: [p * i for i, p in enumerate(x.split(2))], [draw()(5, 2)], {})


def test_split_errors():
    x = isograd.ones(5)
    with pytest.raises(RuntimeError, match="sum exactly to 5"):
        x.split([1, 2])
    with pytest.raises(RuntimeError, match="greater than 0"):
        x.chunk(0)
    with pytest.raises(RuntimeError, match="exceeds dimension size"):
        x.narrow(0, 3, 3)
    with pytest.raises(RuntimeError, match="0-dim integral Tensor"):
        x.narrow(0, isograd.tensor(1.0), 1)
    with pytest.raises(IndexError, match="out of range"):
        x.select(0, 5)
    with pytest.raises(RuntimeError, match="identical"):
        isograd.ones(2, 2).diagonal(0, 1, 1)


@pytest.mark.parametrize("offset", [-1, 0, 2])
def test_diagonals(offset):
    check_op(lambda x: x.diagonal(offset), lambda x: np.diagonal(x, offset), (3, 4))
    check_op(lambda x: isograd.diag(x, offset), lambda x: np.diag(x, offset), (3,))
    check_op(lambda x: isograd.diag(x, offset), lambda x: np.diag(x, offset), (3, 4))
    check_op(lambda x: x.diag_embed(offset), lambda x: np.stack([np.diag(r, offset) for r in x]),
             (2, 3))  # fmt: skip
