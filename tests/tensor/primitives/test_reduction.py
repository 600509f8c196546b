"""Reductions: values over every choice of dimensions, dtypes, empty tensors, gradients, errors.

Reference: NumPy; torch's rules for dtypes, ties and empty tensors; finite differences.
Run: pytest tests/tensor/primitives/test_reduction.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw

DIMS = [None, 0, -1, (0, 2), (1,)]


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "std", "var"])
def test_over_dimensions(name, dim, keepdim):
    options = {"ddof": 1} if name in ("std", "var") else {}
    over = () if dim is None and name in ("amax", "amin") else dim

    def reference(x):
        return getattr(np, name)(x, axis=dim, keepdims=keepdim, **options)

    check_op(lambda x: getattr(x, name)(over, keepdim=keepdim), reference, (2, 3, 4))


@pytest.mark.parametrize("dim", [None, 1])
def test_prod(dim):
    check_op(lambda x: x.prod() if dim is None else x.prod(dim), lambda x: x.prod(dim), (3, 4))
    with_zeros = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    check_op(lambda x: x.prod(1), lambda x: x.prod(1), with_zeros)
    x = isograd.ones(0, 2, requires_grad=True)
    x.prod(0).sum().backward()
    assert x.grad.shape == (0, 2)


def test_nan_is_left_out():
    x = isograd.tensor([[1.0, float("nan")], [2.0, 3.0]])
    assert x.nansum().item() == 6.0 and x.nanmean(1).tolist() == [1.0, 2.5]
    assert x.sum().isnan().item() and x.max().isnan().item()


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_along_a_dimension(name):
    x = isograd.tensor([[1.0, 3.0, 3.0], [2.0, 0.0, 0.0]], requires_grad=True)
    values, indices = getattr(x, name)(1)
    assert indices.tolist() == ([1, 0] if name == "max" else [0, 1])
    values.sum().backward()
    assert x.grad.sum().item() == 2.0
    assert set(x.grad.flatten().tolist()) == {0.0, 1.0}  # the index alone gets it
    y = isograd.tensor([2.0, 2.0], requires_grad=True)
    getattr(y, name)().backward()
    assert y.grad.tolist() == [0.5, 0.5]  # equal extremes share it
    assert getattr(isograd, name)(isograd.tensor([1, 5]), isograd.tensor([3, 4])).dtype is (
        isograd.int64
    )


def test_arguments_of_extremes():
    x = isograd.tensor([[1, 3, 3], [2, 0, 0]])
    assert x.argmax().item() == 1 and x.argmin(1).tolist() == [0, 1]
    assert x.argmax(0, keepdim=True).shape == (1, 3)
    low, high = isograd.aminmax(x, dim=1)
    assert low.tolist() == [1, 0] and high.tolist() == [3, 2]


def test_dtypes():
    assert isograd.ones(3, dtype=isograd.int8).sum().dtype is isograd.int64
    assert isograd.ones(3, dtype=isograd.bool).cumsum(0).tolist() == [1, 2, 3]
    assert isograd.full((4096,), 1.0).half().sum().item() == 4096.0  # in float32
    assert isograd.ones(3).sum(dtype=isograd.float64).dtype is isograd.float64
    assert isograd.tensor([1, 0], dtype=isograd.uint8).any().dtype is isograd.uint8
    with pytest.raises(RuntimeError, match="could not infer output dtype"):
        isograd.arange(3).mean()


def test_truth():
    x = isograd.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert x.any(1).tolist() == [True, True] and x.all(1).tolist() == [False, True]
    assert x.count_nonzero().item() == 3 and x.count_nonzero(0).tolist() == [1, 2]


@pytest.mark.parametrize("correction", [0, 1, 2])
def test_correction(correction):
    check_op(lambda x: isograd.var(x, 1, correction=correction),
             lambda x: x.var(1, ddof=correction), (3, 4))  # fmt: skip
    std, mean = isograd.std_mean(isograd.tensor(draw()(3, 4)), 1)
    assert std.shape == mean.shape == (3,)
    assert isograd.ones(3).std(unbiased=False).item() == 0.0


def test_standard_deviation_of_equal_numbers_has_gradient_zero():
    x = isograd.ones(3, requires_grad=True)
    x.std().backward()
    assert x.grad.tolist() == [0.0] * 3


def test_logarithm_of_sums():
    check_op(lambda x: x.logsumexp(1), lambda x: np.log(np.exp(x).sum(1)), (3, 4))
    x = isograd.tensor([1000.0, 1000.0])
    assert x.logsumexp(0).item() == pytest.approx(1000 + np.log(2))
    assert isograd.full((2,), -float("inf")).logsumexp(0).item() == -float("inf")
    check_op(lambda x: x.logcumsumexp(1), lambda x: np.logaddexp.accumulate(x, 1), (3, 4))


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_running(name):
    check_op(lambda x: getattr(x, name)(1), lambda x: getattr(np, name)(x, 1), (3, 4))
    x = isograd.ones(3)
    assert getattr(x, name + "_")(0) is x
    check_op(
        lambda x: x.cumprod(0), lambda x: np.cumprod(x, 0), np.array([2.0, 0.0, 3.0, 0.0, 1.0])
    )


def test_running_extremes():
    x = isograd.tensor([1.0, 3.0, 2.0, 3.0])
    values, indices = x.cummax(0)
    assert values.tolist() == [1.0, 3.0, 3.0, 3.0] and indices.tolist() == [0, 1, 1, 3]
    assert x.cummin(0).values.tolist() == [1.0] * 4


def test_empty_tensors():
    x = isograd.empty(0, 3)
    assert x.sum().item() == 0.0 and x.prod(0).tolist() == [1.0] * 3 and x.mean().isnan().item()
    for call in (lambda: x.max(0), lambda: x.amax(0), lambda: x.argmax()):
        with pytest.raises(IndexError, match="reduction dim"):
            call()
    with pytest.raises(RuntimeError, match="reduction dim to be specified"):
        x.max()


def test_errors():
    x = isograd.ones(2, 3)
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.sum(2)
    with pytest.raises(RuntimeError, match="appears multiple times"):
        x.sum((0, -2))
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        isograd.max(2, 3)
    with pytest.raises(RuntimeError, match="dtype"):
        isograd.aminmax(x, out=(isograd.ones(()), isograd.ones((), dtype=isograd.float64)))
