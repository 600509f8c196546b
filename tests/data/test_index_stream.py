"""The stream of an epoch's indices: counted, and drawn again from its start.

Run: pytest tests/data
"""

from itertools import islice

import isograd
from isograd.data.index_stream import IndexStream, Unending
from isograd.data.sampler import RandomSampler


def test_position_and_return():
    isograd.manual_seed(1)
    sampler = RandomSampler(range(20))
    stream = IndexStream(sampler, 4, None)
    head, tail = list(islice(stream, 5)), list(stream)
    assert (stream.epoch, stream.cursor) == (4, 20)
    isograd.default_generator.set_state_array(stream.start)
    again = IndexStream(sampler, 4, None)
    assert again.seed == stream.seed
    assert list(islice(again, 5)) == head
    assert list(again) == tail


def test_a_given_seed_draws_nothing():
    isograd.manual_seed(1)
    assert IndexStream([[0]], 0, None, seed=9).seed == 9
    after = isograd.rand(1).item()
    isograd.manual_seed(1)
    assert isograd.rand(1).item() == after


def test_unending():
    assert list(islice(Unending(2), 3)) == [[None, None]] * 3
    assert list(islice(Unending(None), 2)) == [None, None]
