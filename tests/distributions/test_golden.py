"""Densities, moments, draws and divergences against PyTorch 2.13's.

Reference: tests/golden/distributions.json (make_distributions.py), which holds each case's text.
Run: pytest tests/distributions
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import isograd as torch
import isograd.distributions as D

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "distributions.json").read_text())


@pytest.mark.parametrize("case", GOLDEN)
def test_case(case: str) -> None:
    torch.manual_seed(0)
    got = eval(case, {"torch": torch, "D": D})
    want = GOLDEN[case]
    if not isinstance(got, torch.Tensor):
        assert (list(got) if isinstance(got, tuple) else got) == want
        return
    assert str(got.dtype) == want["dtype"]
    np.testing.assert_allclose(
        np.array(got.tolist(), float), np.array(want["values"], float), 1e-5, 1e-6, strict=True
    )
