"""Columns of windows (im2col, col2im) against loops over windows in NumPy.

Run: pytest tests/tensor/primitives/test_columns.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd.tensor.primitives.columns import col2im, im2col, output_sizes
from tests.checks import assert_close, draw

CASES = [
    ((2, 3, 5, 4), (2, 3), (1, 1), (0, 0), (1, 1)),
    ((1, 2, 6, 5), (3, 2), (2, 1), (1, 1), (1, 2)),
    ((2, 1, 7), (3,), (2,), (2,), (2,)),
]


def by_loops(x, kernel, stride, padding, dilation):
    wide = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    count = output_sizes(x.shape[2:], kernel, stride, padding, dilation)
    columns = []
    for at in np.ndindex(*count):
        window = tuple(
            slice(a * s, a * s + d * (k - 1) + 1, d)
            for a, s, d, k in zip(at, stride, dilation, kernel, strict=True)
        )
        columns.append(wide[(..., *window)].reshape(x.shape[0], -1))
    return np.stack(columns, -1)


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "dilation"), CASES)
def test_im2col(shape, kernel, stride, padding, dilation) -> None:
    x = draw()(*shape)
    got = im2col(isograd.tensor(x), kernel, stride, padding, dilation)
    assert_close(got.numpy(), by_loops(x, kernel, stride, padding, dilation), "float64")


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "dilation"), CASES)
def test_col2im_is_the_adjoint(shape, kernel, stride, padding, dilation) -> None:
    make = draw()
    x = isograd.tensor(make(*shape))
    columns = im2col(x, kernel, stride, padding, dilation)
    y = isograd.tensor(make(*columns.shape))
    back = col2im(y, shape[2:], kernel, stride, padding, dilation)
    assert_close((columns * y).sum().item(), (x * back).sum().item(), "float64")
