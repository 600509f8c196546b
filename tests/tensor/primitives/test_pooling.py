"""Pooling against loops over windows in NumPy.

Run: pytest tests/tensor/primitives/test_pooling.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd.tensor.primitives.pooling import (
    adaptive_max_pool,
    adaptive_spans,
    avg_pool,
    max_pool,
    pooled_sizes,
)
from tests.checks import assert_close, draw

# shape, kernel, stride, padding, dilation, ceil
CASES = [
    ((2, 3, 6, 7), (2, 3), (2, 3), (0, 0), (1, 1), False),
    ((2, 3, 6, 7), (3, 3), (2, 2), (1, 1), (1, 1), True),
    ((1, 2, 9), (2,), (3,), (1,), (2,), False),
    ((1, 2, 5, 4, 5), (2, 2, 2), (1, 2, 2), (1, 0, 1), (1, 1, 1), True),
]
NAMES = ("shape", "kernel", "stride", "padding", "dilation", "ceil")


def places(at, size, kernel, stride, padding, dilation):
    """The flat places of a window's elements that lie in the image."""
    axes = []
    for a, n, k, s, p, d in zip(at, size, kernel, stride, padding, dilation, strict=True):
        along = a * s - p + d * np.arange(k)
        axes.append(along[(along >= 0) & (along < n)])
    return np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), size).reshape(-1)


@pytest.mark.parametrize(NAMES, CASES)
def test_max_pool(shape, kernel, stride, padding, dilation, ceil) -> None:
    x = np.round(draw()(*shape))  # with equal elements: the first must win
    out, index = max_pool(isograd.tensor(x), kernel, stride, padding, dilation, ceil)
    size, flat = shape[2:], x.reshape(*shape[:2], -1)
    for at in np.ndindex(*pooled_sizes(size, kernel, stride, padding, dilation, ceil)):
        where = places(at, size, kernel, stride, padding, dilation)
        assert_close(out.numpy()[(..., *at)], flat[..., where].max(-1), "float64")
        np.testing.assert_array_equal(index.numpy()[(..., *at)], where[flat[..., where].argmax(-1)])


def test_max_pool_keeps_nan_and_minus_infinity() -> None:
    x = isograd.tensor([[[1.0, np.nan, 3.0, 2.0, -np.inf, -np.inf]]])
    out, index = max_pool(x, (2,), (2,), (0,), (1,), False)
    np.testing.assert_array_equal(out.numpy(), [[[np.nan, 3.0, -np.inf]]])
    assert index.tolist() == [[[1, 2, 4]]]
    out, index = max_pool(isograd.tensor([[[-np.inf] * 3]]), (3,), (1,), (1,), (1,), False)
    assert index.tolist() == [[[0, 0, 1]]]  # never a place in the border


def test_max_pool_gradient_adds_where_windows_overlap() -> None:
    x = isograd.tensor([[[1.0, 5.0, 2.0, 3.0]]], requires_grad=True)
    max_pool(x, (2,), (1,), (0,), (1,), False)[0].sum().backward()
    assert x.grad.tolist() == [[[0.0, 2.0, 0.0, 1.0]]]


@pytest.mark.parametrize("count", [(3, 2), (4, 7), (1, 1)])
def test_adaptive_max_pool(count) -> None:
    x = draw()(2, 3, 7, 5)
    out, index = adaptive_max_pool(isograd.tensor(x), count)
    (rows, rows_end), (columns, columns_end) = map(adaptive_spans, (7, 5), count)
    for i, j in np.ndindex(*count):
        part = x[:, :, rows[i] : rows_end[i], columns[j] : columns_end[j]]
        assert_close(out.numpy()[:, :, i, j], part.max((2, 3)), "float64")
    taken = np.take_along_axis(x.reshape(2, 3, -1), index.numpy().reshape(2, 3, -1), -1)
    assert_close(out.numpy().reshape(2, 3, -1), taken, "float64")


@pytest.mark.parametrize("with_border", [True, False])
@pytest.mark.parametrize(NAMES, [c for c in CASES if max(c[4]) == 1])
def test_avg_pool(shape, kernel, stride, padding, dilation, ceil, with_border) -> None:
    x = draw()(*shape)
    out = avg_pool(isograd.tensor(x), kernel, stride, padding, ceil, with_border).numpy()
    size, flat = shape[2:], x.reshape(*shape[:2], -1)
    for at in np.ndindex(*pooled_sizes(size, kernel, stride, padding, dilation, ceil)):
        where = places(at, size, kernel, stride, padding, dilation)
        many = len(where)
        if with_border:  # the border counts, what hangs over it does not
            many = np.prod([
                min(a * s - p + k, n + p) - (a * s - p)
                for a, n, k, s, p in zip(at, size, kernel, stride, padding, strict=True)
            ])  # fmt: skip
        assert_close(out[(..., *at)], flat[..., where].sum(-1) / many, "float64")


def test_avg_pool_of_infinity_stays_in_its_window() -> None:
    x = isograd.tensor([[[np.inf, 1.0, 2.0, 4.0]]])
    assert avg_pool(x, (2,), (2,), (0,), False).tolist() == [[[np.inf, 3.0]]]
