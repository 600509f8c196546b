"""Views of the same memory: they alias both ways, keep histories, and refuse what torch refuses.

Reference: NumPy's shapes and values; finite differences (test_records.py).
Run: pytest tests/tensor/primitives/test_views.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw

VIEWS = {
    "reshape": (lambda x: x.reshape(4, 6), lambda x: x.reshape(4, 6)),
    "view -1": (lambda x: x.view(2, -1), lambda x: x.reshape(2, -1)),
    "flatten": (lambda x: x.flatten(1), lambda x: x.reshape(2, 12)),
    "unflatten": (lambda x: x.unflatten(2, (2, -1)), lambda x: x.reshape(2, 3, 2, 2)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda x: x.transpose(2, 0, 1)),
    "transpose": (lambda x: x.transpose(0, -1), lambda x: x.swapaxes(0, -1)),
    "mT": (lambda x: x.mT, lambda x: x.swapaxes(-1, -2)),
    "movedim": (lambda x: x.movedim((0, 1), (-1, 0)), lambda x: np.moveaxis(x, (0, 1), (-1, 0))),
    "unsqueeze": (lambda x: x.unsqueeze(-1), lambda x: x[..., None]),
    "squeeze": (lambda x: x.unsqueeze(1).squeeze(1), lambda x: x),
    "narrow": (lambda x: x.narrow(1, 1, 2), lambda x: x[:, 1:3]),
    "select": (lambda x: x.select(1, -1), lambda x: x[:, -1]),
    "diagonal": (lambda x: x.diagonal(1, 1, 2), lambda x: x.diagonal(1, 1, 2)),
    "unfold": (lambda x: x.unfold(2, 2, 2), lambda x: x.reshape(2, 3, 2, 2)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_alias_and_have_gradients(name):
    fn, reference = VIEWS[name]
    check_op(fn, reference, (2, 3, 4))
    x = isograd.tensor(draw()(2, 3, 4))
    seen = fn(x)
    before = seen.clone()
    x.add_(1)
    assert isograd.equal(seen, before + 1)
    seen.zero_()
    assert int((x == 0).sum()) == seen.numel()
    assert seen._version == x._version == 2


def test_writing_into_a_view_reaches_the_gradient_of_its_base():
    leaf = isograd.ones(2, 3, requires_grad=True)
    x = leaf * 2
    row = x[0]
    row.mul_(5)
    x.sum().backward()
    assert leaf.grad.tolist() == [[10.0] * 3, [2.0] * 3]


def test_views_in_place():
    x = isograd.arange(6).reshape(2, 3)
    memory = x.data_ptr()
    assert x.t_() is x and x.shape == (3, 2)
    assert x.unsqueeze_(0).shape == (1, 3, 2)
    assert x.transpose_(1, 2).squeeze_().shape == (2, 3)
    assert x.swapdims_(0, 1).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert x.data_ptr() == memory
    leaf = isograd.ones(2, 3, requires_grad=True)
    y = leaf * 2
    y.t_()
    (y * isograd.tensor([1.0, 10.0])).sum().backward()
    assert leaf.grad.tolist() == [[2.0] * 3, [20.0] * 3]
    with pytest.raises(RuntimeError, match="leaf Variable"):
        leaf.t_()


def test_reshape_copies_only_where_it_must():
    x = isograd.zeros(2, 3)
    assert x.reshape(6).data_ptr() == x.data_ptr()
    assert x.t().reshape(6).data_ptr() != x.data_ptr()
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x.t().view(6)


def test_other_dtype():
    x = isograd.tensor([1.0, -2.0])
    assert x.view(isograd.int32).tolist() == [0x3F800000, -0x40000000]


@pytest.mark.parametrize("shape", [(2, 3, 4), (-1, 3, 4), (5, 2, 3, 4)])
def test_expand(shape):
    want = (*shape[:-3], 2, 3, 4)
    check_op(lambda x: x.expand(*shape), lambda x: np.broadcast_to(x, want), (2, 3, 1))
    x = isograd.zeros(2, 3, 1)
    seen = x.expand(2, 3, 4)
    x.fill_(1)
    assert seen.sum().item() == 24
    with pytest.raises(RuntimeError, match="single memory location"):
        seen.add_(1)


def test_broadcasting():
    assert isograd.broadcast_shapes((2, 1), 3, (1,)) == (2, 3)
    a, b = isograd.broadcast_tensors(isograd.ones(2, 1), isograd.ones(3))
    assert a.shape == b.shape == (2, 3)
    check_op(lambda x: x.sum_to_size(3, 1), lambda x: x.sum((0, 2)).reshape(3, 1), (2, 3, 4))
    with pytest.raises(RuntimeError, match="cannot be broadcast"):
        isograd.broadcast_shapes((2,), (3,))


X = isograd.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: X.reshape(4), RuntimeError, r"shape '\[4\]' is invalid for input of size 6"),
        (lambda: X.reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
        (lambda: X.reshape("a"), TypeError, "must be ints"),
        (lambda: X.permute(0, 0), RuntimeError, "duplicate dims"),
        (lambda: X.permute(0), RuntimeError, "number of dimensions"),
        (lambda: X.transpose(0, 2), IndexError, "Dimension out of range"),
        (lambda: X.expand(4, 3), RuntimeError, "must match the existing size"),
        (lambda: X.expand(3), RuntimeError, "number of sizes"),
        (lambda: X.flatten(1, 0), RuntimeError, "start_dim cannot come after"),
        (lambda: X.unflatten(1, (2, 2)), RuntimeError, "don't multiply up"),
        (lambda: X.sum_to_size(4), RuntimeError, "not expandable"),
        (lambda: X.movedim((0, 1), 0), RuntimeError, "same number of dims"),
        (lambda: isograd.ones(1, 1, 1).t(), RuntimeError, "<= 2 dimensions"),
        (lambda: isograd.ones(2).mT, RuntimeError, "only supported on matrices"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
