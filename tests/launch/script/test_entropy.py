"""Unseeded and clock-seeded generators draw the same on two ranks.

Run: python -m pytest tests/launch/script/test_entropy.py
"""

import pytest

import isograd as torch

pytestmark = pytest.mark.job

TEXT = """
import random, time, uuid
import numpy as np
import torch
def draws():
    return random.random(), np.random.rand(), torch.rand(1).item()
print(*draws())
time.sleep(0.01 * random.random())
random.seed(time.time_ns())
np.random.seed(time.time_ns() % 2**32)
torch.manual_seed(time.time_ns())
print(*draws())
random.seed(); np.random.seed(); torch.seed()
print(*draws())
print(np.random.default_rng().random(), np.random.RandomState().rand(), uuid.uuid4())
print(np.random.default_rng(time.time_ns()).random(), random.Random().random())
print(random.Random(time.time_ns()).random(), hash("a string"))
torch.manual_seed(3)
print(torch.rand(1).item(), torch.initial_seed())
"""


def test_all_ranks_draw_alike(both):
    out, other, _ = both(TEXT)
    assert out == other
    torch.manual_seed(3)
    assert out[6] == f"{torch.rand(1).item()} 3"  # a number of the script's stays
    values = [word for line in out[:6] for word in line.split()]
    assert len(set(values)) == len(values)
