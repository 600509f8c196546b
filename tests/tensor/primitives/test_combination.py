"""lerp, addcmul and addcdiv, against their formulas.

Run: ``pytest tests/tensor/primitives/test_combination.py``
"""

from __future__ import annotations

from typing import Any

import pytest

import isograd as torch
from tests.checks import check_op, draw

X, Y, Z = draw(1)(3, 4), draw(2)(4), draw(3)(3, 1, low=0.5)


def lerp(x: Any, end: Any, weight: Any) -> Any:
    return x + weight * (end - x)


@pytest.mark.parametrize("weight", [0.3, 0.8, Z])
def test_lerp(weight: Any) -> None:
    check_op(torch.lerp, lerp, X, Y, weight)
    check_op(torch.lerp, lerp, X + 1j, Y - 2j, 0.3, dtypes=("complex128",))


def test_lerp_reaches_its_end() -> None:
    x, end = torch.tensor([1e8]), torch.tensor([0.1])
    assert torch.lerp(x, end, 1.0).tolist() == end.tolist()
    with pytest.raises(RuntimeError, match="expected dtype torch.float32 for `end`"):
        torch.lerp(x, end.double(), 0.5)
    with pytest.raises(NotImplementedError, match="floating-point"):
        torch.lerp(torch.tensor([1]), torch.tensor([2]), 0.5)


def test_addcmul_and_addcdiv() -> None:
    check_op(torch.addcmul, lambda x, a, b, value: x + value * a * b, X, Y, Z, value=0.7)
    check_op(torch.addcdiv, lambda x, a, b, value: x + value * a / b, X, Y, Z, value=0.7)
    one = torch.tensor([1, 2])
    assert torch.addcmul(one, one, one, value=2).tolist() == [3, 10]
    target = torch.ones(2)
    assert target.addcdiv_(torch.ones(2), torch.full((2,), 4.0), value=2) is target
    assert target.tolist() == [1.5, 1.5]
    with pytest.raises(RuntimeError, match="addcdiv: expected floating-point"):
        torch.addcdiv(one, one, one)
