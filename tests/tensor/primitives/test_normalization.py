"""Normalisation records: values in NumPy, the fast gradient against the composed one.

Run: pytest tests/tensor/primitives/test_normalization.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd.tensor.primitives.normalization import batch_norm, group_norm, layer_norm, rms_norm
from tests.checks import assert_close, draw

CASES = {
    "layer": (lambda x, w, b: layer_norm(x, w, b, 2, 1e-5), (3, 4, 5), (4, 5)),
    "group": (lambda x, w, b: group_norm(x, w, b, 2, 1e-5)[0], (3, 4, 5), (4,)),
    "batch": (lambda x, w, b: batch_norm(x, w, b, 1e-5)[0], (3, 4, 5), (4,)),
    "rms": (lambda x, w, b: rms_norm(x, w, 2, 1e-5) + 0 * b, (3, 4, 5), (4, 5)),
}


def standard(x, axes):
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + 1e-5)


def test_values() -> None:
    make = draw()
    x, w, b = make(3, 4, 5), make(4, 5), make(4, 5)
    c, d = make(4), make(4)
    t = isograd.tensor
    got = layer_norm(t(x), t(w), t(b), 2, 1e-5).numpy()
    assert_close(got, standard(x, (1, 2)) * w + b, "float64")
    got = batch_norm(t(x), t(c), t(d), 1e-5)[0].numpy()
    assert_close(got, standard(x, (0, 2)) * c[:, None] + d[:, None], "float64")
    got = group_norm(t(x), t(c), t(d), 2, 1e-5)[0].numpy()
    want = standard(x.reshape(3, 2, 2, 5), (2, 3)).reshape(x.shape) * c[:, None] + d[:, None]
    assert_close(got, want, "float64")
    got = rms_norm(t(x), t(w), 2, 1e-5).numpy()
    assert_close(got, x / np.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-5) * w, "float64")


@pytest.mark.parametrize("length", [5, 20])
@pytest.mark.parametrize("name", CASES)
def test_both_gradients_agree(name: str, length: int) -> None:
    """One record without ``create_graph``, Tensor operations with it; short and long rows."""
    call, *shapes = CASES[name]
    shape, affine = (tuple(length if n == 5 else n for n in s) for s in shapes)
    make = draw(1)
    leaves = [isograd.tensor(make(*s), requires_grad=True) for s in (shape, affine, affine)]
    out = call(*leaves)
    g = isograd.tensor(make(*out.shape))
    fast = isograd.autograd.grad(out, leaves, g, retain_graph=True)
    slow = isograd.autograd.grad(out, leaves, g, create_graph=True)
    for a, b in zip(fast, slow, strict=True):
        assert not a.requires_grad
        assert_close(a.numpy(), b.detach().numpy(), "float64")


@pytest.mark.parametrize("name", CASES)
def test_low_precision_is_computed_in_float32(name: str) -> None:
    call, shape, affine = CASES[name]
    make = draw(2)
    low = [isograd.tensor(make(*s)).to(isograd.bfloat16) for s in (shape, affine, affine)]
    got, want = call(*low), call(*[t.float() for t in low])
    assert got.dtype is isograd.bfloat16
    if name != "rms":  # there the test itself adds in bfloat16
        assert got.float().tolist() == want.to(isograd.bfloat16).float().tolist()


def test_far_from_zero() -> None:
    """The variance is that of the centred values: no cancellation."""
    x = isograd.tensor([[1e4 + 1, 1e4 + 2, 1e4 + 3]])
    out = layer_norm(x, None, None, 1, 0.0).numpy()
    np.testing.assert_allclose(out, [[-1.2247449, 0.0, 1.2247449]], rtol=1e-6, atol=1e-6)
