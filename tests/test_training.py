"""With the same seed, 20 steps of four models follow PyTorch 2.13's losses to 1e-4 relative.

Reference: tests/golden/training.json, made by tests/golden/make_training.py.
Run: pytest tests/test_training.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import isograd
from tests.golden.make_training import NAMES, losses

GOLDEN = json.loads((Path(__file__).parent / "golden" / "training.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_losses_follow_torch(name: str) -> None:
    np.testing.assert_allclose(losses(isograd, name), GOLDEN["losses"][name], rtol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_losses_follow_torch_on_the_gpu(name: str) -> None:
    """Data and initial weights are drawn on the CPU and moved; float32 products, no TF32."""
    np.testing.assert_allclose(
        losses(isograd, name, device="cuda"), GOLDEN["losses"][name], rtol=1e-3
    )
