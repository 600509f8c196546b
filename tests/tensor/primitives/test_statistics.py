"""Covariance, correlation, quantiles.

Reference: NumPy; finite differences.
Run: pytest tests/tensor/primitives/test_statistics.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw

X = draw()(3, 5)


def test_cov():
    check_op(isograd.cov, np.cov, X)
    check_op(lambda x: x[0].cov(correction=0), lambda x: np.cov(x[0], ddof=0), X)
    times, weights = np.array([1, 2, 0, 3, 1]), np.array([0.5, 1.0, 2.0, 0.1, 1.0])
    check_op(lambda x: isograd.cov(x, fweights=isograd.tensor(times)),
             lambda x: np.cov(x, fweights=times), X)  # fmt: skip
    check_op(
        lambda x, w: isograd.cov(x, aweights=w), lambda x, w: np.cov(x, aweights=w), X, weights
    )
    with pytest.raises(RuntimeError, match="two or fewer dimensions"):
        isograd.cov(isograd.ones(1, 1, 1))
    with pytest.raises(RuntimeError, match="integral dtype"):
        isograd.cov(isograd.ones(2, 3), fweights=isograd.ones(3))


def test_corrcoef():
    check_op(isograd.corrcoef, np.corrcoef, X)


@pytest.mark.parametrize("mode", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("dim", [None, 0, 1])
def test_quantile(mode, dim):
    q = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    check_op(lambda x: isograd.quantile(x, isograd.tensor(q).to(x.dtype), dim, interpolation=mode),
             lambda x: np.quantile(x, q, dim, method=mode), X)  # fmt: skip
    check_op(lambda x: x.quantile(0.3, dim, True, interpolation=mode),
             lambda x: np.quantile(x, 0.3, dim, keepdims=True, method=mode), X)  # fmt: skip


def test_nan():
    x = X.copy()
    x[0, 1] = np.nan
    t = isograd.tensor(x)
    np.testing.assert_allclose(t.quantile(0.3, 1).numpy(), np.quantile(x, 0.3, 1))
    np.testing.assert_allclose(t.nanquantile(0.3, 1).numpy(), np.nanquantile(x, 0.3, 1))


def test_errors():
    with pytest.raises(RuntimeError, match=r"range \[0, 1\]"):
        isograd.quantile(isograd.ones(3), 1.5)
    with pytest.raises(RuntimeError, match="same dtype"):
        isograd.quantile(isograd.ones(3), isograd.tensor(0.5, dtype=isograd.float64))
    with pytest.raises(RuntimeError, match="float or double"):
        isograd.quantile(isograd.arange(3), 0.5)
    with pytest.raises(RuntimeError, match="interpolation must be one of"):
        isograd.quantile(isograd.ones(3), 0.5, interpolation="cubic")
