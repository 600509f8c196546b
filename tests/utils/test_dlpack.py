"""``torch.utils.dlpack``: memory is shared. Run: pytest tests/utils/test_dlpack.py"""

from __future__ import annotations

import numpy as np

import isograd as torch


def test_memory_is_shared() -> None:
    array = np.arange(3.0)
    x = torch.utils.dlpack.from_dlpack(array)
    array[0] = 7
    assert x.tolist() == [7, 1, 2]
    assert "dltensor" in repr(torch.utils.dlpack.to_dlpack(x))
