"""New tensors: dtypes by torch's rules, shared memory, ranges, grids, errors.

Reference: NumPy; torch 2.13 for the dtypes and the grids.
Run: pytest tests/tensor/test_creation.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd


@pytest.mark.parametrize(
    ("data", "dtype"),
    [(1, "int64"), (1.0, "float32"), (True, "bool"), (1j, "complex64"), ([], "float32"),
     ([1, 2.5], "float32"), ([True, 2], "int64"), (np.ones(2), "float64"),
     (np.float32(1), "float32"), ([np.float64(1)], "float64")],
)  # fmt: skip
def test_dtype_of_data(data, dtype):
    assert isograd.tensor(data).dtype is getattr(isograd, dtype)


def test_sharing():
    array = np.zeros(3, np.float32)
    isograd.from_numpy(array)[0] = 1
    isograd.as_tensor(array)[1] = 2
    isograd.from_dlpack(array)[2] = 3
    assert array.tolist() == [1, 2, 3]
    isograd.tensor(array).zero_()
    assert array.tolist() == [1, 2, 3]
    made = isograd.frombuffer(bytearray(b"\x01\x02"), dtype=isograd.uint8)
    assert made.tolist() == [1, 2]


def test_filled():
    assert isograd.zeros(2, 3).shape == isograd.zeros((2, 3)).shape == (2, 3)
    assert isograd.full((2,), 7).dtype is isograd.int64
    assert isograd.full((2,), 7.0, dtype=isograd.float64).tolist() == [7.0, 7.0]
    like = isograd.ones(2, dtype=isograd.int8)
    assert isograd.zeros_like(like).dtype is isograd.int8
    assert isograd.full_like(like, 3).tolist() == [3, 3]
    assert like.new_zeros(3).dtype is isograd.int8
    assert isograd.ones(2, requires_grad=True).requires_grad
    turned = isograd.ones(2, 3).t()
    assert isograd.empty_like(turned).stride() == turned.stride()
    out = isograd.empty(0)
    assert isograd.ones(2, out=out) is out and out.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("bounds", [(5,), (2, 7), (7, 2, -2), (0, 1, 0.3), (1.5, 4)])
def test_arange(bounds):
    made = isograd.arange(*bounds)
    want = np.arange(*bounds)
    assert made.dtype is (isograd.int64 if want.dtype.kind == "i" else isograd.float32)
    np.testing.assert_allclose(made.numpy(), want, rtol=1e-6)


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_spaced(steps):
    np.testing.assert_allclose(isograd.linspace(-1, 2, steps).numpy(), np.linspace(-1, 2, steps))
    np.testing.assert_allclose(
        isograd.logspace(0, 2, steps).numpy(), np.logspace(0, 2, steps), rtol=1e-6
    )
    assert isograd.linspace(0, 10, 5, dtype=isograd.int64).dtype is isograd.int64


def test_grids():
    x, y, z = isograd.arange(2), isograd.arange(3), isograd.tensor(7)
    for indexing in ("ij", "xy"):
        got = isograd.meshgrid(x, y, z, indexing=indexing)
        want = np.meshgrid(x.numpy(), y.numpy(), z.numpy(), indexing=indexing)
        assert [g.tolist() for g in got] == [w.tolist() for w in want]
    assert isograd.cartesian_prod(x, y).tolist() == [[a, b] for a in range(2) for b in range(3)]
    assert isograd.tril_indices(2, 3, 1).tolist() == [[0, 0, 1, 1, 1], [0, 1, 0, 1, 2]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: isograd.tensor([[1], [2, 3]]), ValueError, "equal lengths"),
        (lambda: isograd.tensor("a"), TypeError, "invalid data type"),
        (lambda: isograd.tensor([None]), TypeError, "could not infer dtype"),
        (lambda: isograd.zeros(-1), RuntimeError, "negative dimension"),
        (lambda: isograd.zeros(2, colour=1), TypeError, "unexpected keyword"),
        (lambda: isograd.zeros(2, layout="torch.sparse"), NotImplementedError, "not supported"),
        (lambda: isograd.arange(0, 1, 0), RuntimeError, "nonzero"),
        (lambda: isograd.arange(0, 1, -1), RuntimeError, "inconsistent"),
        (lambda: isograd.arange(0, float("inf")), RuntimeError, "unsupported range"),
        (lambda: isograd.linspace(0, 1, -1), RuntimeError, "non-negative"),
        (lambda: isograd.linspace(0, 1, 2.0), TypeError, "must be an int"),
        (lambda: isograd.eye(-1), RuntimeError, "greater or equal to 0"),
        (lambda: isograd.meshgrid(isograd.ones(1), indexing="a"), RuntimeError, "indexing"),
        (lambda: isograd.from_numpy([1]), TypeError, "expected np.ndarray"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
