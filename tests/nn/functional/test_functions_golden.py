"""nn.functional gives torch's values and gradients, and has right second derivatives.

References: tests/golden/nn_functions.npz, made by torch 2.13 (tests/golden/make_nn.py); finite
differences in float64.
Run: pytest tests/nn/functional/test_functions_golden.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isograd as torch
from isograd.autograd import gradcheck, gradgradcheck
from tests.nn.functional.function_cases import cases, run

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "nn_functions.npz")
CASES = cases(torch)


@pytest.mark.parametrize("name", GOLDEN.files)
def test_as_torch(name: str) -> None:
    got = np.concatenate([a.reshape(-1) for a in run(torch, *CASES[name])])
    # torch divides by 6 in float32 in the gradient of hardsigmoid
    rtol = 1e-7 if name == "hardsigmoid" else 1e-9
    np.testing.assert_allclose(got, GOLDEN[name], rtol, 1e-11)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name: str) -> None:
    fn, inputs = CASES[name]
    tensors = [torch.from_numpy(np.array(x)).requires_grad_(True) for x in inputs]
    assert gradcheck(fn, tensors, fast_mode=True)
    assert gradgradcheck(fn, tensors, fast_mode=True)
