"""Differences, derivatives and integrals of samples.

Reference: NumPy; finite differences.
Run: pytest tests/tensor/primitives/test_differences.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw

X = np.array([0.0, 0.5, 0.7, 2.0])


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_diff(n):
    check_op(lambda x: isograd.diff(x, n), lambda x: np.diff(x, n), (3, 4))
    check_op(lambda x, y: x.diff(n, 0, prepend=y), lambda x, y: np.diff(x, n, 0, prepend=y),
             (3, 4), (1, 4))  # fmt: skip
    assert isograd.tensor([True, False, False]).diff().tolist() == [True, False]


def test_integrals():
    check_op(lambda y: isograd.trapezoid(y, dx=0.5), lambda y: np.trapezoid(y, dx=0.5), (3, 4))
    check_op(isograd.trapz, lambda y, x: np.trapezoid(y, x), (3, 4), X)
    check_op(lambda y, x: isograd.trapezoid(y, x, dim=0), lambda y, x: np.trapezoid(y, x, axis=0),
             (4, 3), X)  # fmt: skip
    y = isograd.tensor(draw()(3, 4))
    running = isograd.cumulative_trapezoid(y, isograd.tensor(X))
    np.testing.assert_allclose(running[:, -1].numpy(), np.trapezoid(y.numpy(), X))


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("spacing", [1, 0.5, "places"])
def test_gradient(edge_order, spacing):
    step = [isograd.tensor(X)] if spacing == "places" else spacing
    check_op(lambda y: isograd.gradient(y, spacing=step, dim=1, edge_order=edge_order)[0],
             lambda y: np.gradient(y, X if spacing == "places" else spacing, axis=1,
                                   edge_order=edge_order), (3, 4))  # fmt: skip
    assert len(isograd.gradient(isograd.ones(3, 4))) == 2


def test_errors():
    x = isograd.ones(3)
    with pytest.raises(RuntimeError, match="non-negative"):
        isograd.diff(x, -1)
    with pytest.raises(RuntimeError, match="one `x` value for each sample"):
        isograd.trapezoid(isograd.ones(2, 3), isograd.ones(2))
    with pytest.raises(RuntimeError, match="edge_order=1 and edge_order=2"):
        isograd.gradient(x, edge_order=3)
    with pytest.raises(RuntimeError, match="at least edge_order"):
        isograd.gradient(isograd.ones(1))
