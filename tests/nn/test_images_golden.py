"""Layers and functions of images give torch's weights, outputs, gradients and buffers.

References: tests/golden/images.npz, made by torch 2.13 (tests/golden/make_images.py); finite
differences in float64.
Run: pytest tests/nn/test_images_golden.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isograd
from isograd.autograd import gradcheck, gradgradcheck
from tests.nn.image_cases import LAYERS, functions, run_function, run_layer

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "images.npz")
FUNCTIONS = functions(isograd)


def compare(got: list[Any], want: Any, rtol: float, atol: float) -> None:
    vector = np.concatenate([a.reshape(-1) for a in got])
    assert vector.shape == want.shape
    np.testing.assert_allclose(vector, want, rtol, atol)


@pytest.mark.parametrize("case", LAYERS, ids=lambda c: c[0])
def test_layer_is_torchs(case: tuple[Any, ...]) -> None:
    compare(run_layer(isograd, case), GOLDEN[case[0]], 1e-5, 3e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_torchs(name: str) -> None:
    compare(run_function(isograd, name, *FUNCTIONS[name]), GOLDEN[name], 1e-6, 1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name: str) -> None:
    fn, shapes = FUNCTIONS[name]
    draw = np.random.default_rng(sum(name.encode()))
    xs = [isograd.from_numpy(draw.uniform(-1.5, 1.5, s)).requires_grad_(True) for s in shapes]
    assert gradcheck(fn, xs, fast_mode=True)
    assert gradgradcheck(fn, xs, fast_mode=True)
