"""Sums, products, quotients and powers, against NumPy and torch's documented behaviour.

Gradients of all records are checked in tests/tensor/test_records.py.
Run: ``pytest tests/tensor/primitives/test_arithmetic.py``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from tests.checks import check_op, draw

POSITIVE = draw(1)(3, 4, low=0.5, high=2.0)
PAIR = (draw(2)(3, 4, low=-2.0), draw(3)(4, low=0.5))


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide),
        ("remainder", np.remainder), ("fmod", np.fmod),
    ],
)  # fmt: skip
def test_pairs(name: str, ref: Any) -> None:
    check_op(getattr(torch, name), ref, *PAIR, dtypes=("float32", "float64"))
    check_op(getattr(torch, name), ref, (3, 4), 1.5)


def test_pow() -> None:
    check_op(torch.pow, np.power, POSITIVE, PAIR[1])
    for exponent in (2, 3, 0.5, -1, -2, 1, 0, 2.5):
        check_op(torch.pow, np.power, POSITIVE, exponent)
    check_op(lambda y: torch.pow(2.0, y), lambda y: 2.0**y, (3, 4))
    assert torch.pow(torch.tensor([True]), 2).dtype is torch.int64
    assert torch.pow(torch.tensor([2, 1, -1]), torch.tensor([-1, -2, -3])).tolist() == [0, 1, -1]
    with pytest.raises(RuntimeError, match="Integers to negative integer powers"):
        torch.tensor([2]) ** -1


def test_pow_gradients_at_zero() -> None:
    x = torch.tensor([0.0, 0.0, 0.0], requires_grad=True)
    y = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    (x**y).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 1.0, 0.0]
    assert y.grad is not None and y.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("d", [torch.int64, torch.float32])
def test_rounding_divisions_and_remainders_of_all_signs(d: Any) -> None:
    a, b = torch.tensor([7, 7, -7, -7], dtype=d), torch.tensor([2, -2, 2, -2], dtype=d)
    assert torch.div(a, b, rounding_mode="floor").tolist() == [3, -4, -4, 3]
    assert (a // b).tolist() == [3, -4, -4, 3]
    assert torch.div(a, b, rounding_mode="trunc").tolist() == [3, -3, -3, 3]
    assert (a % b).tolist() == [1, -1, 1, -1]
    assert torch.fmod(a, b).tolist() == [1, 1, -1, -1]
    assert torch.div(a, b).tolist() == [3.5, -3.5, -3.5, 3.5]


def test_division_errors() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        torch.tensor([1]) // torch.tensor([0])
    with pytest.raises(RuntimeError, match="rounding_mode"):
        torch.div(torch.ones(1), 2, rounding_mode="up")
    assert (torch.tensor([1.0]) / 0).tolist() == [float("inf")]


def test_alpha() -> None:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])
    assert torch.add(x, y, alpha=2).tolist() == [21.0, 42.0]
    assert torch.sub(x, y, alpha=0.5).tolist() == [-4.0, -8.0]
    assert torch.rsub(x, 1).tolist() == [0.0, -1.0]
    assert x.clone().add_(y, alpha=2).tolist() == [21.0, 42.0]
    with pytest.raises(RuntimeError, match="alpha must not be a floating point"):
        torch.add(torch.tensor([1]), 1, alpha=0.5)


def test_bools() -> None:
    t = torch.tensor([True, False])
    assert (t + t).dtype is torch.bool
    with pytest.raises(RuntimeError, match="Subtraction"):
        t - t
    with pytest.raises(RuntimeError, match="bool tensor is not supported"):
        +t  # noqa: B018


def test_one_input() -> None:
    check_op(torch.neg, np.negative, (3, 4))
    check_op(torch.square, np.square, (3, 4))
    check_op(torch.reciprocal, np.reciprocal, POSITIVE)
    check_op(torch.abs, np.abs, PAIR[0])
    check_op(torch.sign, np.sign, PAIR[0])
    z = PAIR[0] + 1j * PAIR[0][::-1]
    check_op(torch.abs, np.abs, z, dtypes=("complex64",))
    check_op(torch.sgn, lambda v: v / np.abs(v), z, dtypes=("complex64",))
    assert torch.sgn(torch.tensor([0j])).tolist() == [0j]
    x = torch.zeros(2, requires_grad=True)
    x.abs().sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 0.0]


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(RuntimeError, match=r"size of tensor a \(3\) must match .* b \(4\) at non-"):
        torch.ones(2, 3) + torch.ones(2, 4)
    with pytest.raises(TypeError, match="argument 'input'"):
        torch.pow(2, 3)
