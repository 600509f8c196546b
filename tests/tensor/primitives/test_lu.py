"""LU: the factors rebuild the matrix, solve with it, and have gradients in every shape.

Reference: the matrix itself, LAPACK's pivots on a worked example, finite differences.
Run: pytest tests/tensor/primitives/test_lu.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd import linalg
from tests.checks import check_grad, draw


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 4, 4), (2, 0, 0)])
def test_rebuilds(shape):
    a = isograd.tensor(draw()(*shape))
    p, low, up = linalg.lu(a)
    np.testing.assert_allclose((p @ low @ up).numpy(), a.numpy(), atol=1e-12)
    assert bool((low.triu(1) == 0).all()) and bool((up.tril(-1) == 0).all())
    compact, pivots = linalg.lu_factor(a)
    assert pivots.dtype is isograd.int32
    for got, want in zip(isograd.lu_unpack(compact, pivots), (p, low, up), strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_pivots_are_the_largest_of_their_column():
    a = isograd.tensor([[1.0, 2.0, 4.0], [4.0, 4.0, 2.0], [2.0, 3.0, 6.0]])
    compact, pivots = isograd.lu(a)
    assert pivots.tolist() == [2, 2, 3]  # the first of equal ones
    assert compact[0].tolist() == [4.0, 4.0, 2.0]


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4), (2, 3, 3)])
def test_gradients(shape):
    check_grad(lambda a: linalg.lu_factor(a).LU, [draw(3)(*shape)], {})


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_solves(left, adjoint):
    a, b = draw()(2, 3, 3), draw(1)(2, 3, 3)
    factor = linalg.lu_factor(isograd.tensor(a))
    found = linalg.lu_solve(*factor, isograd.tensor(b), left=left, adjoint=adjoint)
    inverse = np.linalg.inv(a.swapaxes(-1, -2) if adjoint else a)
    np.testing.assert_allclose(found.numpy(), inverse @ b if left else b @ inverse)


def test_singular_matrices_are_reported():
    assert linalg.lu_factor_ex(isograd.ones(2, 2)).info.item() == 2
    with pytest.raises(linalg.LinAlgError, match=r"U\[2,2\] is zero"):
        linalg.lu_factor_ex(isograd.ones(2, 2), check_errors=True)
    with pytest.raises(RuntimeError, match="int32"):
        isograd.lu_unpack(isograd.ones(2, 2), isograd.tensor([1, 2]))
