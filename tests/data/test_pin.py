"""Pinning: what is gone into, and what happens without a GPU. Run: pytest tests/data"""

from collections import namedtuple

import pytest

import isograd
from isograd.data import DataLoader
from isograd.data.pin import pin_memory

Point = namedtuple("Point", "x y")


class Custom:
    pinned = False

    def pin_memory(self):
        self.pinned = True
        return self


def test_containers_and_custom_types():
    out = pin_memory({"a": [Custom(), "text"], "b": Point(Custom(), 1), "c": (Custom(), 2)})
    assert out["a"][0].pinned and out["b"].x.pinned and out["c"][0].pinned
    assert (out["a"][1], out["b"].y, type(out["c"])) == ("text", 1, list)


@pytest.mark.skipif(isograd.data.pin.device_count() > 0, reason="there is a GPU")
def test_without_a_gpu_it_warns():
    with pytest.warns(UserWarning, match="no accelerator is found"):
        batches = list(DataLoader(range(2), pin_memory=True))
    assert [b.tolist() for b in batches] == [[0], [1]]


@pytest.mark.gpu
def test_pinned_batches():
    batch = next(iter(DataLoader(range(4), batch_size=4, pin_memory=True)))
    assert batch.is_pinned()
    assert batch.cuda().tolist() == [0, 1, 2, 3]
