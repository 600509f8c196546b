"""searchsorted, bucketize, unique, unique_consecutive, isin.

Reference: NumPy.
Run: pytest tests/tensor/primitives/test_searching.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import draw

EDGES = isograd.tensor([1.0, 2.0, 2.0, 4.0])


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64"])
def test_searchsorted(right, dtype):
    d = getattr(isograd, dtype)
    x = isograd.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 9.0]]).to(d)
    side = "right" if right else "left"
    want = np.searchsorted(EDGES.numpy(), x.float().numpy(), side)
    assert isograd.searchsorted(EDGES.to(d), x, right=right).tolist() == want.tolist()
    assert isograd.searchsorted(EDGES.to(d), x, side=side).tolist() == want.tolist()
    assert isograd.bucketize(x, EDGES.to(d), right=right).tolist() == want.tolist()
    assert isograd.bucketize(x, EDGES.to(d), out_int32=True).dtype is isograd.int32


def test_searchsorted_in_rows_of_any_order():
    rows, wanted = draw()(3, 6), draw(1)(3, 2)
    order = rows.argsort(1)
    got = isograd.searchsorted(
        isograd.tensor(rows), isograd.tensor(wanted), sorter=isograd.tensor(order)
    )
    want = [np.searchsorted(np.sort(r), w).tolist() for r, w in zip(rows, wanted, strict=True)]
    assert got.tolist() == want
    assert isograd.searchsorted(EDGES, 1.5).item() == 1
    assert isograd.bucketize(2.5, EDGES).item() == 3


def test_searchsorted_errors():
    two = isograd.ones(2, 3)
    for call, message in [
        (lambda: isograd.searchsorted(two, 1.0), "scalar only when boundaries"),
        (lambda: isograd.searchsorted(two, isograd.ones(3, 3)), "must match"),
        (lambda: isograd.searchsorted(EDGES, two, right=True, side="left"), "opposites"),
        (lambda: isograd.bucketize(two, two), "must be 1 dimension"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            call()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_unique(dtype):
    x = isograd.tensor([[1, 0, 1], [0, 0, 1]]).to(getattr(isograd, dtype))
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values.dtype is x.dtype
    assert values.tolist() == [0, 1]
    assert values[inverse].tolist() == x.tolist()
    assert counts.tolist() == [3, 3]
    assert isograd.unique(x).tolist() == [0, 1]


def test_unique_slices():
    x = isograd.tensor([[3, 1], [1, 2], [3, 1], [1, 0]])
    values, inverse, counts = isograd.unique(x, return_inverse=True, return_counts=True, dim=0)
    assert values.tolist() == [[1, 0], [1, 2], [3, 1]]
    assert inverse.tolist() == [2, 1, 2, 0]
    assert counts.tolist() == [1, 1, 2]
    assert x.t().unique(dim=1).tolist() == [[1, 1, 3], [0, 2, 1]]


def test_unique_of_nan_and_of_nothing():
    assert isograd.tensor([float("nan"), 1.0, float("nan")]).unique().shape == (3,)
    assert isograd.zeros(0).unique().shape == (0,)
    with pytest.raises(RuntimeError, match="0 sized dimensions"):
        isograd.zeros(3, 0).unique(dim=0)


def test_unique_consecutive():
    x = isograd.tensor([1, 1, 2, 2, 1])
    values, inverse, counts = x.unique_consecutive(return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 1]
    assert inverse.tolist() == [0, 0, 1, 1, 2]
    assert counts.tolist() == [2, 2, 1]


def test_isin():
    x = isograd.tensor([[1, 2], [3, 4]])
    assert isograd.isin(x, isograd.tensor([2, 3])).tolist() == [[False, True], [True, False]]
    assert isograd.isin(x, 4, invert=True).tolist() == [[True, True], [True, False]]
    assert isograd.isin(1, x).item() is True
    with pytest.raises(TypeError, match="at least one"):
        isograd.isin(1, 2)
