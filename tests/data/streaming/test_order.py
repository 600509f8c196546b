"""The order of an epoch: lanes, buffers, rows. Against a direct simulation.

Run: pytest tests/data/streaming
"""

import pytest

from isograd.data.streaming.order import EpochOrder
from isograd.data.view import shares

COUNTS = [5, 0, 13, 1, 8]


def lane_numbers(order, lane):
    stepper, out = order.lane(lane), []
    while True:
        try:
            out.append(stepper.step())
        except StopIteration:
            return out


@pytest.mark.parametrize("lanes", [1, 2, 5, 40])
@pytest.mark.parametrize("buffer", [0, 1, 7, 1000])
def test_lanes_hold_each_sample_once_and_are_equally_long(lanes, buffer):
    order = EpochOrder(COUNTS, lanes=lanes, buffer=buffer, shuffle_shards=True, seed=4)
    numbers = [lane_numbers(order, lane) for lane in range(lanes)]
    assert tuple(map(len, numbers)) == shares(27, lanes)
    places = [order.locate(number) for lane in numbers for number in lane]
    expected = [(shard, i) for shard, count in enumerate(COUNTS) for i in range(count)]
    assert sorted(places) == expected


def test_the_buffer_is_bounded():
    order = EpochOrder([1000], lanes=4, buffer=40)
    lane = order.lane(2)
    most = 0
    for _ in range(250):
        lane.step()
        most = max(most, len(lane.held))
    assert most == 10
    assert lane.held == []


def test_initial_lets_the_first_sample_leave_early():
    order = EpochOrder([1000], lanes=1, buffer=100, initial=10)
    lane = order.lane(0)
    assert lane.step() < 10
    assert lane.entered == 12
    for _ in range(200):
        lane.step()
    assert len(lane.held) == 100


@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_rows_are_the_batch_sorted_by_lane(lanes):
    order = EpochOrder([50], lanes=lanes)
    for start, stop in [(0, 8), (8, 16), (48, 50), (5, 6)]:
        expected = sorted((g % lanes, g // lanes) for g in range(start, stop))
        got = [(lane, t) for lane, a, b in order.rows(start, stop, 0, 99) for t in range(a, b)]
        assert got == expected
        part = [(lane, t) for lane, a, b in order.rows(start, stop, 1, 5) for t in range(a, b)]
        assert part == expected[1:5]


def test_readers_that_divide_the_lanes_share_no_shard():
    order = EpochOrder([10] * 16, lanes=8, buffer=40, shuffle_shards=True)
    read = []
    for rank in range(4):
        shards = set()
        for start in range(0, 160, 16):
            for lane, a, b in order.rows(start, start + 16, 4 * rank, 4 * rank + 4):
                numbers = lane_numbers(order, lane)[a:b]
                shards |= {order.locate(number)[0] for number in numbers}
        read.append(shards)
    assert [len(shards) for shards in read] == [4, 4, 4, 4]
    assert len(set.union(*read)) == 16


def test_nothing():
    order = EpochOrder([0, 0], lanes=3, buffer=5, shuffle_shards=True)
    assert lane_numbers(order, 1) == []
