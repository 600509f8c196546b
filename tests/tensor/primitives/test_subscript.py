"""``x[...]`` and ``x[...] = v``: torch's rules, its errors, aliasing and gradients.

Reference: NumPy where the rules agree; elsewhere values and shapes as torch gives them.
Run: pytest tests/tensor/primitives/test_subscript.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_op, draw

A = np.arange(24.0).reshape(2, 3, 4)
SAME_AS_NUMPY = [
    0, -1, (1, 2), (1, 2, 3), slice(1, None), (slice(None), slice(0, 3, 2)), None, ...,
    (..., 0), (0, ..., 1), (None, 0, None), (slice(5, 2),), [0, 1, 0], ([1, 0], [2, 1]),
    (slice(None), [0, 2]), ([0, 1], slice(None), [3, 0]), A > 5, (slice(None), A[0] > 5), True,
    False, (slice(None), [[0, 1], [2, 2]]), np.int64(1), np.array([1, 0]), (..., [1, -1]),
    [True, False], (slice(None), A[0, :, 0] > 1, [0]), [],
]  # fmt: skip


def as_tensors(key):
    if isinstance(key, tuple):
        return tuple(as_tensors(k) for k in key)
    return isograd.tensor(key) if isinstance(key, np.ndarray) and key.ndim else key


def as_numpy(key):
    return np.array([], dtype=int) if isinstance(key, list) and not key else key


@pytest.mark.parametrize("key", SAME_AS_NUMPY, ids=lambda k: str(k)[:40].replace("\n", " "))
def test_reads_and_writes_as_numpy(key):
    x = isograd.tensor(A)
    want = A[as_numpy(key)]
    np.testing.assert_array_equal(x[as_tensors(key)].numpy(), want)
    expected = A.copy()
    expected[as_numpy(key)] = -1.0
    x[as_tensors(key)] = -1.0
    np.testing.assert_array_equal(x.numpy(), expected)
    values = draw()(*want.shape)
    expected[as_numpy(key)] = values
    x[as_tensors(key)] = isograd.tensor(values)
    np.testing.assert_array_equal(x.numpy(), expected)


def test_integers_are_taken_before_tensors():
    """NumPy puts the picked dimension first in ``x[0, :, [..]]``; torch leaves it in its place."""
    x = isograd.tensor(A)
    np.testing.assert_array_equal(x[0, :, [0, 1, 3]].numpy(), A[0][:, [0, 1, 3]])
    one = isograd.tensor(1)
    assert x[one, :, isograd.tensor([0, 1])].shape == (3, 2)
    assert x[one].data_ptr() == x[1].data_ptr(), "a 0-d tensor counts as an integer: a view"


def test_other_kinds_of_index():
    x = isograd.tensor(A)
    assert x[isograd.tensor(True)].shape == (1, 2, 3, 4)
    assert x[isograd.tensor([1, 0], dtype=isograd.uint8)].shape == (1, 3, 4), "uint8 is a mask"
    assert x[isograd.tensor([1, 0], dtype=isograd.int32)].shape == (2, 3, 4)
    assert x[range(2)].shape == (2, 3, 4)
    assert x[isograd.tensor(1) :].shape == (1, 3, 4)
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert x[[slice(0, 1), 0]].shape == (1, 4)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (5, IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        ((0, -4), IndexError, "index -4 is out of bounds for dimension 1 with size 3"),
        ((0, 0, 0, 0), IndexError, "too many indices for tensor of dimension 3"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        ([5], IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        ([0.5], IndexError, "tensors used as indices must be long, int, byte or bool"),
        (([0, 1], [0, 1, 2]), IndexError, "shape mismatch: indexing tensors"),
        ([True, False, True], IndexError, r"The shape of the mask \[3\] at index 0"),
        (1.0, IndexError, "only integers, slices"),
    ],
)
def test_errors(key, error, message):
    x = isograd.tensor(A)
    with pytest.raises(error, match=message):
        x[key]
    with pytest.raises(error, match=message):
        x[key] = 0.0


def test_errors_of_values():
    x = isograd.zeros(3, 4)
    with pytest.raises(IndexError, match="0-dim"):
        isograd.tensor(1.0)[0]
    with pytest.raises(RuntimeError, match=r"value tensor of shape \[3\] cannot be broadcast"):
        x[[0, 1]] = isograd.ones(3)
    with pytest.raises(RuntimeError, match=r"shape \[3\]"):
        x[0] = isograd.ones(3)
    with pytest.raises(TypeError, match="can't assign a str"):
        x[0] = "a"
    with pytest.raises(RuntimeError, match="without overflow"):
        x[0] = 1 + 2j
    with pytest.raises(RuntimeError, match="single memory location"):
        x[0, :1].expand(4)[1:] = 1.0
    x[0] = isograd.ones(1, 1, 4)  # leading dimensions of 1 are dropped
    assert x[0].tolist() == [1.0] * 4


def test_assignment_converts_the_dtype():
    x = isograd.zeros(3, dtype=isograd.int64)
    x[:2] = isograd.tensor([1.7, 2.9])
    x[2] = True
    assert x.tolist() == [1, 2, 1]


def test_views_alias_and_picked_elements_do_not():
    x = isograd.zeros(2, 3)
    x[0][1] = 5.0
    x[:, 2].add_(1.0)
    assert x.tolist() == [[0.0, 5.0, 1.0], [0.0, 0.0, 1.0]]
    x[[0]].zero_()
    assert x[0, 1].item() == 5.0


@pytest.mark.parametrize(
    "key",
    [
        (0,), (slice(0, 2),), (slice(None), slice(0, 3, 2)), ([1, 0],), ([1, 1, 0], [2, 2, 0]),
        (0, [1, 2]), (slice(1, None), [0, 2]), (None, 1, [0]),
    ],
)  # fmt: skip
def test_gradients_of_reading(key):
    check_op(lambda x: x[key], lambda x: x[key], (2, 3))


@pytest.mark.parametrize(
    "key",
    [
        (0,), (slice(0, 2), 1), (slice(None), slice(0, 3, 2)), ([1, 0],), ([1, 0], [2, 0]),
        (0, [1, 2]), (slice(1, None), [0, 2]), (...,),
    ],
)  # fmt: skip
def test_gradients_of_writing(key):
    """To what is kept and to the value, through a base that was computed before."""

    def write(x, v):
        out = x * 2.0
        out[key] = v * 3.0
        return out

    def reference(x, v):
        out = x * 2.0
        out[key] = v * 3.0
        return out

    shape = np.zeros((2, 3))[key].shape
    check_op(write, reference, (2, 3), shape)
    check_op(write, reference, (2, 3), (1,))


def test_a_write_reaches_base_and_views():
    x = isograd.ones(3, requires_grad=True)
    base = x * 1.0
    view = base[1:]
    v = isograd.tensor(5.0, requires_grad=True)
    base[1] = v * 2.0
    (view * isograd.tensor([10.0, 1.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]
    assert v.grad.item() == 20.0


def test_writes_to_leaves():
    x = isograd.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x[0] = 2.0
    with isograd.no_grad():
        x[0] = 2.0
    assert x.tolist() == [2.0, 1.0, 1.0]


def test_a_write_invalidates_what_was_saved():
    x = isograd.ones(3, requires_grad=True)
    y = x.exp()
    z = y.sum()
    y[0] = 0.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_index_put():
    x = isograd.zeros(2, 3)
    where = (None, isograd.tensor([0, 0, 2]))
    assert x.index_put(where, isograd.ones(3), accumulate=True).tolist() == [[2.0, 0.0, 1.0]] * 2
    x.index_put_((isograd.tensor([1]),), isograd.tensor([1.0, 2.0, 3.0]))
    assert x.tolist() == [[0.0] * 3, [1.0, 2.0, 3.0]]
    with pytest.raises(RuntimeError, match="source and destination dtypes match"):
        x.index_put_((isograd.tensor([1]),), isograd.ones(3, dtype=isograd.float64))
