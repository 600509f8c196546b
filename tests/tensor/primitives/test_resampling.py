"""Maps along an axis: weights, adjoints, and values worked out by hand.

Run: pytest tests/tensor/primitives/test_resampling.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd.tensor.primitives.resampling import area, cubic, linear, nearest, resample, smooth
from tests.checks import assert_close, draw

MAPS = {
    "nearest": lambda n, m: nearest(n, m, False, n / m, "float64"),
    "exact": lambda n, m: nearest(n, m, True, n / m, "float64"),
    "linear": lambda n, m: linear(n, m, False, n / m, "float64"),
    "corners": lambda n, m: linear(n, m, True, n / m, "float64"),
    "cubic": lambda n, m: cubic(n, m, False, n / m, "float64"),
    "smooth linear": lambda n, m: smooth(n, m, False, n / m, "bilinear"),
    "smooth cubic": lambda n, m: smooth(n, m, False, n / m, "bicubic"),
    "area": area,
}


def matrix(taps):
    """The map as a matrix (outputs, inputs)."""
    out = np.zeros((taps.count, taps.size))
    weight = np.ones(taps.index.shape) if taps.weight is None else taps.weight
    np.add.at(out, (np.arange(taps.count)[None].repeat(len(taps.index), 0), taps.index), weight)
    return out


@pytest.mark.parametrize("sizes", [(5, 8), (8, 3), (4, 4), (3, 1), (1, 4)])
@pytest.mark.parametrize("name", MAPS)
def test_weights_sum_to_one_and_the_adjoint_is_the_transpose(name, sizes) -> None:
    taps = MAPS[name](*sizes)
    np.testing.assert_allclose(matrix(taps).sum(1), 1)
    np.testing.assert_allclose(matrix(taps.adjoint), matrix(taps).T)
    assert taps.adjoint.adjoint is taps


def test_every_axis_has_its_map() -> None:
    x = draw()(2, 3, 5, 4)
    rows, columns = MAPS["linear"](5, 7), MAPS["area"](4, 3)
    got = resample(isograd.tensor(x), (rows, columns)).numpy()
    assert_close(got, np.einsum("ir,jc,nkrc->nkij", matrix(rows), matrix(columns), x), "float64")
    assert_close(resample(isograd.tensor(x), (None, columns)).numpy(),
                 np.einsum("jc,nkrc->nkrj", matrix(columns), x), "float64")  # fmt: skip


def test_by_hand() -> None:
    x = isograd.tensor([[[0.0, 3.0]]])

    def row(taps):
        return resample(x, (taps,)).tolist()[0][0]

    assert row(MAPS["nearest"](2, 4)) == [0.0, 0.0, 3.0, 3.0]
    assert row(MAPS["linear"](2, 4)) == [0.0, 0.75, 2.25, 3.0]
    np.testing.assert_allclose(row(MAPS["corners"](2, 4)), [0.0, 1.0, 2.0, 3.0], atol=1e-6)
    assert row(area(2, 1)) == [1.5]


def test_nearest_copies_infinities_and_nothing_else() -> None:
    x = isograd.tensor([[[np.inf, 1.0]]])
    out = resample(x, (MAPS["nearest"](2, 4),)).tolist()
    assert out == [[[np.inf, np.inf, 1.0, 1.0]]]
