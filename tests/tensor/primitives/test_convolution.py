"""Convolution and its two adjoints against a loop over the outputs in NumPy.

Gradients of the records are checked by tests/tensor/test_records.py.
Run: pytest tests/tensor/primitives/test_convolution.py
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import isograd
from isograd.tensor.primitives.convolution import (
    convolution,
    convolution_input,
    convolution_weight,
)
from tests.checks import assert_close, draw

module = importlib.import_module(convolution.__module__)

# x, w, stride, padding, dilation, groups
CASES = [
    ((2, 3, 7, 6), (4, 3, 3, 2), (1, 1), (1, 0), (1, 1), 1),
    ((2, 4, 8, 7), (6, 2, 3, 3), (2, 1), (1, 2), (1, 2), 2),
    ((3, 4, 5, 5), (8, 1, 3, 3), (1, 1), (1, 1), (1, 1), 4),  # one channel per group
    ((2, 5, 6, 6), (3, 5, 1, 1), (2, 2), (0, 0), (1, 1), 1),  # a kernel of one element
    ((2, 5, 6, 6), (4, 5, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((5, 3, 3, 3), (4, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1),  # small outputs: images joined
    ((2, 3, 40), (5, 3, 4), (3,), (2,), (2,), 1),
    ((2, 2, 4, 5, 4), (3, 2, 2, 3, 2), (1, 2, 1), (1, 1, 0), (1, 1, 2), 1),
    ((1, 2, 9, 9), (2, 2, 3, 3), (1, 1), (3, 3), (1, 1), 1),  # more padding than reach
]
NAMES = ("x", "w", "stride", "padding", "dilation", "groups")


def by_loops(x, w, stride, padding, dilation, groups):
    n, dims = x.shape[0], w.ndim - 2
    wide = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    count = [(s - r) // t + 1 for s, r, t in zip(wide.shape[2:], reach, stride, strict=True)]
    parts = wide.reshape(n, groups, -1, *wide.shape[2:])
    weight = w.reshape(groups, -1, *w.shape[1:])
    out = np.zeros((n, w.shape[0], *count))
    for at in np.ndindex(*count):
        window = tuple(
            slice(a * t, a * t + r, d)
            for a, t, r, d in zip(at, stride, reach, dilation, strict=True)
        )
        seen = parts[(..., *window)].reshape(n, groups, -1)
        flat = weight.reshape(groups, weight.shape[1], -1)
        out[(..., *at)] = np.einsum("ngk,gok->ngo", seen, flat).reshape(n, -1)
    assert dims == len(count)
    return out


@pytest.mark.parametrize("limit", [64, 1 << 20], ids=["in parts", "at once"])
@pytest.mark.parametrize(NAMES, CASES)
def test_forward(monkeypatch, limit, x, w, stride, padding, dilation, groups) -> None:
    monkeypatch.setattr(module, "HOST_COLUMNS", limit)
    make = draw()
    a, b, c = make(*x), make(*w), make(w[0])
    got = convolution(*map(isograd.tensor, (a, b, c)), stride, padding, dilation, groups)
    want = by_loops(a, b, stride, padding, dilation, groups)
    assert_close(got.numpy(), want + c.reshape(-1, *[1] * (len(x) - 2)), "float64")


@pytest.mark.parametrize("limit", [64, 1 << 20], ids=["in parts", "at once"])
@pytest.mark.parametrize(NAMES, CASES)
def test_adjoints(monkeypatch, limit, x, w, stride, padding, dilation, groups) -> None:
    """<y, conv(x, w)> = <x, input(y, w)> = <w, weight(x, y)>."""
    monkeypatch.setattr(module, "HOST_COLUMNS", limit)
    make = draw(1)
    a, b = isograd.tensor(make(*x)), isograd.tensor(make(*w))
    out = convolution(a, b, None, stride, padding, dilation, groups)
    y = isograd.tensor(make(*out.shape))
    want = (out * y).sum().item()
    back = convolution_input(y, b, None, x[2:], stride, padding, dilation, groups)
    assert_close((back * a).sum().item(), want, "float64", "input")
    weight = convolution_weight(a, y, w[2:], stride, padding, dilation, groups)
    assert_close((weight * b).sum().item(), want, "float64", "weight")


def test_any_strides() -> None:
    """Channels last in memory, and a turned weight."""
    make = draw(2)
    a, b = make(2, 6, 5, 3), make(3, 3, 3, 4)
    x = isograd.tensor(a).permute(0, 3, 1, 2)
    w = isograd.tensor(b).permute(3, 0, 1, 2)
    got = convolution(x, w, None, (1, 1), (1, 1), (1, 1), 1)
    want = by_loops(a.transpose(0, 3, 1, 2), b.transpose(3, 0, 1, 2), (1, 1), (1, 1), (1, 1), 1)
    assert_close(got.numpy(), want, "float64")


def test_low_precision_accumulates_in_float32() -> None:
    ones = isograd.ones(1, 4096, 1, dtype=isograd.bfloat16)
    out = convolution(ones, ones, None, (1,), (0,), (1,), 1)
    assert out.dtype is isograd.bfloat16
    assert out.item() == 4096.0


def test_complex_gradient_is_conjugated() -> None:
    make = draw(3)
    x = isograd.tensor(make(1, 1, 4) + 1j * make(1, 1, 4)).requires_grad_(True)
    w = isograd.tensor(make(1, 1, 2) + 1j * make(1, 1, 2)).requires_grad_(True)

    def loss(x, w):
        return convolution(x, w, None, (1,), (0,), (1,), 1)

    assert isograd.autograd.gradcheck(loss, (x, w))


def test_no_images() -> None:
    x = isograd.zeros(0, 2, 5, requires_grad=True)
    w = isograd.ones(3, 2, 2, requires_grad=True)
    out = convolution(x, w, None, (1,), (0,), (1,), 1)
    assert out.shape == (0, 3, 4)
    out.sum().backward()
    assert x.grad.shape == (0, 2, 5)
    assert w.grad.abs().sum().item() == 0.0
