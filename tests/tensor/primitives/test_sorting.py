"""sort, topk, kthvalue, median, mode: values, ties, nan, every dtype, gradients.

Reference: NumPy's stable sort; torch's rules for nan (the largest) and for medians (the lower).
Run: pytest tests/tensor/primitives/test_sorting.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw

NAN = float("nan")


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("descending", [False, True])
def test_sort(dim, descending):
    def reference(x):
        return -np.sort(-x, dim) if descending else np.sort(x, dim)

    check_op(lambda x: x.sort(dim, descending).values, reference, (3, 5))
    check_op(lambda x: isograd.msort(x), lambda x: np.sort(x, 0), (3, 5))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int64", "uint8", "bool"])
def test_sort_is_stable_in_both_directions(dtype):
    x = isograd.tensor([1, 0, 1, 0, 1]).to(getattr(isograd, dtype))
    values, indices = x.sort()
    assert values.dtype is x.dtype
    assert indices.tolist() == [1, 3, 0, 2, 4]
    assert x.argsort(descending=True, stable=True).tolist() == [0, 2, 4, 1, 3]


def test_nan_counts_as_the_largest():
    x = isograd.tensor([1.0, NAN, 2.0])
    assert x.argsort().tolist() == [0, 2, 1]
    assert x.argsort(descending=True).tolist() == [1, 2, 0]
    assert x.topk(2).indices.tolist() == [1, 2]
    assert x.kthvalue(3).indices.item() == 1
    assert isograd.isnan(x.median()).item()
    assert x.median(0).indices.item() == 1
    assert x.nanmedian().item() == 1.0
    assert x.nanmedian(0).indices.item() == 0
    assert isograd.isnan(isograd.tensor([NAN]).nanmedian(0).values).item()


def test_results_have_names():
    found = isograd.tensor([2.0, 1.0]).sort()
    assert found.values.tolist() == [1.0, 2.0]
    assert found[1].tolist() == [1, 0]
    assert repr(found).startswith("torch.return_types.sort(\nvalues=tensor([1., 2.])")
    out = (isograd.empty(2), isograd.empty(2, dtype=isograd.int64))
    isograd.sort(isograd.tensor([2.0, 1.0]), out=out)
    assert out[1].tolist() == [1, 0]


def test_numbers():
    one = isograd.tensor(3.0)
    assert (one.sort().values.item(), one.sort().indices.item()) == (3.0, 0)
    assert one.topk(1).indices.item() == 0
    assert one.median(0).values.item() == 3.0


@pytest.mark.parametrize("n", [7, 300, 1000])
@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("kind", ["float", "ties", "infinite", "nan"])
def test_topk_is_the_head_of_a_stable_sort(n, k, largest, kind):
    """Every way of selecting gives what sorting would, ties included."""
    x = draw(n)(4, n)
    if kind == "ties":
        x = np.round(x)
    elif kind == "infinite":
        x[:, ::3] = -np.inf if largest else np.inf
        x[1] = -np.inf if largest else np.inf
    elif kind == "nan":
        x[:, 5] = NAN
    k = min(k, n)
    t = isograd.tensor(x)
    values, indices = t.topk(k, largest=largest)
    order = t.argsort(descending=largest)[:, :k]
    assert indices.tolist() == order.tolist()
    np.testing.assert_array_equal(values.numpy(), t.gather(1, order).numpy())


def test_selections_and_their_gradients():
    rank = lambda x: np.sort(x, 1)  # noqa: E731
    check_op(lambda x: x.topk(2, 1).values, lambda x: rank(x)[:, ::-1][:, :2], (3, 5))
    check_op(lambda x: x.topk(2, 0, False)[0], lambda x: np.sort(x, 0)[:2], (3, 5))
    check_op(lambda x: x.kthvalue(2).values, lambda x: rank(x)[:, 1], (3, 5))
    check_op(lambda x: x.median(1, keepdim=True)[0], lambda x: rank(x)[:, 1:2], (3, 4))
    check_op(lambda x: x.median(), lambda x: np.sort(x, None)[5], (3, 4))
    check_op(lambda x: x.mode(1).values, lambda x: rank(x)[:, 0], (3, 4))


def test_the_median_of_all_shares_its_gradient_among_equals():
    x = isograd.tensor([2.0, 1.0, 2.0, 3.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == [0.5, 0.0, 0.5, 0.0]


def test_mode():
    x = isograd.tensor([[1, 2, 2, 1, 3], [4, 4, 5, 5, 5], [9, 8, 7, 6, 5]])
    values, indices = x.mode(1)
    assert values.tolist() == [1, 5, 5]
    assert indices.tolist() == [3, 4, 4]


def test_errors():
    x = isograd.ones(3, 4)
    with pytest.raises(RuntimeError, match="selected index k out of range"):
        x.topk(9)
    with pytest.raises(RuntimeError, match="selected number k out of range for dimension 1"):
        x.kthvalue(0)
    with pytest.raises(RuntimeError, match="no order"):
        isograd.ones(2, dtype=isograd.complex64).sort()
    with pytest.raises(IndexError, match="non-zero size"):
        isograd.ones(0, 2).median(0)
