"""The few functions that replace CuPy's: bfloat16 stays bfloat16.

Reference: NumPy. Run: pytest tests/tensor/test_names.py
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from isograd.tensor.backends.names import Names
from tests.tensor import pretend_cupy

XP = Names(pretend_cupy.module())
X = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)


def device(array: Any) -> Any:
    return pretend_cupy.DeviceArray(array.copy())


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.float32, np.int64])
def test_choices_keep_their_dtype(dtype: Any) -> None:
    x = X.astype(dtype)
    zero = x.dtype.type(0)
    for got, want in [
        (XP.where(device(x > 0), device(x), device(-x)), np.where(x > 0, x, -x)),
        (XP.where(device(x > 0), device(x), 0), np.where(x > 0, x, zero)),
        (XP.where(device(x > 0), zero, device(x)), np.where(x > 0, zero, x)),
        (XP.where(device(x > 0), 2, device(x.T.copy()).transpose()), np.where(x > 0, dtype(2), x)),
        (XP.tril(device(x), -1), np.tril(x, -1)),
        (XP.triu(device(x)), np.triu(x)),
    ]:
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.get(), want)


def test_mixed_choices_are_promoted() -> None:
    x = device(X.astype(ml_dtypes.bfloat16))
    assert XP.where(x > 0, x, device(X)).dtype == np.float32
    assert XP.where(x > 0, 1.5, 2.5).dtype == np.float64


def test_other_names_are_the_librarys() -> None:
    assert XP.linalg is pretend_cupy.module().linalg
    with pytest.raises(AttributeError, match="no_such"):
        _ = XP.no_such_name
