"""bincount, histc and histogram.

Reference: NumPy; torch's choice of range where it is not given.
Run: pytest tests/tensor/primitives/test_counting.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import draw

X = draw()(50)


def test_bincount():
    x = isograd.tensor([1, 3, 1])
    assert x.bincount().tolist() == [0, 2, 0, 1]
    assert x.bincount(minlength=6).tolist() == [0, 2, 0, 1, 0, 0]
    weights = isograd.tensor([0.5, 1.0, 2.0])
    assert x.bincount(weights).tolist() == [0.0, 2.5, 0.0, 1.0]
    assert x.bincount(weights).dtype is isograd.float32
    assert x.bincount(isograd.tensor([1, 2, 3])).dtype is isograd.float64
    assert isograd.zeros(0, dtype=isograd.int64).bincount().shape == (0,)
    for bad in (isograd.tensor([-1]), isograd.tensor([[1]])):
        with pytest.raises(RuntimeError, match="1-d non-negative integral"):
            bad.bincount()


def test_histc():
    x = isograd.tensor(X)
    want = np.histogram(X, 7, (-1.0, 1.5))[0]
    assert x.histc(7, -1.0, 1.5).tolist() == want.tolist()
    assert x.histc(5).tolist() == np.histogram(X, 5)[0].tolist()
    assert isograd.tensor([2.0, 2.0]).histc(4).tolist() == [0.0, 0.0, 2.0, 0.0]
    assert isograd.tensor([1.0, float("nan"), 9.0]).histc(2, 0, 2).tolist() == [0.0, 1.0]
    for call, message in [
        (lambda: x.histc(0), "bins must be > 0"),
        (lambda: x.histc(3, 3, 1), "max must be larger than min"),
        (lambda: isograd.tensor([1]).histc(), "use a float tensor"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            call()


@pytest.mark.parametrize("density", [False, True])
def test_histogram(density):
    x, w = isograd.tensor(X), isograd.tensor(X * X)
    found = isograd.histogram(x, 6, weight=w, density=density)
    hist, edges = np.histogram(X, 6, weights=X * X, density=density)
    np.testing.assert_allclose(found.hist.numpy(), hist)
    np.testing.assert_allclose(found.bin_edges.numpy(), edges)
    given = np.array([-1.0, 0.0, 0.5, 2.0])
    found = x.histogram(isograd.tensor(given), density=density)
    np.testing.assert_allclose(found.hist.numpy(), np.histogram(X, given, density=density)[0])
    same = isograd.histogram(isograd.tensor([2.0]), 2)
    assert same.bin_edges.tolist() == [1.5, 2.0, 2.5]
