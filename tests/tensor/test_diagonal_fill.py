"""``fill_diagonal_`` against NumPy's. Run: pytest tests/tensor/test_diagonal_fill.py"""

from __future__ import annotations

import numpy as np
import pytest

import isograd as torch


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (7, 3), (8, 3), (9, 1), (3, 3, 3), (0, 3)])
def test_values(shape: tuple[int, ...], wrap: bool) -> None:
    want = np.zeros(shape)
    if want.size:
        np.fill_diagonal(want, 5, wrap)
    x = torch.zeros(shape)
    assert x.fill_diagonal_(5, wrap) is x
    assert x.tolist() == want.tolist()


def test_views_and_gradients() -> None:
    x = torch.zeros(2, 3, 3)
    x[1].t().fill_diagonal_(2)
    assert x.sum().item() == 6
    assert x[1].diagonal().tolist() == [2, 2, 2]
    w = torch.ones(3, 3, requires_grad=True)
    (w * 2).fill_diagonal_(0).sum().backward()
    assert w.grad.tolist() == [[0, 2, 2], [2, 0, 2], [2, 2, 0]]


def test_errors() -> None:
    with pytest.raises(RuntimeError, match="dimensions must be larger than 1"):
        torch.zeros(3).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match="of equal length"):
        torch.zeros(2, 3, 3).fill_diagonal_(1)
