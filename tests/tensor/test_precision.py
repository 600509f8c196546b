"""TensorFloat-32 and determinism: the words, and what they switch.

Run: pytest tests/tensor/test_precision.py
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import isograd as torch
from isograd.tensor.precision import state
from tests.tensor import pretend_cupy


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    torch.use_deterministic_algorithms(False)


def test_precision_words() -> None:
    for word, tf32 in (("high", True), ("highest", False), ("medium", True)):
        torch.set_float32_matmul_precision(word)
        assert torch.get_float32_matmul_precision() == word
        assert state.allow_tf32 is tf32
        assert torch.backends.cuda.matmul.allow_tf32 is tf32
    with pytest.raises(ValueError, match="expected highest, high or medium, got 'low'"):
        torch.set_float32_matmul_precision("low")


def test_determinism_is_reported() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.get_deterministic_debug_mode() == 1
    torch.set_deterministic_debug_mode("error")
    assert torch.get_deterministic_debug_mode() == 2
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_deterministic_debug_mode(0)
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="set_deterministic_debug_mode: expected"):
        torch.set_deterministic_debug_mode("often")


def test_weighted_counts_on_a_device_are_added_in_order() -> None:
    at = np.array([3, 0, 3, 3, 1])
    weights = np.array([0.1, 0.2, 0.3, 1e8, -1e8])
    with pretend_cupy.pretended():
        x, w = torch.tensor(at).cuda(), torch.tensor(weights).cuda()
        got = torch.bincount(x, w, minlength=6)
        assert got.is_cuda
        np.testing.assert_array_equal(got.cpu().numpy(), np.bincount(at, weights, 6))
        assert torch.bincount(x).tolist() == [1, 1, 0, 3]


@pytest.mark.gpu
def test_tf32_rounds_products_on_a_gpu() -> None:
    x = torch.randn(256, 256, device="cuda")
    exact = x.double() @ x.double()
    errors = []
    for allowed in (False, True):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        errors.append(((x @ x).double() - exact).abs().max().item())
    assert errors[0] < 1e-3 < errors[1] < 1
