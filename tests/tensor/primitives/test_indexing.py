"""The primitives of indexing: views alias, picked elements are copies, gradients add up.

Reference: NumPy's own indexing; finite differences for gradients.
Run: pytest tests/tensor/primitives/test_indexing.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd.tensor.primitives.indexing import index, part, put
from tests.checks import check_op, draw

X = draw()(3, 4, 5)
K = np.array([2, 0, 2])
J = np.array([[1], [-1]])


@pytest.mark.parametrize(
    ("dims", "picks", "key"),
    [
        ((0,), (K,), (K,)),
        ((1,), (J,), (slice(None), J)),
        ((0, 1), (K, J), (K, J)),
        ((0, 2), (K, J), (K, slice(None), J)),
        ((1, 2), (K, J), (slice(None), K, J)),
        ((0,), (X[:, :, 0] > 0,), (X[:, :, 0] > 0,)),
        ((1,), (X[0] > 0,), (slice(None), X[0] > 0)),
    ],
)
def test_index_and_put_are_numpys(dims, picks, key):
    tensors = tuple(isograd.tensor(p) for p in picks)
    check_op(lambda x: index(x, tensors, dims), lambda x: x[key], X)
    picked = X[key]
    value = draw(1)(*picked.shape)

    def added(x, v):
        out = x.copy()
        np.add.at(out, key, v)
        return out

    check_op(lambda x, v: put(x, v, tensors, dims, True), added, X, value)
    transposed = isograd.tensor(X.transpose(2, 1, 0).copy()).permute(2, 1, 0)
    np.testing.assert_array_equal(index(transposed, tensors, dims).numpy(), picked)


def test_put_replaces_and_stops_the_gradient_there():
    where = isograd.tensor([2, 0])

    def replaced(x, v):
        out = x.copy()
        out[[2, 0]] = v
        return out

    check_op(lambda x, v: put(x, v, (where,), (0,)), replaced, (3, 4), (2, 1))


def test_part_is_a_view():
    x = isograd.zeros(3, 4)
    v = part(x, (1, slice(0, 3, 2), None, ...))
    assert v.shape == (2, 1)
    v.fill_(7.0)
    assert x.tolist()[1] == [7.0, 0.0, 7.0, 0.0]
    assert part(x, (0, 0, ...)).shape == ()


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_low_precision_is_rounded_once(name):
    """256 times 1/256 onto 1: adding one by one in bfloat16 would stay at 1."""
    d = getattr(isograd, name)
    x, v = isograd.ones(1, dtype=d), isograd.full((256,), 1 / 256, dtype=d)
    out = put(x, v, (isograd.zeros(256, dtype=isograd.int64),), (0,), True)
    assert out.dtype is d
    assert out.item() == 2.0
