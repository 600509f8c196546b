"""Powers, exponentials and products of matrices; vander, cross, vecdot; random projections.

Reference: NumPy, defining identities, finite differences.
Run: pytest tests/tensor/primitives/test_matrix_functions.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd import linalg
from tests.checks import check_op, draw

A = draw()(2, 3, 3) + 2 * np.eye(3)


@pytest.mark.parametrize("n", [-2, 0, 1, 2, 5, 6])
def test_power(n):
    check_op(lambda x: linalg.matrix_power(x, n), lambda x: np.linalg.matrix_power(x, n), A,
             dtypes=("float64",))  # fmt: skip


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_exponential(scale):
    def reference(a):
        values, vectors = np.linalg.eig(a * scale)
        return ((vectors * np.exp(values)) @ np.linalg.inv(vectors)).real

    a = (A[0] + A[0].T) / 4
    check_op(lambda x: linalg.matrix_exp(x * scale), reference, a, dtypes=("float64",))
    assert isograd.matrix_exp(isograd.zeros(2, 2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_multi_dot():
    make = draw()
    parts = [make(3), make(3, 4), make(4, 5), make(5)]
    check_op(lambda *x: linalg.multi_dot(x), lambda *x: np.linalg.multi_dot(x), *parts)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        linalg.multi_dot([isograd.ones(2, 3), isograd.ones(2, 3)])
    with pytest.raises(RuntimeError, match="at least 2 tensors"):
        linalg.multi_dot([isograd.ones(2, 3)])


def test_reflections():
    a = draw()(4, 3)
    stored, tau = isograd.geqrf(isograd.tensor(a))
    q = linalg.householder_product(stored, tau)
    np.testing.assert_allclose((q @ stored[:3].triu()).numpy(), a, atol=1e-12)
    other = draw(1)(4, 2)
    whole = isograd.ormqr(stored, tau, isograd.eye(4, dtype=isograd.float64)).numpy()
    for left, transpose in ((True, False), (True, True), (False, False), (False, True)):
        x = other if left else other.T.copy()
        turn = whole.T if transpose else whole
        got = isograd.ormqr(stored, tau, isograd.tensor(x), left, transpose)
        np.testing.assert_allclose(got.numpy(), turn @ x if left else x @ turn, atol=1e-12)


def test_products_of_vectors():
    check_op(linalg.cross, np.cross, (4, 3), (4, 3))
    check_op(linalg.vecdot, lambda x, y: np.sum(x * y, -1), (4, 3), (4, 3))
    x = isograd.tensor([1j, 2.0])
    assert linalg.vecdot(x, x).item() == 5.0
    assert isograd.cross(isograd.eye(3)[:2], isograd.eye(3)[1:]).tolist() == [
        [0.0, 0.0, 1.0],
        [1.0, 0.0, 0.0],
    ]
    with pytest.raises(RuntimeError, match="must have length 3"):
        linalg.cross(isograd.ones(2), isograd.ones(2))


def test_vander():
    check_op(lambda x: linalg.vander(x, N=4), lambda x: np.vander(x, 4, increasing=True), (3,))
    check_op(isograd.vander, np.vander, (3,))
    assert linalg.vander(isograd.arange(3)).tolist() == [[1, 0, 0], [1, 1, 1], [1, 2, 4]]


def test_leading_singular_values_by_projection():
    make = draw()
    a = make(8, 3) @ make(3, 6)
    u, s, v = isograd.svd_lowrank(isograd.tensor(a), q=3)
    np.testing.assert_allclose(((u * s) @ v.mT).numpy(), a, atol=1e-8)
    u, s, v = isograd.pca_lowrank(isograd.tensor(a), q=3)
    np.testing.assert_allclose(((u * s) @ v.mT).numpy(), a - a.mean(0), atol=1e-8)
