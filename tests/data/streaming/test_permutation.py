"""The computed permutation: a bijection, different by key, evenly spread.

Run: pytest tests/data/streaming
"""

import numpy as np
import pytest

from isograd.data import DataLoader
from isograd.data.streaming import Permutation, PermutationSampler


@pytest.mark.parametrize("n", [*range(40), 64, 65, 127, 1000, 4097, 100_003])
def test_bijection(n):
    order = Permutation(n, seed=n, epoch=2)
    assert np.array_equal(np.sort(order(np.arange(n))), np.arange(n))


def test_one_index_at_a_time_is_the_same():
    order = Permutation(1000, seed=5)
    assert [order(i) for i in range(50)] == order(np.arange(50)).tolist()


def test_huge_without_memory():
    order = Permutation(10**15, seed=1)
    some = order(np.arange(10**15 - 2000, 10**15))
    assert len(set(some.tolist())) == 2000
    assert 0.45 < some.mean() / 10**15 < 0.55


def test_where_an_index_goes_is_uniform_over_the_seeds():
    n, seeds = 7, 7000
    table = np.zeros((n, n))
    for seed in range(seeds):
        table[np.arange(n), Permutation(n, seed)(np.arange(n))] += 1
    # each entry is binomial with mean 1000 and deviation 29; 49 of them
    assert np.abs(table - seeds / n).max() < 5 * 29


def test_neighbours_do_not_stay_neighbours():
    out = Permutation(10_000, seed=9)(np.arange(10_000))
    assert (np.abs(np.diff(out)) < 10).mean() < 0.01
    assert abs(np.corrcoef(np.arange(10_000), out)[0, 1]) < 0.05


def test_out_of_range():
    for index in (-1, 5, np.array([0, 7])):
        with pytest.raises(IndexError, match=r"range\(5\)"):
            Permutation(5)(index)
    with pytest.raises(ValueError, match="n=-1"):
        Permutation(-1)


def test_sampler_counts_its_passes():
    sampler = PermutationSampler(range(9000), seed=3)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(9000))
    assert first != second
    sampler.set_epoch(1)
    assert list(sampler) == second
    batches = list(
        DataLoader(range(9000), batch_size=4000, sampler=PermutationSampler(range(9000), 3))
    )
    assert [len(batch) for batch in batches] == [4000, 4000, 1000]
    assert batches[0].tolist() == first[:4000]


def test_a_loader_resumes_its_order():
    def loader():
        return DataLoader(range(50), batch_size=8, sampler=PermutationSampler(range(50), 3))

    whole = loader()
    epochs = [[batch.tolist() for batch in whole] for _ in range(2)]
    begun = loader()
    list(begun)
    batches = iter(begun)
    first = [next(batches).tolist() for _ in range(4)]
    other = loader()
    other.load_state_dict(begun.state_dict())
    assert first + [batch.tolist() for batch in other] == epochs[1]
