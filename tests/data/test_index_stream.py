"""The stream of an epoch's indices: counted, and moved on.

Run: pytest tests/data
"""

from itertools import islice

import pytest

from isograd.data.index_stream import IndexStream
from isograd.data.sampler import Unending


def _stream(order, batches=True, discard=0):
    return IndexStream(iter(order), 4, 9, (5, 6, 7), batches, discard)


def test_entries_know_their_place():
    stream = _stream([[3, 1], (2,), range(3)])
    assert list(stream) == [(0, [3, 1], False), (2, (2,), False), (3, range(3), False)]
    assert (stream.epoch, stream.seed, stream.keys, stream.cursor) == (4, 9, (5, 6, 7), 3)
    assert list(_stream([7, 8], batches=False)) == [(0, 7, False), (1, 8, False)]
    assert list(_stream([iter([7, 8])])) == [(0, [7, 8], False)]


def test_yielded_is_not_handed_out():
    stream = _stream([[1], [2], [3]])
    list(islice(stream, 3))
    assert (stream.cursor, stream.yielded, stream.last_digest()) == (3, 0, None)
    stream.count_yielded()
    again = _stream([[1], [0]])
    again.move_on(1)
    assert again.last_digest() == stream.last_digest() is not None
    assert list(again) == [(1, [0], False)]


def test_moving_on_draws_the_first_entry():
    drawn = []
    stream = _stream(drawn.append(i) or [i] for i in range(3))
    stream.move_on(0)
    assert drawn == [0]
    assert [indices for _, indices, _ in stream] == [[0], [1], [2]]
    with pytest.raises(RuntimeError, match="after 3 batches, but the sampler has only 2"):
        _stream([[0], [1]]).move_on(3)


def test_streams_are_moved_on():
    stream = _stream(Unending(2), discard=1)
    assert list(islice(stream, 2)) == [(0, [None, None], True), (2, [None, None], False)]
    stream = _stream(Unending(2))
    stream.jump(3, 2)
    assert (next(stream)[0], stream.cursor, stream.yielded) == (6, 4, 3)


def test_unending():
    assert list(islice(Unending(2), 3)) == [[None, None]] * 3
    assert list(islice(Unending(None), 2)) == [None, None]
