"""Pseudo-inverse, rank, condition number, least squares.

Reference: NumPy; finite differences.
Run: pytest tests/tensor/primitives/test_pseudoinverse.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd import linalg
from tests.checks import check_grad, check_op, draw

TALL, WIDE = draw()(2, 4, 3), draw(1)(3, 5)
LOW = draw(2)(4, 2) @ draw(3)(2, 3)  # rank 2


@pytest.mark.parametrize("a", [TALL, WIDE])
def test_pinv(a):
    check_op(linalg.pinv, np.linalg.pinv, a, dtypes=("float64",))


def test_pinv_of_low_rank_and_hermitian_matrices():
    np.testing.assert_allclose(isograd.pinverse(isograd.tensor(LOW)).numpy(), np.linalg.pinv(LOW))
    check_grad(lambda u, v: linalg.pinv(u @ v), [draw(2)(4, 2), draw(3)(2, 3)], {})
    h = WIDE[:, :3] + WIDE[:, :3].T
    found = linalg.pinv(isograd.tensor(np.tril(h)), hermitian=True)
    np.testing.assert_allclose(found.numpy(), np.linalg.inv(h))


def test_rank():
    x = isograd.tensor(LOW)
    assert linalg.matrix_rank(x).item() == 2
    assert linalg.matrix_rank(isograd.tensor(TALL)).tolist() == [3, 3]
    assert linalg.matrix_rank(x, atol=1e3).item() == 0
    assert linalg.matrix_rank(isograd.eye(3), hermitian=True).item() == 3


@pytest.mark.parametrize("p", [None, 2, -2, "fro", "nuc", 1, -1, np.inf, -np.inf])
def test_cond(p):
    a = TALL[0, :3] + 3 * np.eye(3)
    check_op(lambda x: linalg.cond(x, p), lambda x: np.linalg.cond(x, p), a, dtypes=("float64",))
    assert linalg.cond(isograd.zeros(2, 2), 1).item() == float("inf")


@pytest.mark.parametrize("driver", [None, "gels", "gelsd", "gelss"])
def test_least_squares(driver):
    a, b = TALL[0], draw(5)(4, 2)
    found = linalg.lstsq(isograd.tensor(a), isograd.tensor(b), driver=driver)
    want = np.linalg.lstsq(a, b)
    np.testing.assert_allclose(found.solution.numpy(), want[0])
    if driver:
        np.testing.assert_allclose(found.residuals.numpy(), want[1])
    if driver in ("gelsd", "gelss"):
        np.testing.assert_allclose(found.singular_values.numpy(), want[3])
    if driver != "gels":
        assert found.rank.item() == want[2]
    check_grad(lambda a, b: linalg.lstsq(a, b).solution, [a, b], {})
    with pytest.raises(RuntimeError, match="should match"):
        linalg.lstsq(isograd.ones(3, 2), isograd.ones(4, 1))
