"""Cholesky, QR, SVD and eigenvalues: they rebuild their matrix; gradients; batches; errors.

Reference: NumPy, the matrix itself, finite differences (test_records.py checks the rules as well).
Run: pytest tests/tensor/primitives/test_factorizations.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd import linalg
from tests.checks import check_grad, check_op, draw


def spd(*shape, seed=0):
    x = draw(seed)(*shape)
    return x @ x.swapaxes(-1, -2) + np.eye(shape[-1])


def close(a, b, tol=1e-10):
    np.testing.assert_allclose(np.asarray(a.detach()), np.asarray(b), rtol=tol, atol=tol)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_cholesky(kind):
    a = spd(2, 4, 4)
    if kind == "complex":
        skew = draw(1)(2, 4, 4)
        a = a + 0.1j * (skew - skew.swapaxes(-1, -2))
    x = isograd.tensor(a)
    lower, upper = linalg.cholesky(x), isograd.cholesky(x, upper=True)
    close(lower, np.linalg.cholesky(a))
    close(upper.mH @ upper, a)
    assert linalg.cholesky_ex(x).info.tolist() == [0, 0]


def test_cholesky_reads_one_triangle_and_gives_the_gradient_of_both():
    a = spd(3, 3)
    for upper in (False, True):
        half = isograd.tensor(np.triu(a) if upper else np.tril(a)).requires_grad_()
        linalg.cholesky(half, upper=upper).sum().backward()
        close(half.grad, half.grad.mT.detach())
    check_grad(lambda x: linalg.cholesky(x @ x.mT + isograd.eye(3)), [draw(1)(3, 3)], {})


def test_cholesky_says_which_minor_failed():
    bad = isograd.diag(isograd.tensor([1.0, 2.0, -1.0]))
    with pytest.raises(linalg.LinAlgError, match="minor of order 3 is not positive-definite"):
        linalg.cholesky(bad)
    batch = isograd.stack([isograd.eye(3), bad])
    with pytest.raises(linalg.LinAlgError, match="Batch element 1"):
        linalg.cholesky(batch)
    assert linalg.cholesky_ex(batch).info.tolist() == [0, 3]


@pytest.mark.parametrize("shape", [(4, 3), (3, 3), (2, 3, 5)])
def test_qr(shape):
    a = draw()(*shape)
    x = isograd.tensor(a)
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(x, mode)
        assert q.shape[-1] == (shape[-2] if mode == "complete" else min(shape[-2:]))
        close(q @ r, a)
        close(q.mT @ q, np.broadcast_to(np.eye(q.shape[-1]), (*shape[:-2], *[q.shape[-1]] * 2)))
    assert linalg.qr(x, "r").Q.shape == (0,)
    check_grad(lambda x: tuple(linalg.qr(x)), [a], {})
    with pytest.raises(RuntimeError, match="unrecognized mode"):
        linalg.qr(x, "full")


@pytest.mark.parametrize("shape", [(4, 3), (3, 3), (2, 3, 5)])
def test_svd(shape):
    a = draw()(*shape)
    x = isograd.tensor(a)
    u, s, vh = linalg.svd(x, full_matrices=False)
    close((u * s.unsqueeze(-2)) @ vh, a)
    close(s, np.linalg.svd(a, compute_uv=False))
    close(linalg.svdvals(x), s.numpy())
    assert linalg.svd(x).U.shape == (*shape[:-1], shape[-2])
    assert linalg.svd(x).Vh.shape == (*shape[:-2], shape[-1], shape[-1])
    old = isograd.svd(x)
    close((old.U * old.S.unsqueeze(-2)) @ old.V.mT, a)
    check_op(lambda x: linalg.svdvals(x), lambda x: np.linalg.svd(x, compute_uv=False), a,
             dtypes=("float64",))  # fmt: skip


@pytest.mark.parametrize("full", [False, True])
def test_svd_gradient_of_what_does_not_depend_on_signs(full):
    k = 2

    def rebuilt(x):
        u, s, vh = linalg.svd(x, full_matrices=full)
        return (u[..., :k] * (s * s).unsqueeze(-2)) @ vh[..., :k, :]

    check_grad(rebuilt, [draw()(4, 2)], {})


def test_complex_svd_gradient():
    make = draw()

    def rebuilt(re, im):
        u, s, vh = linalg.svd(isograd.complex(re, im), full_matrices=False)
        out = (u * (s * s).unsqueeze(-2)) @ vh
        return isograd.view_as_real(out)

    check_grad(rebuilt, [make(3, 2), make(3, 2)], {})


@pytest.mark.parametrize("part", ["L", "U"])
def test_eigh(part):
    a = spd(2, 3, 3)
    half = isograd.tensor(np.tril(a) if part == "L" else np.triu(a))
    values, vectors = linalg.eigh(half, part)
    close((vectors * values.unsqueeze(-2)) @ vectors.mT, a)
    close(linalg.eigvalsh(half, part), np.linalg.eigvalsh(a))
    check_grad(lambda x: linalg.eigvalsh(x + x.mT), [draw(3)(3, 3)], {})
    with pytest.raises(RuntimeError, match="'L' or 'U'"):
        linalg.eigh(half, "X")


def test_eig():
    a = draw()(2, 4, 4)
    values, vectors = linalg.eig(isograd.tensor(a))
    assert values.dtype is isograd.complex128
    close(vectors * values.unsqueeze(-2), (isograd.tensor(a).to(values.dtype) @ vectors).numpy())
    assert linalg.eigvals(isograd.tensor(a).float()).dtype is isograd.complex64
    check_grad(lambda x: linalg.eigvals(x).abs().sum(), [a[0]], {})
    with pytest.raises(RuntimeError, match="infs or NaNs"):
        linalg.eig(isograd.full((2, 2), float("nan")))


@pytest.mark.parametrize("name", ["cholesky", "eigh", "eig", "eigvals", "inv", "det", "slogdet"])
def test_only_square_floating_matrices(name):
    fn = getattr(linalg, name)
    with pytest.raises(RuntimeError, match="batches of square matrices, but they are 2 by 3"):
        fn(isograd.ones(2, 3))
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        fn(isograd.ones(3))
    with pytest.raises(RuntimeError, match="Got Long"):
        fn(isograd.ones(2, 2).long())
    with pytest.raises(RuntimeError, match="Low precision dtypes not supported. Got Half"):
        fn(isograd.ones(2, 2).half())
