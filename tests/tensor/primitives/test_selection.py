"""where, maximum, minimum and relu, against NumPy and torch's documented behaviour.

Run: ``pytest tests/tensor/primitives/test_selection.py``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from tests.checks import check_op, draw

NAN = float("nan")
X, Y = draw(1)(3, 4), draw(2)(4)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_pairs(name: str) -> None:
    check_op(getattr(torch, name), getattr(np, name), X, Y)
    a, b = torch.tensor([1.0, NAN, NAN]), torch.tensor([NAN, 2.0, NAN])
    want = getattr(np, name)(a.numpy(), b.numpy())
    np.testing.assert_array_equal(getattr(torch, name)(a, b).numpy(), want)


def gradients(fn: Any, *values: list[float]) -> list[Any]:
    leaves = [torch.tensor(v, requires_grad=True) for v in values]
    fn(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


def test_ties() -> None:
    assert gradients(torch.maximum, [1.0, 2.0], [1.0, 3.0]) == [[0.5, 0.0], [0.5, 1.0]]
    assert gradients(torch.minimum, [1.0, 2.0], [1.0, 3.0]) == [[0.5, 1.0], [0.5, 0.0]]
    assert gradients(torch.fmax, [1.0, 2.0], [1.0, 3.0]) == [[1.0, 0.0], [0.0, 1.0]]
    assert gradients(torch.fmin, [1.0, 2.0], [1.0, 3.0]) == [[1.0, 1.0], [0.0, 0.0]]
    assert gradients(torch.relu, [0.0, -1.0, 2.0]) == [[0.0, 0.0, 1.0]]


def test_where() -> None:
    condition = torch.tensor(X > 0)
    check_op(lambda x, y: torch.where(condition, x, y), lambda x, y: np.where(X > 0, x, y), X, Y)
    check_op(lambda x: torch.where(condition, x, 0.5), lambda x: np.where(X > 0, x, 0.5), X)
    assert torch.where(condition, 1, 2.5).dtype is torch.float32
    assert torch.where(condition, torch.ones(3, 4), torch.ones(4, dtype=torch.float64)).dtype is (
        torch.float64
    )
    rows, columns = torch.where(condition)
    assert [rows.tolist(), columns.tolist()] == [v.tolist() for v in np.nonzero(X > 0)]
    with pytest.raises(RuntimeError, match="boolean tensor"):
        torch.where(torch.ones(2), 1.0, 2.0)


def test_where_keeps_nan_out_of_the_gradient() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    torch.where(x > 0, x, 1.0).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 1.0]


def test_relu_gradient_of_large_tensors() -> None:
    """The bit mask on large host arrays: as ``where``, also for infinite gradients and nan."""
    x = torch.randn(100, 100)
    x[0, 0] = float("nan")
    x.requires_grad_()
    g = torch.randn(100, 100)
    g[1] = float("inf")
    torch.relu(x).backward(g)
    host, want = x.detach().numpy(), g.numpy()
    np.testing.assert_array_equal(x.grad.numpy(), np.where(host <= 0, np.float32(0), want))
