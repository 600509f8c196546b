"""Reduction into repeated places: all four operations, and the GPU's against the host's.

Reference: a plain loop.
Run: pytest tests/tensor/test_accumulate.py
"""

from __future__ import annotations

import numpy as np
import pytest

from isograd.tensor.accumulate import accumulate, check_bounds, places_along
from tests.checks import draw

LOOPS = {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def case(columns):
    make = draw()
    return make(5, columns), make(40, low=0, high=5).astype(np.int64), make(40, columns)


@pytest.mark.parametrize("reduce", list(LOOPS))
@pytest.mark.parametrize("columns", [1, 3, 260])
def test_accumulate(reduce, columns):
    out, index, values = case(columns)
    want = out.copy()
    for i, v in zip(index, values, strict=True):
        want[i] = LOOPS[reduce](want[i], v)
    accumulate(np, out, index, values, reduce)
    np.testing.assert_array_equal(out, want)


@pytest.mark.gpu
@pytest.mark.parametrize("reduce", list(LOOPS))
@pytest.mark.parametrize("columns", [1, 3])
def test_accumulate_on_the_gpu(reduce, columns):
    cupy = pytest.importorskip("cupy")
    out, index, values = case(columns)
    there = cupy.asarray(out)
    accumulate(cupy, there, cupy.asarray(index), cupy.asarray(values), reduce)
    accumulate(np, out, index, values, reduce)
    np.testing.assert_allclose(there.get(), out, rtol=1e-15)


def test_places_along():
    shape = (3, 4, 5)
    index = np.array([[[0], [3]], [[2], [2]]])
    places = places_along(np, shape, index, 1)
    x = np.arange(60).reshape(shape)
    np.testing.assert_array_equal(x.reshape(-1)[places], np.take_along_axis(x[:2, :, :1], index, 1))


def test_check_bounds():
    check_bounds(np, np.array([-3, 2]), 3, 0, IndexError, negative=True)
    check_bounds(np, np.array([], dtype=np.int64), 0, 0, IndexError)
    for bad in (3, -1):
        with pytest.raises(IndexError, match=f"index {bad} is out of bounds for dimension 1 with"):
            check_bounds(np, np.array([0, bad]), 3, 1, IndexError)
