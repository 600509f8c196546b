"""Joining tensors: cat, stack and their kin; dtypes, empty tensors, errors, out=.

Reference: NumPy; torch's rules of promotion.
Run: pytest tests/tensor/primitives/test_joining.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_and_stack(dim):
    check_op(lambda *x: isograd.cat(x, dim), lambda *x: np.concatenate(x, dim), (2, 3), (2, 3))
    check_op(lambda *x: isograd.stack(x, dim), lambda *x: np.stack(x, dim), (2, 3), (2, 3))


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack", "column_stack"])
@pytest.mark.parametrize("shape", [(3,), (3, 3), (2, 3, 3)])
def test_directions(name, shape):
    check_op(lambda *x: getattr(isograd, name)(x), lambda *x: getattr(np, name)(x), shape, shape)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_at_least(n, shape):
    x = isograd.ones(shape)
    name = f"atleast_{n}d"
    assert tuple(getattr(isograd, name)(x).shape) == getattr(np, name)(np.ones(shape)).shape
    assert isinstance(getattr(isograd, name)(x, x), tuple)


def test_dtypes_and_empty_tensors():
    out = isograd.cat([isograd.tensor([1, 2]), isograd.tensor([0.5])])
    assert out.dtype is isograd.float32 and out.tolist() == [1.0, 2.0, 0.5]
    assert isograd.cat([isograd.empty(0), isograd.ones(2, 2)]).shape == (2, 2)


def test_gradient_of_a_repeated_input():
    x = isograd.ones(2, requires_grad=True)
    isograd.cat([x, x * 3]).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_errors():
    x = isograd.ones(2, 3)
    with pytest.raises(RuntimeError, match="Sizes of tensors must match except in dimension 0"):
        isograd.cat([x, isograd.ones(2, 4)])
    with pytest.raises(RuntimeError, match="equal size"):
        isograd.stack([x, isograd.ones(3)])
    with pytest.raises(RuntimeError, match="non-empty"):
        isograd.cat([])
    with pytest.raises(TypeError, match="must be tuple of Tensors, not Tensor"):
        isograd.cat(x)
    with pytest.raises(TypeError, match="expected Tensor as element 1"):
        isograd.cat([x, 1])


def test_out():
    x, out = isograd.ones(2), isograd.empty(0)
    assert isograd.cat([x, x], out=out) is out and out.tolist() == [1.0] * 4
    with pytest.raises(RuntimeError, match="dtype"):
        isograd.cat([x, x], out=isograd.empty(4, dtype=isograd.float64))
    with pytest.raises(RuntimeError, match="single memory location"):
        isograd.cat([x, x], out=x)
