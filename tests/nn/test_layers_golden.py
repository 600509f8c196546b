"""Layers give torch's initial weights, outputs and gradients for the same seed.

Reference: tests/golden/nn.npz, made by torch 2.13 (tests/golden/make_nn.py).
Run: pytest tests/nn/test_layers_golden.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isograd
from tests.nn.layer_cases import cases, run

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "nn.npz")
CASES = cases(isograd)


@pytest.mark.parametrize("name", GOLDEN.files)
def test_as_torch(name: str) -> None:
    got = run(isograd, name, *CASES[name])
    want, start = GOLDEN[name], 0  # all results one after the other, sorted by name
    for key in sorted(got):
        part = want[start : start + got[key].size].reshape(got[key].shape)
        start += got[key].size
        exact = key.startswith("weight.") and name != "embedding_by_frequency"  # scaled in place
        rtol, atol = (2e-7, 1e-7) if exact else (1e-4, 1e-5)
        np.testing.assert_allclose(got[key], part, rtol, atol, err_msg=key)
    assert start == want.size
