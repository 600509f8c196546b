"""Running reductions: NumPy's accumulate, and the doubling steps that the GPU takes.

Reference: numpy.ufunc.accumulate. Run: pytest tests/tensor/test_scan.py
"""

from __future__ import annotations

import numpy as np
import pytest

from isograd.tensor.scan import running
from tests.checks import draw
from tests.tensor import pretend_cupy


@pytest.mark.filterwarnings("ignore:invalid:RuntimeWarning")
@pytest.mark.parametrize("ufunc", ["maximum", "minimum", "logaddexp"])
@pytest.mark.parametrize(("shape", "dim"), [((7,), 0), ((3, 9), 1), ((9, 2, 3), 0), ((0, 2), 0)])
def test_both_ways_agree(ufunc: str, shape: tuple[int, ...], dim: int) -> None:
    x = draw(1)(*shape)
    if x.size > 4:
        x.reshape(-1)[[1, 4]] = np.nan, -np.inf
    want = getattr(np, ufunc).accumulate(x, axis=dim)
    np.testing.assert_array_equal(running(np, ufunc, x, dim), want)
    device = pretend_cupy.DeviceArray(x.copy())
    got = running(pretend_cupy.module(), ufunc, device, dim)
    np.testing.assert_allclose(got.get(), want, 1e-14)
