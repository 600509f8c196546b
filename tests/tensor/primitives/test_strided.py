"""as_strided and unfold: windows over the same memory, their gradients, their limits.

Reference: NumPy's stride tricks.
Run: pytest tests/tensor/primitives/test_strided.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op


@pytest.mark.parametrize(("dim", "size", "step"), [(0, 2, 1), (1, 3, 2), (-1, 5, 1)])
def test_unfold(dim, size, step):
    def reference(x):
        seen = np.lib.stride_tricks.sliding_window_view(x, size, dim)
        keep = [slice(None)] * x.ndim
        keep[dim] = slice(None, None, step)
        return seen[tuple(keep)]

    check_op(lambda x: x.unfold(dim, size, step), reference, (4, 5))


def test_as_strided():
    check_op(lambda x: x.as_strided((2, 3), (1, 2), 1), lambda x: np.array(
        [[x.ravel()[1 + i + 2 * j] for j in range(3)] for i in range(2)]), (3, 4))  # fmt: skip
    x = isograd.zeros(6)
    x.as_strided((3,), (2,)).fill_(1)
    assert x.tolist() == [1.0, 0.0] * 3
    assert x.as_strided_((2, 2), (1, 2)).shape == (2, 2)


def test_errors():
    x = isograd.zeros(4)
    with pytest.raises(RuntimeError, match="out of bounds"):
        x.as_strided((3,), (2,))
    with pytest.raises(RuntimeError, match="maximum size"):
        x.unfold(0, 5, 1)
    with pytest.raises(RuntimeError, match="must be > 0"):
        x.unfold(0, 2, 0)
