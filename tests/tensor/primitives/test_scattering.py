"""scatter and its kin, index_add and its kin, put: values, gradients, ties, zeros and errors.

Reference: plain loops over the index, in its order.
Run: pytest tests/tensor/primitives/test_scattering.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw

INDEX = np.array([[0, 2, 2], [1, 1, 0]])
OPS = {
    "sum": lambda a, b: a + b,
    "prod": lambda a, b: a * b,
    "amax": np.maximum,
    "amin": np.minimum,
    "mean": lambda a, b: a + b,
}


def loop(x, index, src, dim, reduce=None, include_self=True):
    """scatter (without ``reduce``) and scatter_reduce, element by element."""
    out, count = x.astype(np.float64).copy(), np.full(x.shape, float(include_self))
    for at in np.ndindex(index.shape):
        to = list(at)
        to[dim] = index[at]
        to = tuple(to)
        fresh = reduce is None or (not include_self and count[to] == 0)
        out[to] = src[at] if fresh else OPS[reduce](out[to], src[at])
        count[to] += 1
    return out / np.maximum(count, 1) if reduce == "mean" else out


@pytest.mark.parametrize("dim", [0, 1])
def test_scatter(dim):
    index = np.array([[0, 2, 1], [1, 0, 2]])
    t = isograd.tensor(index)
    check_op(lambda x, s: x.scatter(dim, t, s), lambda x, s: loop(x, index, s, dim), (3, 4), (2, 4))
    number = lambda x: loop(x, index, np.full((2, 3), 7.0), dim)  # noqa: E731
    check_op(lambda x: x.scatter(dim, t, 7.0), number, (3, 4))
    check_op(lambda x: x.scatter(dim, t, value=7.0), number, (3, 4))


@pytest.mark.parametrize("reduce", list(OPS))
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce(reduce, include_self):
    index = isograd.tensor(INDEX)
    check_op(
        lambda x, s: x.scatter_reduce(1, index, s, reduce, include_self=include_self),
        lambda x, s: loop(x, INDEX, s, 1, reduce, include_self),
        (3, 4),
        (2, 3),
    )


def test_scatter_add_and_the_old_spellings():
    index = isograd.tensor(INDEX)
    check_op(
        lambda x, s: x.scatter_add(0, index, s),
        lambda x, s: loop(x, INDEX, s, 0, "sum"),
        (3, 4),
        (2, 3),
    )
    x, src = isograd.ones(3, 4) * 2, isograd.full((2, 3), 3.0)
    np.testing.assert_array_equal(
        x.scatter(1, index, src, reduce="add").numpy(), x.scatter_add(1, index, src).numpy()
    )
    assert x.scatter(1, index, 3.0, reduce="multiply")[0].tolist() == [6.0, 2.0, 18.0, 2.0]
    with pytest.raises(RuntimeError, match="either add or multiply"):
        x.scatter(1, index, src, reduce="mean")


def test_ties_share_the_gradient_and_products_survive_zeros():
    index = isograd.zeros(3, dtype=isograd.int64)
    x = isograd.tensor([2.0], requires_grad=True)
    src = isograd.tensor([2.0, 1.0, 2.0], requires_grad=True)
    x.scatter_reduce(0, index, src, "amax").sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1 / 3])
    np.testing.assert_allclose(src.grad.numpy(), [1 / 3, 0, 1 / 3])
    src = isograd.tensor([0.0, 4.0, 5.0], requires_grad=True)
    x.detach().scatter_reduce(0, index, src, "prod").sum().backward()
    np.testing.assert_allclose(src.grad.numpy(), [40.0, 0.0, 0.0])


def test_integers_and_nan():
    x = isograd.tensor([10, 20])
    index, src = isograd.tensor([0, 0]), isograd.tensor([1, 2])
    assert x.scatter_reduce(0, index, src, "mean").tolist() == [4, 20]
    assert x.scatter_reduce(0, index, src, "amax", include_self=False).tolist() == [2, 20]
    nan = isograd.tensor([float("nan"), 1.0])
    out = isograd.zeros(1).scatter_reduce(0, isograd.tensor([0, 0]), nan, "amax")
    assert out.isnan().all().item()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x.scatter(0, isograd.tensor([[5]]), 1.0), "index 5 is out of bounds"),
        (
            lambda x: x.scatter(0, isograd.tensor([[0]]), isograd.ones(1, 1).double()),
            "Expected self.dtype to be equal to src.dtype",
        ),
        (
            lambda x: x.scatter(0, isograd.tensor([[0, 0]]), isograd.ones(1, 1)),
            "to be no larger than self",
        ),
        (
            lambda x: x.scatter_reduce(0, isograd.tensor([[0]]), isograd.ones(1, 1), "median"),
            "either sum, prod, mean, amax or amin, got median",
        ),
        (
            lambda x: x.index_add(0, isograd.tensor([0]), isograd.ones(2, 4)),
            r"Number of indices \(1\) should be equal",
        ),
        (
            lambda x: x.index_add(0, isograd.tensor([9]), isograd.ones(1, 4)),
            "index 9 is out of bounds for dimension 0 with size 3",
        ),
        (
            lambda x: x.index_reduce(0, isograd.tensor([0]), isograd.ones(1, 4), "sum"),
            "one of prod, mean, amax or amin",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(isograd.ones(3, 4))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_index_add(dim):
    at = np.array([1, 0, 1])
    index = isograd.tensor(at)

    def reference(x, s):
        out = np.moveaxis(x.copy(), dim, 0)
        np.add.at(out, at, 2 * np.moveaxis(s, dim, 0))
        return np.moveaxis(out, 0, dim)

    shape = [2, 3, 4]
    shape[dim] = 3
    check_op(lambda x, s: x.index_add(dim, index, s, alpha=2), reference, (2, 3, 4), tuple(shape))


def test_index_copy_and_fill():
    index = isograd.tensor([2, 0])

    def copied(x, s):
        out = x.copy()
        out[:, [2, 0]] = s
        return out

    check_op(lambda x, s: x.index_copy(1, index, s), copied, (3, 4), (3, 2))
    check_op(lambda x, v: x.index_fill(1, index, v), copied, (3, 4), np.array(1.5))
    twice = isograd.tensor(2.0, requires_grad=True)
    isograd.zeros(3).index_fill(0, isograd.tensor([1, 1]), twice).sum().backward()
    assert twice.grad.item() == 1.0, "one element was filled"
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        isograd.ones(3, 4).index_copy(0, isograd.tensor([7]), isograd.ones(1, 4))


@pytest.mark.parametrize("reduce", ["prod", "mean", "amax", "amin"])
def test_index_reduce(reduce):
    at = np.array([0, 2, 0])
    wide = np.broadcast_to(at[:, None], (3, 4))
    check_op(
        lambda x, s: x.index_reduce(0, isograd.tensor(at), s, reduce, include_self=False),
        lambda x, s: loop(x, wide, s, 0, reduce, False),
        (3, 4),
        (3, 4),
    )


def test_put():
    index = isograd.tensor([[0, -1], [5, 5]])

    def added(x, s):
        out = x.reshape(-1).copy()
        np.add.at(out, index.numpy().reshape(-1), s.reshape(-1))
        return out.reshape(x.shape)

    check_op(lambda x, s: x.put(index, s, accumulate=True), added, (3, 4), (2, 2))
    with pytest.raises(IndexError, match="same number of elements"):
        isograd.ones(3).put(isograd.tensor([0]), isograd.ones(2))


def test_inplace_forms():
    x = isograd.ones(3, requires_grad=True)
    y = x * 2
    index, src = isograd.tensor([0, 0]), isograd.ones(2, requires_grad=True)
    y.scatter_add_(0, index, src)
    y.index_add_(0, index, src)
    y.scatter_reduce_(0, index, src, "prod")
    assert y.tolist() == [6.0, 2.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    assert src.grad.tolist() == [8.0, 8.0]


def test_inplace_on_a_number_keeps_the_old_value_for_the_gradient():
    """The result is a view of what was computed; the saved input must not be overwritten."""
    x = isograd.tensor(2.0, requires_grad=True)
    y = x * 1.0
    source = isograd.tensor(3.0, requires_grad=True)
    y.index_reduce_(0, isograd.tensor([0]), source, "prod")
    y.backward()
    assert (x.grad.item(), source.grad.item()) == (3.0, 2.0)


@pytest.mark.parametrize("columns", [1, 8, 300])
def test_order_of_additions_is_that_of_the_index(columns):
    """Equal bits with a plain loop, whichever way the rows are added."""
    make = draw()
    at = (make(200, low=0, high=7)).astype(np.int64)
    rows = make(200, columns).astype(np.float32)
    want = np.zeros((7, columns), np.float32)
    for k, i in enumerate(at):
        want[i] += rows[k]
    got = isograd.zeros(7, columns).index_add(0, isograd.tensor(at), isograd.tensor(rows))
    np.testing.assert_array_equal(got.numpy(), want)
