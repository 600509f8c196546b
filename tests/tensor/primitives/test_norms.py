"""Norms of vectors and matrices: every order, dimensions, dtypes, subgradients, errors.

Reference: numpy.linalg.norm; torch's subgradients at 0 and at ties; finite differences.
Run: pytest tests/tensor/primitives/test_norms.py
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import isograd
from isograd import linalg
from tests.checks import check_op, draw

INF = math.inf


@pytest.mark.parametrize("p", [2, 1, 0.5, 3, INF, -INF, 0, -1, 2.5])
def test_vector_norm(p):
    check_op(lambda x: linalg.vector_norm(x, p), lambda x: np.linalg.norm(x.ravel(), p), (3, 4),
             grad=p != 0)  # fmt: skip
    check_op(lambda x: linalg.vector_norm(x, p, 1, True),
             lambda x: np.linalg.norm(x, p, 1, True), (3, 4), grad=False)  # fmt: skip
    check_op(lambda x: isograd.norm(x, p, dim=0), lambda x: np.linalg.norm(x, p, 0), (3, 4),
             grad=False)  # fmt: skip


@pytest.mark.parametrize("ord", ["fro", "nuc", 2, -2, 1, -1, INF, -INF])
@pytest.mark.parametrize("dim", [(-2, -1), (0, 1), (2, 0)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_matrix_norm(ord, dim, keepdim):
    check_op(lambda x: linalg.matrix_norm(x, ord, dim, keepdim),
             lambda x: np.linalg.norm(x, ord, dim, keepdim), (2, 3, 4), second=False)  # fmt: skip


def test_norm_chooses():
    x = draw()(3, 4)
    check_op(linalg.norm, lambda x: np.linalg.norm(x), x)
    check_op(lambda x: linalg.norm(x, 1), lambda x: np.linalg.norm(x, 1), x)
    check_op(lambda x: linalg.norm(x, 1, 0), lambda x: np.linalg.norm(x, 1, 0), x)
    check_op(lambda x: isograd.norm(x, "nuc"), lambda x: np.linalg.norm(x, "nuc"), x)
    assert isograd.tensor([3.0, 4.0]).norm().item() == 5.0
    with pytest.raises(RuntimeError, match="1D or 2D"):
        linalg.norm(isograd.ones(2, 2, 2), 2)
    with pytest.raises(ValueError, match="'fro' and 'nuc'"):
        isograd.norm(isograd.ones(2), "max")


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, INF, 0])
def test_gradient_at_zero_is_zero(p):
    x = isograd.zeros(3, requires_grad=True)
    linalg.vector_norm(x, p).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_ties_share_the_gradient():
    x = isograd.tensor([2.0, -2.0, 1.0], requires_grad=True)
    x.norm(INF).backward()
    assert x.grad.tolist() == [0.5, -0.5, 0.0]


def test_dtypes():
    assert isograd.ones(3).half().norm().dtype is isograd.float16
    assert isograd.full((70000,), 1.0).half().norm().item() == 264.5  # summed in float32
    assert linalg.vector_norm(isograd.ones(3), dtype=isograd.float64).dtype is isograd.float64
    assert isograd.tensor([3j, 4.0]).norm().item() == 5.0
    assert isograd.tensor([3j, 4.0]).norm().dtype is isograd.float32
    with pytest.raises(RuntimeError, match="Got Long"):
        isograd.arange(3).norm()
    with pytest.raises(RuntimeError, match="should be real"):
        linalg.vector_norm(isograd.ones(3), dtype=isograd.complex64)


def test_errors():
    with pytest.raises(RuntimeError, match="does not have an identity"):
        linalg.vector_norm(isograd.ones(0), INF)
    with pytest.raises(RuntimeError, match="dims must be different"):
        linalg.matrix_norm(isograd.ones(2, 2), dim=(0, 0))
    with pytest.raises(RuntimeError, match="Order 3 not supported"):
        linalg.matrix_norm(isograd.ones(2, 2), 3)


def test_renorm():
    x = isograd.tensor([[3.0, 4.0], [0.3, 0.4]])
    np.testing.assert_allclose(x.renorm(2, 0, 1.0).numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    assert x.renorm_(2, 0, 1.0) is x
    assert x.norm(dim=1).max().item() == pytest.approx(1.0)
    with pytest.raises(RuntimeError, match="non-positive norm"):
        x.renorm(0, 0, 1.0)
