"""Rounding, against NumPy.

Run: ``pytest tests/tensor/primitives/test_rounding.py``
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd as torch
from tests.checks import check_op

VALUES = np.array([-2.5, -1.5, -0.6, -0.5, 0.4, 0.5, 1.5, 2.7])
AWAY = np.array([-2.3, -1.4, 0.3, 1.8])  # finite differences must not cross a step


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round"])
def test_whole_numbers(name: str) -> None:
    check_op(getattr(torch, name), getattr(np, name), VALUES, grad=False)
    check_op(getattr(torch, name), getattr(np, name), AWAY)
    assert getattr(torch, name)(torch.tensor([3])).dtype is torch.int64


def test_decimals() -> None:
    x = torch.tensor([1.2345, -12.5], dtype=torch.float64)
    assert torch.round(x, decimals=2).tolist() == [1.23, -12.5]
    assert torch.round(x, decimals=-1).tolist() == [0.0, -10.0]


def test_frac() -> None:
    check_op(torch.frac, lambda v: v - np.trunc(v), AWAY)
