"""Linear systems and inverses: values, vectors and batches, triangles, gradients, errors.

Reference: NumPy; finite differences.
Run: pytest tests/tensor/primitives/test_solving.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd import linalg
from tests.checks import check_op, draw

A = draw()(3, 3) + 4 * np.eye(3)
BATCH = draw(1)(2, 3, 3) + 4 * np.eye(3)


@pytest.mark.parametrize(
    ("a", "b"), [(A, (3, 2)), (A, (3,)), (BATCH, (2, 3)), (BATCH, (2, 3, 2)), (BATCH, (3, 2))]
)
def test_solve(a, b):
    def reference(a, b):
        vector = b.ndim == 1 or b.shape == a.shape[:-1]
        out = np.linalg.solve(a, b[..., None] if vector else b)
        return out[..., 0] if vector else out

    check_op(linalg.solve, reference, a, b, dtypes=("float64",))


def test_solve_from_the_right():
    check_op(lambda a, b: linalg.solve(a, b, left=False), lambda a, b: b @ np.linalg.inv(a),
             BATCH, (2, 2, 3), dtypes=("float64",))  # fmt: skip


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_solve_triangular(upper, unit, left):
    def reference(a, b):
        t = np.triu(a) if upper else np.tril(a)
        if unit:
            t = t - np.diag(np.diag(t)) + np.eye(3)
        inverse = np.linalg.inv(t)
        return inverse @ b if left else b @ inverse

    def fn(a, b):
        return linalg.solve_triangular(a, b, upper=upper, left=left, unitriangular=unit)

    check_op(fn, reference, A, (3, 3), dtypes=("float64",))


def test_inverse():
    check_op(linalg.inv, np.linalg.inv, BATCH, dtypes=("float64",))
    np.testing.assert_array_equal(isograd.tensor(A).inverse().numpy(), np.linalg.inv(A))
    out = isograd.empty(0, dtype=isograd.float64)
    assert isograd.inverse(isograd.tensor(A), out=out) is out
    np.testing.assert_array_equal(out.numpy(), np.linalg.inv(A))


def test_singular_matrices():
    batch = isograd.stack([isograd.eye(2), isograd.zeros(2, 2)])
    with pytest.raises(linalg.LinAlgError, match="Batch element 1"):
        linalg.inv(batch)
    with pytest.raises(linalg.LinAlgError, match="singular"):
        linalg.solve(batch, isograd.ones(2, 1))
    assert linalg.inv_ex(batch).info.tolist() == [0, 1]
    assert linalg.inv_ex(isograd.eye(2)).inverse.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(linalg.LinAlgError):
        linalg.solve_ex(batch, isograd.ones(2, 1), check_errors=True)


def test_shapes_must_fit():
    with pytest.raises(
        RuntimeError, match="Incompatible shapes of A and B for the equation AX = B"
    ):
        linalg.solve(isograd.eye(2), isograd.ones(3))
    with pytest.raises(RuntimeError, match="same dtype"):
        linalg.solve(isograd.eye(2), isograd.ones(2).double())


def test_cholesky_factors_solve():
    a = A @ A.T
    lower = np.linalg.cholesky(a)
    b = draw(3)(3, 2)
    x = isograd.cholesky_solve(isograd.tensor(b), isograd.tensor(lower))
    np.testing.assert_allclose(x.numpy(), np.linalg.solve(a, b))
    inverse = isograd.cholesky_inverse(isograd.tensor(lower.T.copy()), upper=True)
    np.testing.assert_allclose(inverse.numpy(), np.linalg.inv(a), atol=1e-12)


def test_tensor_systems():
    a = draw()(2, 3, 6) + np.eye(6).reshape(2, 3, 6) * 4
    check_op(lambda a: linalg.tensorinv(a, 2), lambda a: np.linalg.tensorinv(a, 2), a,
             dtypes=("float64",))  # fmt: skip
    check_op(linalg.tensorsolve, np.linalg.tensorsolve, a, (2, 3), dtypes=("float64",))
    with pytest.raises(RuntimeError, match="requirement"):
        linalg.tensorinv(isograd.ones(2, 3), 1)
