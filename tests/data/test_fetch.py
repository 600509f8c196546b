"""Fetching: the fast path over whole rows gives what sample by sample does.

Run: pytest tests/data
"""

import pytest

import isograd
from isograd.data.collate import default_collate
from isograd.data.dataset import IterableDataset, Subset, TensorDataset
from isograd.data.fetch import Epoch, Reading, make_fetcher


class Doubled(TensorDataset):
    def __getitem__(self, index):
        return tuple(t * 2 for t in super().__getitem__(index))


def _fetch(dataset, entry, collate_fn=default_collate):
    return make_fetcher(Reading(dataset, True, collate_fn, False), Epoch())((0, entry, False))


def test_rows_equal_collated_samples():
    isograd.manual_seed(0)
    x, y = isograd.rand(9, 2, 3), isograd.arange(9)
    dataset = TensorDataset(x, y.bfloat16(), y.reshape(3, 3).t().reshape(9))
    for entry in ([3, 1, 1, -1], [8]):
        for source in (dataset, Subset(Subset(dataset, range(9)), list(range(9)))):
            fast = _fetch(source, entry)
            slow = _fetch(source, entry, lambda batch: default_collate(batch))
            assert type(fast) is type(slow) is list
            for a, b in zip(fast, slow):
                assert a.dtype is b.dtype
                assert a.tolist() == b.tolist()
    fast[0][0] = 0
    assert x.tolist() != fast[0].tolist()


def test_a_subclass_is_asked_for_its_samples():
    assert _fetch(Doubled(isograd.arange(3)), [2])[0].tolist() == [4]


def test_gradients_are_kept():
    x = isograd.ones(3, requires_grad=True)
    _fetch(TensorDataset(x), [0, 0, 2])[0].sum().backward()
    assert x.grad.tolist() == [2, 0, 1]


def test_an_index_outside():
    with pytest.raises(IndexError):
        _fetch(TensorDataset(isograd.arange(3)), [5])


def test_an_error_names_the_samples():
    data = {7: isograd.ones(2), 9: isograd.ones(3)}
    with pytest.raises(RuntimeError, match="equal size") as caught:
        _fetch(data, [7, 9])
    assert caught.value.__notes__ == ["while collating the samples 7, 9"]


def test_a_stream_ends_once():
    class Count(IterableDataset):
        def __iter__(self):
            return iter(range(5))

    for drop_last, lengths in ((False, [2, 2, 1]), (True, [2, 2])):
        fetch = make_fetcher(Reading(Count(), True, list, drop_last), Epoch())
        assert [len(fetch((0, [None, None], False))) for _ in lengths] == lengths
        for _ in range(2):
            with pytest.raises(StopIteration):
                fetch((0, [None, None], False))
