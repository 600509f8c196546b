"""Small training scripts of many kinds (see `zoo`) on batches that are cut, against plain ones.

What they print and the weights after three steps agree to rounding; most of them never bring an
activation to all positions. Run: pytest tests/distributed/tensor/test_zoo.py
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.distributed import global_view
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor
from tests.distributed.tensor.watch import nothing_gathered
from tests.distributed.tensor.zoo import ZOO, B, Script

MOST = {  # elements that all positions need
    "all_with_all": 4 * B * B,
    "residual_network": 5 * 2 * 4,  # the parts' statistics
    "statistics_of_features": 6 * B,
}


def outcome(script: Script, shards: int) -> list[Any]:
    """All numbers that a script gives; ``shards`` 0: without a view."""
    torch.manual_seed(1)
    random.seed(2)
    if not shards:
        log, weights = script(lambda t, dim=0: t)
        return [*log, *weights]
    view = global_view.start(shards=shards)
    try:
        with nothing_gathered(MOST.get(script.__name__, 4 * B)):
            log, weights = script(view.cut)
        return [numbers(v) for v in (*log, *weights)]
    finally:
        global_view.stop()


def numbers(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return np.asarray(value)
    array = value.detach()._array
    return np.asarray(array.whole() if isinstance(array, ShardedArray) else array)


@pytest.mark.parametrize("script", ZOO, ids=lambda s: s.__name__)
def test_a_script_gives_the_same_on_cut_batches(script: Script) -> None:
    wanted = [numbers(v) for v in outcome(script, 0)]
    for shards in (3, 5):
        found = outcome(script, shards)
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a, b, 1e-4, 1e-5)
