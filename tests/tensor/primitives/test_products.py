"""Matrix products and einsum: values, batches, vectors, low precision, gradients, errors.

Reference: NumPy; finite differences.
Run: pytest tests/tensor/primitives/test_products.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw


@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 4), (4, 2)), ((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((2, 3, 4), (4,)),
     ((4,), (2, 4, 3)), ((5, 1, 3, 4), (2, 4, 2)), ((2, 3, 4), (4, 2))],
)  # fmt: skip
def test_matmul(a, b):
    check_op(lambda x, y: x @ y, np.matmul, a, b)


def test_nothing_to_sum():
    assert (isograd.ones(3, 0) @ isograd.ones(0, 2)).tolist() == [[0.0, 0.0]] * 3


def test_named_products():
    check_op(isograd.mm, np.matmul, (3, 4), (4, 2))
    check_op(isograd.bmm, np.matmul, (2, 3, 4), (2, 4, 2))
    check_op(isograd.mv, np.matmul, (3, 4), (4,))
    check_op(isograd.dot, np.dot, (4,), (4,))
    check_op(isograd.outer, np.outer, (3,), (4,))
    check_op(isograd.inner, np.inner, (2, 4), (3, 4))
    check_op(isograd.kron, np.kron, (2, 3), (2, 2))
    check_op(
        isograd.chain_matmul, lambda *x: np.linalg.multi_dot(x), (2, 5), (5, 1), (1, 6), (6, 3)
    )
    x = isograd.tensor([1j, 2.0])
    assert isograd.vdot(x, x).item() == 5.0


def test_sums_of_products():
    options = {"beta": 0.5, "alpha": 2.0}
    check_op(lambda x, a, b: isograd.addmm(x, a, b, **options),
             lambda x, a, b: 0.5 * x + 2 * (a @ b), (2,), (3, 4), (4, 2))  # fmt: skip
    check_op(lambda x, a, b: isograd.baddbmm(x, a, b, **options),
             lambda x, a, b: 0.5 * x + 2 * (a @ b), (3, 2), (5, 3, 4), (5, 4, 2))  # fmt: skip
    check_op(isograd.addbmm, lambda x, a, b: x + (a @ b).sum(0), (3, 2), (5, 3, 4), (5, 4, 2))
    check_op(isograd.addmv, lambda x, a, b: x + a @ b, (3,), (3, 4), (4,))
    check_op(isograd.addr, lambda x, a, b: x + np.outer(a, b), (3, 4), (3,), (4,))
    nan = isograd.full((2, 2), float("nan"))
    assert isograd.addmm(nan, isograd.eye(2), isograd.eye(2), beta=0).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("dims", [0, 1, 2, ([0, 1], [1, 0]), ([1], [0])])
def test_tensordot(dims):
    check_op(lambda x, y: isograd.tensordot(x, y, dims), lambda x, y: np.tensordot(x, y, dims),
             (3, 3), (3, 3))  # fmt: skip


def test_tensordot_spreads_length_one():
    a, b = isograd.tensor(draw()(1, 2)), isograd.tensor(draw(1)(3, 4))
    want = np.tensordot(np.broadcast_to(a.numpy(), (3, 2)), b.numpy(), ([0], [0]))
    np.testing.assert_allclose(isograd.tensordot(a, b, ([0], [0])).numpy(), want)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [("ij,jk->ik", [(2, 3), (3, 4)]), ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
     ("ii->i", [(3, 3)]), ("ii", [(3, 3)]), ("ij->", [(2, 3)]), ("i,j->ij", [(2,), (3,)]),
     ("...ij,...jk", [(2, 1, 2, 3), (5, 3, 4)]), ("ij,ij->j", [(2, 3), (2, 3)]),
     ("ab,bc,cd->da", [(2, 3), (3, 4), (4, 2)]), ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)])],
)  # fmt: skip
def test_einsum(equation, shapes):
    check_op(lambda *x: isograd.einsum(equation, *x), lambda *x: np.einsum(equation, *x), *shapes)


def test_einsum_from_lists():
    x, y = isograd.ones(2, 3), isograd.ones(3, 4)
    assert isograd.einsum(x, [0, 1], y, [1, 2], [2, 0]).shape == (4, 2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_is_summed_in_float32(dtype):
    d = getattr(isograd, dtype)
    x, y = (isograd.tensor(draw(i)(8, 64)).to(d) for i in (0, 1))
    want = (x.float() @ y.float().t()).to(d)
    assert isograd.equal(x @ y.t(), want)


def test_integers():
    x = isograd.arange(6).reshape(2, 3)
    assert (x @ x.t()).tolist() == [[5, 14], [14, 50]]


X = isograd.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: X @ X, RuntimeError, r"shapes cannot be multiplied \(2x3 and 2x3\)"),
        (lambda: X @ isograd.tensor(1.0), RuntimeError, "at least 1D"),
        (lambda: X @ X.t().double(), RuntimeError, "same dtype"),
        (lambda: isograd.mm(X, isograd.ones(3)), RuntimeError, "expected a matrix"),
        (lambda: isograd.bmm(X, X), RuntimeError, "expected a 3D tensor"),
        (lambda: isograd.dot(isograd.ones(2), isograd.ones(3)), RuntimeError, "inconsistent"),
        (lambda: isograd.einsum("ij,jk", X), RuntimeError, "number of operands"),
        (lambda: isograd.einsum("ijk", X), RuntimeError, "number of subscripts"),
        (lambda: isograd.einsum("ij->k", X), RuntimeError, "does not appear"),
        (lambda: isograd.einsum("ij,jk", X, X), RuntimeError, "do not broadcast"),
        (lambda: isograd.tensordot(X, X, ([0], [1])), RuntimeError, "need to match"),
        (lambda: isograd.tensordot(X, X, ([0], [1, 0])), RuntimeError, "same length"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
