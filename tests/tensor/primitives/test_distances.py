"""dist and cdist: every order, both ways of Euclidean distances, gradients, errors.

Reference: NumPy broadcasting; finite differences.
Run: pytest tests/tensor/primitives/test_distances.py
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw

BY_PRODUCT = "use_mm_for_euclid_dist"


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, math.inf, 0.0])
def test_cdist(p):
    check_op(lambda x, y: isograd.cdist(x, y, p),
             lambda x, y: np.linalg.norm(x[..., :, None, :] - y[..., None, :, :], p, -1),
             (2, 3, 4), (5, 4), grad=p > 0)  # fmt: skip


def test_euclidean_distances_by_one_product():
    check_op(lambda x, y: isograd.cdist(x, y, compute_mode=BY_PRODUCT),
             lambda x, y: np.linalg.norm(x[:, None] - y[None], axis=-1), (3, 4), (5, 4),
             dtypes=("float64",))  # fmt: skip
    x = isograd.tensor(draw()(40, 3))
    exact = isograd.cdist(x, x, compute_mode=f"donot_{BY_PRODUCT}")
    np.testing.assert_allclose(isograd.cdist(x, x).numpy(), exact.numpy(), atol=1e-6)


@pytest.mark.parametrize("mode", [BY_PRODUCT, f"donot_{BY_PRODUCT}"])
def test_equal_rows_have_gradient_zero(mode):
    x = isograd.ones(2, 3, requires_grad=True)
    isograd.cdist(x, isograd.ones(1, 3), compute_mode=mode).sum().backward()
    assert x.grad.abs().sum().item() == 0.0


def test_dist():
    check_op(isograd.dist, lambda x, y: np.linalg.norm((x - y).ravel()), (3, 4), (4,))


def test_errors():
    x = isograd.ones(2, 3)
    with pytest.raises(RuntimeError, match="same number of columns"):
        isograd.cdist(x, isograd.ones(2, 4))
    with pytest.raises(RuntimeError, match="non-negative p"):
        isograd.cdist(x, x, -1)
    with pytest.raises(RuntimeError, match="at least 2D"):
        isograd.cdist(x, isograd.ones(3))
    with pytest.raises(ValueError, match="compute_mode"):
        isograd.cdist(x, x, compute_mode="fast")
