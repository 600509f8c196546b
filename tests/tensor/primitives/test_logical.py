"""Logic and bits, against NumPy and torch's documented behaviour.

Run: ``pytest tests/tensor/primitives/test_logical.py``
"""

from __future__ import annotations

import operator

import numpy as np
import pytest

import isograd as torch

LOGIC = ["logical_and", "logical_or", "logical_xor"]
BITS = {
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "bitwise_left_shift": operator.lshift,
    "bitwise_right_shift": operator.rshift,
}


@pytest.mark.parametrize("name", LOGIC)
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "bfloat16", "complex64"])
def test_truth_of_any_dtype(name: str, dtype: str) -> None:
    a = torch.tensor([0, 0, 3, 3]).to(getattr(torch, dtype))
    b = torch.tensor([0.0, 2.0, 0.0, 2.0])
    want = getattr(np, name)([0, 0, 3, 3], [0, 2, 0, 2])
    got = getattr(torch, name)(a, b)
    assert got.dtype is torch.bool
    assert got.tolist() == want.tolist()
    if dtype != "complex64":
        getattr(a, name + "_")(b)
        assert a.to(torch.bool).tolist() == want.tolist()


def test_logical_not() -> None:
    assert torch.logical_not(torch.tensor([0.0, 0.5])).tolist() == [True, False]
    with pytest.raises(TypeError, match=r"logical_and\(\): argument 'other'"):
        torch.logical_and(torch.ones(1), 1)


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8"])
def test_bits_and_operators(name: str, dtype: str) -> None:
    python, d = BITS[name], getattr(torch, dtype)
    a, b = torch.tensor([1, 6, 12], dtype=d), torch.tensor([3, 2, 1], dtype=d)
    want = [python(x, y) for x, y in zip([1, 6, 12], [3, 2, 1], strict=True)]
    assert getattr(torch, name)(a, b).tolist() == want
    assert python(a, b).tolist() == want
    assert python(a, 2).tolist() == [python(x, 2) for x in [1, 6, 12]]
    assert python(2, b).tolist() == [python(2, x) for x in [3, 2, 1]]
    before = a
    a = getattr(operator, "i" + python.__name__.strip("_"))(a, b)
    assert a is before
    assert a.tolist() == want


def test_bools_stay_bools_and_numbers_promote() -> None:
    t = torch.tensor([True, False])
    assert (t & True).dtype is torch.bool
    assert (t & 1).dtype is torch.int64
    assert (~t).tolist() == [False, True]
    assert torch.bitwise_not(torch.tensor([0, 5])).tolist() == [-1, -6]


def test_shifts_beyond_the_width() -> None:
    assert (torch.tensor([1]) << 70).tolist() == [0]
    assert (torch.tensor([-5]) >> 70).tolist() == [-1]
    assert (torch.tensor([1]) << -1).tolist() == [0]


def test_floats_have_no_bits() -> None:
    with pytest.raises(NotImplementedError, match="bitwise_and: expected integers or bools"):
        torch.ones(2) & 1
    with pytest.raises(NotImplementedError, match="bitwise_left_shift: expected integers, got"):
        torch.tensor([True]) << torch.tensor([True])
    with pytest.raises(TypeError, match="only implemented on integer and Boolean"):
        ~torch.ones(2)
    with pytest.raises(TypeError):
        torch.tensor([1]) & "a"
