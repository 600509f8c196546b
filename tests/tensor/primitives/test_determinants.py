"""Determinants: values, also of singular matrices, and gradients of both orders.

Reference: NumPy; finite differences.
Run: pytest tests/tensor/primitives/test_determinants.py
"""

from __future__ import annotations

import numpy as np

import isograd
from isograd import linalg
from tests.checks import check_grad, check_op, draw

A = draw()(2, 3, 3) + 2 * np.eye(3)


def test_det():
    check_op(linalg.det, np.linalg.det, A, dtypes=("float64",))
    assert isograd.eye(3).det().item() == 1.0
    assert isograd.det(isograd.empty(0, 0)).item() == 1.0


def test_gradient_of_singular_matrices_is_the_cofactors():
    make = draw(2)
    rank_two = make(3, 2) @ make(2, 3)
    check_grad(linalg.det, [rank_two], {}, second=False)
    x = isograd.diag(isograd.tensor([1.0, 2.0, 0.0])).requires_grad_()
    x.det().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.diag([0.0, 0.0, 2.0]), atol=1e-6)


def test_logarithms():
    a = isograd.tensor(A)
    sign, logarithm = np.linalg.slogdet(A)
    np.testing.assert_allclose(linalg.slogdet(a).sign.numpy(), sign)
    np.testing.assert_allclose(a.slogdet().logabsdet.numpy(), logarithm)
    check_op(isograd.logdet, lambda a: np.linalg.slogdet(a)[1], A @ A.swapaxes(-1, -2),
             dtypes=("float64",))  # fmt: skip
    assert isograd.logdet(isograd.diag(isograd.tensor([1.0, -1.0]))).isnan().item()
    assert isograd.logdet(isograd.zeros(2, 2)).item() == -float("inf")


def test_complex():
    make = draw(4)

    def parts(re, im):
        sign, logarithm = linalg.slogdet(isograd.complex(re, im))
        return isograd.view_as_real(sign), logarithm

    check_grad(parts, [make(3, 3) + 2 * np.eye(3), make(3, 3)], {})
