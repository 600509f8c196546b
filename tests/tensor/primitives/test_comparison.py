"""Comparisons and tests of values, against NumPy and torch's documented behaviour.

Run: ``pytest tests/tensor/primitives/test_comparison.py``
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import isograd as torch
from tests.checks import draw

NAMES = ["eq", "ne", "lt", "le", "gt", "ge"]
INF, NAN = float("inf"), float("nan")
SPECIAL = [INF, -INF, NAN, 0.0, -0.0, 1.5, -2.0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8", "bool"])
def test_compares_as_numpy(name: str, dtype: str) -> None:
    make, d = draw(), getattr(torch, dtype)
    x = torch.tensor(np.round(make(3, 4, low=0.0, high=3.0))).to(d)
    y = torch.tensor(np.round(make(4, low=0.0, high=3.0))).to(d)
    got = getattr(torch, name)(x, y)
    assert got.dtype is torch.bool
    python = getattr(operator, name)
    want = python(x.to(torch.float64).numpy(), y.to(torch.float64).numpy())
    assert got.tolist() == want.tolist()
    assert python(x, y).tolist() == want.tolist()
    assert getattr(x, name)(1).tolist() == python(x.to(torch.float64).numpy(), 1).tolist()


def test_promotes_before_comparing() -> None:
    assert (torch.tensor([1, 2]) == 1.5).tolist() == [False, False]
    assert (torch.tensor([1, 2]) < torch.tensor(1.5)).tolist() == [True, False]
    assert (2 > torch.tensor([1, 2])).tolist() == [True, False]
    assert (torch.tensor([44], dtype=torch.uint8) == 300).tolist() == [True]  # 300 wraps to 44
    assert (torch.tensor([1, 2]) == np.float32(1)).tolist() == [True, False]


def test_strangers_are_unequal_and_unordered() -> None:
    t = torch.tensor([1, 2])
    assert (t == None) is False  # noqa: E711
    assert (t != None) is True  # noqa: E711
    assert (t == "a") is False
    with pytest.raises(TypeError):
        t < "a"  # type: ignore[operator]  # noqa: B015
    with pytest.raises(TypeError, match=r"eq\(\): argument 'input' \(position 1\) must be Tensor"):
        torch.eq(1, t)


def test_in_place_and_out() -> None:
    t = torch.tensor([1.0, 2.0])
    assert t.eq_(1.0) is t
    assert t.tolist() == [1.0, 0.0]
    out = torch.empty(2)
    torch.lt(torch.tensor([1, 2]), 2, out=out)
    assert out.tolist() == [1.0, 0.0]


def test_complex_numbers_are_equal_but_not_ordered() -> None:
    z = torch.tensor([1j, 2.0])
    assert (z == 2).tolist() == [False, True]
    with pytest.raises(NotImplementedError, match="no order"):
        z < 1  # noqa: B015


def test_no_gradient() -> None:
    x = torch.ones(2, requires_grad=True)
    assert not (x > 0).requires_grad


@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose_as_numpy(equal_nan: bool) -> None:
    a, b = np.array(SPECIAL), np.array(SPECIAL)[:, None] * (1 + 5e-6)
    got = torch.isclose(torch.tensor(a), torch.tensor(b), equal_nan=equal_nan)
    assert got.tolist() == np.isclose(a, b, equal_nan=equal_nan).tolist()
    assert torch.allclose(torch.tensor([1, 2]), torch.tensor([1, 3]), rtol=0.5)


def test_isclose_refuses() -> None:
    with pytest.raises(RuntimeError, match="one dtype"):
        torch.isclose(torch.ones(2), torch.ones(2, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="rtol must be greater than or equal to zero, but got"):
        torch.allclose(torch.ones(2), torch.ones(2), rtol=-1.0)


def test_equal() -> None:
    a = torch.tensor([1.0, 2.0])
    assert torch.equal(a, a.clone())
    assert not torch.equal(a, torch.ones(3))
    assert not torch.equal(torch.tensor(NAN), torch.tensor(NAN))
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        torch.equal(a, 1)


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_value_tests_as_numpy(name: str, dtype: str) -> None:
    got = getattr(torch, name)(torch.tensor(SPECIAL, dtype=getattr(torch, dtype)))
    assert got.dtype is torch.bool
    assert got.tolist() == getattr(np, name)(np.array(SPECIAL)).tolist()


def test_value_tests_of_other_dtypes() -> None:
    whole: Any = torch.tensor([-1, 0])
    assert torch.isfinite(whole).tolist() == [True, True]
    assert torch.isnan(whole).tolist() == [False, False]
    assert torch.signbit(whole).tolist() == [True, False]
    assert torch.isreal(torch.tensor([1j, 2.0])).tolist() == [False, True]
    with pytest.raises(RuntimeError, match="isneginf does not support complex"):
        torch.isneginf(torch.tensor([1j]))
