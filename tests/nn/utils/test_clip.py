"""Clipping of gradients, against the norm of all gradients as one NumPy vector.

Run: pytest tests/nn/utils/test_clip.py
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.nn import utils


def parameters() -> list[Any]:
    made = [torch.randn(3, 4).requires_grad_(True), torch.randn(7).requires_grad_(True)]
    for p in made:
        (p * p).sum().backward()
    return [*made, torch.randn(2).requires_grad_(True)]  # the last has no gradient


def flat(made: list[Any]) -> Any:
    return np.concatenate([p.grad.numpy().reshape(-1) for p in made[:2]])


@pytest.mark.parametrize("p", [1, 2, 3, math.inf])
def test_norm(p: float) -> None:
    made = parameters()
    before = flat(made)
    total = utils.clip_grad_norm_(made, 1.0, p)
    norm = np.linalg.norm(before, p)
    assert total.item() == pytest.approx(norm, rel=1e-5)
    np.testing.assert_allclose(flat(made), before / norm, 1e-4)
    assert utils.clip_grad_norm_(made, 5.0, p).item() == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(flat(made), before / norm, 1e-4)  # below the bound: as it was


def test_value() -> None:
    made = parameters()
    before = flat(made)
    utils.clip_grad_value_(made, 0.5)
    np.testing.assert_array_equal(flat(made), before.clip(-0.5, 0.5))


def test_nonfinite_and_empty() -> None:
    made = parameters()
    made[0].grad[0, 0] = math.nan
    with pytest.raises(RuntimeError, match="total norm of order 2.0 for gradients .* non-finite"):
        utils.clip_grad_norm_(made, 1.0, error_if_nonfinite=True)
    assert utils.get_total_norm([]).item() == 0


def test_vector_and_back() -> None:
    made = parameters()
    vector = utils.parameters_to_vector(made)
    assert vector.shape == (21,)
    utils.vector_to_parameters(torch.arange(21.0), made)
    assert made[1].tolist() == list(range(12, 19))
    assert made[1].requires_grad
