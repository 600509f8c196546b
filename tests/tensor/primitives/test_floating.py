"""Parts, neighbours and steps of floating-point numbers, against NumPy.

Run: ``pytest tests/tensor/primitives/test_floating.py``
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd as torch
from tests.checks import check_op, draw

INF, NAN = float("inf"), float("nan")
X, Y = draw(1)(3, 4), draw(2)(4)


def test_against_numpy() -> None:
    check_op(torch.copysign, np.copysign, X, Y)
    check_op(torch.deg2rad, np.deg2rad, X)
    check_op(torch.rad2deg, np.rad2deg, X)
    check_op(torch.heaviside, np.heaviside, X, Y, grad=False)
    check_op(torch.ldexp, lambda x, y: x * 2.0**y, X, Y)


def test_copysign_of_zeros() -> None:
    got = torch.copysign(torch.tensor([1, 0]), torch.tensor([-0.0, -1.0]))
    assert got.dtype is torch.float32
    assert torch.signbit(got).tolist() == [True, True]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_nextafter(dtype: str) -> None:
    d = getattr(torch, dtype)
    one = torch.tensor([1.0, 1.0], dtype=d)
    got = torch.nextafter(one, torch.tensor([2.0, 1.0], dtype=d))
    assert (got - one).tolist() == [torch.finfo(d).eps, 0.0]
    with pytest.raises(NotImplementedError, match="floating-point"):
        torch.nextafter(torch.tensor([1]), torch.tensor([2]))


def test_frexp() -> None:
    x = torch.tensor([1.0, 0.0, 10.0, INF, -0.3], requires_grad=True)
    result = torch.frexp(x)
    assert result.mantissa.tolist() == pytest.approx([0.5, 0.0, 0.625, INF, -0.6])
    assert result.exponent.tolist() == [1, 0, 4, 0, -1]
    assert result.exponent.dtype is torch.int32
    result.mantissa.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.5, 1.0, 0.0625, 1.0, 2.0]
    with pytest.raises(RuntimeError, match="floating-point"):
        torch.frexp(torch.tensor([1]))


def test_float_power() -> None:
    got = torch.float_power(torch.tensor([2, -2]), 3)
    assert got.dtype is torch.float64
    assert got.tolist() == [8.0, -8.0]
    assert torch.float_power(2, torch.tensor([2.0])).tolist() == [4.0]
    assert torch.float_power(torch.tensor([2j]), 2).dtype is torch.complex128
    x = torch.tensor([3.0], dtype=torch.float64)
    assert x.float_power_(2) is x
    assert x.tolist() == [9.0]
    with pytest.raises(RuntimeError, match="requires dtype torch.float64"):
        torch.tensor([2.0]).float_power_(2)


def test_heaviside_needs_one_dtype() -> None:
    with pytest.raises(RuntimeError, match="different dtypes"):
        torch.heaviside(torch.ones(1), torch.ones(1, dtype=torch.float64))
    assert torch.heaviside(torch.tensor([NAN]), torch.tensor([5.0])).tolist() == [0.0]
