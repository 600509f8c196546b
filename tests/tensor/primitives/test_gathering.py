"""gather, index_select, take, masked_select, nonzero: values, gradients and errors.

Reference: NumPy.
Run: pytest tests/tensor/primitives/test_gathering.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd.tensor.primitives.gathering import one_hot
from tests.checks import check_op, draw

INDEX = np.array([[0, 2, 2], [1, 1, 0]])


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_gather(dim):
    index = isograd.tensor(INDEX)

    def reference(x):
        part = x[:, :3] if dim == 0 else x[:2]
        return np.take_along_axis(part, INDEX, dim)

    check_op(lambda x: x.gather(dim, index), reference, (3, 4))
    x = draw()(4, 3)
    turned = isograd.tensor(x).t()
    np.testing.assert_array_equal(turned.gather(dim, index).numpy(), reference(x.T))


def test_gather_of_numbers_and_nothing():
    one = isograd.tensor(3.0)
    assert one.gather(0, isograd.tensor(0)).item() == 3.0
    x = isograd.ones(2, 3, requires_grad=True)
    empty = x.gather(1, isograd.zeros(2, 0, dtype=isograd.int64))
    assert empty.shape == (2, 0)
    empty.sum().backward()
    assert x.grad.sum().item() == 0.0


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([[5]], "index 5 is out of bounds for dimension 0 with size 3"),
        ([[-1]], "index -1 is out of bounds for dimension 0 with size 3"),
        ([0], "same number of dimensions as input tensor"),
        ([[0.0]], "Expected dtype int32/int64 for index"),
        ([[0] * 7], "to be no larger than self"),
    ],
)
def test_gather_errors(index, message):
    with pytest.raises(RuntimeError, match=message):
        isograd.ones(3, 4).gather(0, isograd.tensor(index))


def test_take_along_dim():
    x = draw()(3, 4)
    order = x.argsort(1)
    check_op(
        lambda t: isograd.take_along_dim(t, isograd.tensor(order), 1),
        lambda a: np.take_along_axis(a, order, 1),
        x,
    )
    column = isograd.tensor([[0], [1], [-1]])
    np.testing.assert_array_equal(
        isograd.take_along_dim(isograd.tensor(x), column, 1).numpy(),
        np.take_along_axis(x, np.array([[0], [1], [-1]]), 1),
    )
    assert isograd.take_along_dim(isograd.tensor(x), isograd.tensor([11])).item() == x[2, 3]


@pytest.mark.parametrize("dim", [0, 1])
def test_index_select(dim):
    index = isograd.tensor([1, 1, 0])
    check_op(lambda x: x.index_select(dim, index), lambda x: x.take([1, 1, 0], dim), (3, 4))


def test_index_select_errors():
    x = isograd.ones(3, 4)
    for bad in ([5], [-1]):
        with pytest.raises(IndexError, match="index out of range in self"):
            x.index_select(0, isograd.tensor(bad))
    with pytest.raises(IndexError, match="supposed to be a vector"):
        x.index_select(0, isograd.tensor([[0]]))
    with pytest.raises(RuntimeError, match="Expected dtype int32 or int64"):
        x.index_select(0, isograd.tensor([0.0]))


def test_take():
    index = isograd.tensor([[0, 5], [-1, 5]])
    check_op(lambda x: x.take(index), lambda x: x.reshape(-1)[index.numpy()], (3, 4))
    with pytest.raises(IndexError, match="tried to access index 20 on a tensor of 12 elements"):
        isograd.ones(3, 4).take(isograd.tensor([20]))


def test_masked_select():
    mask = np.array([True, False, True, True])
    check_op(
        lambda x: x.masked_select(isograd.tensor(mask)), lambda x: x[:, mask].reshape(-1), (3, 4)
    )
    assert isograd.tensor(2.0).masked_select(isograd.tensor(True)).tolist() == [2.0]
    with pytest.raises(RuntimeError, match="expected BoolTensor"):
        isograd.ones(2).masked_select(isograd.tensor([1, 0]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_nonzero(dtype):
    x = isograd.tensor([[0, 1], [1, 0]]).to(getattr(isograd, dtype))
    assert x.nonzero().tolist() == [[0, 1], [1, 0]]
    assert isograd.argwhere(x).dtype is isograd.int64
    rows, columns = x.nonzero(as_tuple=True)
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])


def test_nonzero_of_a_number():
    assert isograd.tensor(1.0).nonzero().shape == (1, 0)
    assert isograd.tensor(0.0).nonzero().shape == (0, 0)
    assert [t.tolist() for t in isograd.tensor(1.0).nonzero(as_tuple=True)] == [[0]]


def test_one_hot():
    assert one_hot(isograd.tensor([1, 0])).tolist() == [[0, 1], [1, 0]]
    assert one_hot(isograd.tensor([[1]]), 3).tolist() == [[[0, 1, 0]]]
    for bad, classes, message in [
        ([3], 2, "smaller than num_classes"),
        ([-1], -1, "non-negative"),
        ([1.0], -1, "LongTensor"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            one_hot(isograd.tensor(bad), classes)
