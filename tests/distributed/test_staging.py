"""Arrays of any strides as flat contiguous buffers.

python -m pytest tests/distributed/test_staging.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isograd.distributed.staging import HostStaging


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0),
        np.arange(6.0)[::2],
        np.arange(6.0)[::-1],
        np.broadcast_to(np.float64(3), (4,)),
        np.arange(6.0).reshape(2, 3).T,
        np.array(1.5),
    ],
)
def test_staged_values_are_contiguous(array: Any) -> None:
    buffer = HostStaging().stage(array, fill=True)
    assert buffer.flags.c_contiguous and buffer.shape == (array.size,)
    assert buffer.tolist() == array.reshape(-1).tolist()


def test_results_go_back_into_strided_arrays() -> None:
    whole = np.zeros(6)
    staging, array = HostStaging(), whole[::2]
    buffer = staging.stage(array, fill=True)
    buffer += 1
    staging.unstage(buffer, array)
    assert whole.tolist() == [1, 0, 1, 0, 1, 0]
