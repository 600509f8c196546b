"""clamp and nan_to_num, against NumPy; gradients at the bounds as torch's.

Run: ``pytest tests/tensor/primitives/test_clamp.py``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from tests.checks import check_op, draw

INF, NAN = float("inf"), float("nan")
X = draw(1)(3, 4)
VALUES = [NAN, 0.0, 1.0, 2.0, 3.0, 1.5]


def test_values() -> None:
    check_op(lambda x: x.clamp(-0.5, 0.7), lambda x: np.clip(x, -0.5, 0.7), X)
    check_op(lambda x: torch.clip(x, max=0.7), lambda x: np.minimum(x, 0.7), X)
    check_op(lambda x: torch.clamp_min(x, 0.1), lambda x: np.maximum(x, 0.1), X)
    check_op(lambda x: torch.clamp_max(x, 0.1), lambda x: np.minimum(x, 0.1), X)
    low, high = draw(2)(4, high=-0.5), draw(3)(3, 1, low=0.5)
    check_op(torch.clamp, np.clip, X, low, high)
    check_op(torch.clamp_min, np.maximum, X, low)
    check_op(torch.clamp_max, np.minimum, X, high)


def test_nan_and_crossed_bounds() -> None:
    x = torch.tensor(VALUES)
    np.testing.assert_array_equal(x.clamp(2, 1).numpy(), [NAN, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(x.clamp(1, NAN).numpy(), [NAN] * 6)


def test_promotion() -> None:
    whole = torch.tensor([1, 2])
    assert whole.clamp(1.5).tolist() == [1.5, 2.0]
    assert whole.clamp(2).dtype is torch.int64
    assert torch.tensor([True]).clamp(0, 1).dtype is torch.int64
    with pytest.raises(RuntimeError, match="can't be cast"):
        whole.clamp_(1.5)


def gradients(fn: Any, *values: list[float]) -> list[Any]:
    leaves = [torch.tensor(v, requires_grad=True) for v in values]
    fn(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


def test_gradient_passes_at_the_bounds() -> None:
    assert gradients(lambda x: x.clamp(1, 2), VALUES) == [[0, 0, 1, 1, 0, 1]]
    assert gradients(lambda x: x.clamp(min=1), VALUES) == [[0, 0, 1, 1, 1, 1]]
    assert gradients(torch.clamp, VALUES, [1.0] * 6, [2.0] * 6) == [
        [0, 0, 1, 1, 0, 1],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0],
    ]
    assert gradients(torch.clamp, VALUES, [2.0] * 6, [1.0] * 6) == [[0] * 6, [0] * 6, [1] * 6]


def test_refuses() -> None:
    with pytest.raises(RuntimeError, match="At least one of 'min' or 'max'"):
        torch.ones(2).clamp()
    with pytest.raises(TypeError, match="two numbers or two tensors"):
        torch.ones(2).clamp(torch.ones(2), 2)
    with pytest.raises(NotImplementedError, match="complex"):
        torch.tensor([1j]).clamp(1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_nan_to_num(dtype: str) -> None:
    d = getattr(torch, dtype)
    x = torch.tensor([NAN, INF, -INF, 1.5], dtype=d)
    limits = torch.finfo(d)
    assert x.nan_to_num().tolist() == [0.0, limits.max, limits.min, 1.5]
    assert x.nan_to_num(1.0, 2.0, 3.0).tolist() == [1.0, 2.0, 3.0, 1.5]
    assert torch.nan_to_num(torch.tensor([complex(INF, NAN)]), posinf=2.0).tolist() == [2 + 0j]
    assert gradients(torch.nan_to_num, [NAN, INF, 1.0]) == [[0.0, 0.0, 1.0]]
