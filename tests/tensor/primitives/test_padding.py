"""Constant padding against np.pad; negative amounts cut off.

Run: pytest tests/tensor/primitives/test_padding.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw


def test_pads_from_the_last_dimension() -> None:
    check_op(
        isograd.constant_pad_nd,
        lambda x, pad, value: np.pad(x, [(0, 0), (3, 0), (1, 2)], constant_values=value),
        (2, 3, 4),
        (np.array([1, 2, 3, 0])).tolist(),
        1.5,
    )


def test_negative_amounts_cut_off() -> None:
    x = draw()(3, 4)
    got = isograd.constant_pad_nd(isograd.tensor(x), (-1, 2, 0, -2), 7)
    want = np.pad(x[:1, 1:], [(0, 0), (0, 2)], constant_values=7)
    np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("pad", [(1,), (1, 1, 1, 1, 1, 1), (-3, -2)])
def test_wrong_amounts(pad) -> None:
    with pytest.raises(RuntimeError, match=r"Length of pad|negative"):
        isograd.constant_pad_nd(isograd.zeros(3, 4), pad)
