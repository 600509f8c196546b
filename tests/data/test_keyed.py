"""Random state per sample: the same with any number of workers; the script's streams untouched.

Run: pytest tests/data
"""

import random
import subprocess
import sys

import numpy as np
import pytest

import isograd
from isograd.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from isograd.data.keyed import KeyedState, draws_nothing, epoch_keys


def _draw():
    return (
        random.random(),
        random.gauss(0, 1),
        np.random.rand(),
        np.random.randn(),
        isograd.rand(()).item(),
        isograd.randn(()).item(),
    )


class Draws(Dataset):
    def __init__(self, n=12):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i, np.array(_draw())


class Stream(IterableDataset):
    def __init__(self):
        self.shuffled = []

    def __iter__(self):
        order = list(range(12))
        random.shuffle(order)
        for i in order:
            yield i, np.array(_draw())


def _seed_all(seed):
    isograd.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def _by_sample(loader):
    return {int(i): tuple(x.tolist()) for ids, xs in loader for i, x in zip(ids, xs)}


def _states():
    python, numpy_state = random.getstate(), np.random.get_state(legacy=False)
    return python, repr(numpy_state), numpy_state["state"]["key"].tolist(), _generator_state()


def _generator_state():
    return isograd.get_rng_state().tolist()


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: Subset(d, list(range(12)))])
def test_workers_and_batch_size_change_nothing(wrap):
    found = []
    for options in ({"batch_size": 1}, {"batch_size": 5}, {"batch_size": 4, "num_workers": 2}):
        _seed_all(0)
        loader = DataLoader(wrap(Draws()), shuffle=True, **options)
        found.append([_by_sample(loader), _by_sample(loader)])
    assert found[0] == found[1] == found[2]
    first, second = found[0]
    assert len({v for sample in first.values() for v in sample}) == 12 * 6
    assert all(first[i] != second[i] for i in first)  # another epoch, other draws


@pytest.mark.parametrize("kind", [Draws, Stream])
def test_the_scripts_streams_stay(kind):
    _seed_all(1)
    random.gauss(0, 1)
    np.random.randn()  # both keep a spare number
    isograd.randn(3)
    batches = iter(DataLoader(kind(), batch_size=3))
    isograd.rand(1)  # the loader has drawn its seed
    for draws_between in (False, True, False, False):
        if draws_between:
            _draw()
        before = _states()
        next(batches)
        assert _states() == before
    assert next(batches, None) is None


def test_an_error_in_a_sample_leaves_the_streams():
    class Broken(Draws):
        def __getitem__(self, i):
            _draw()
            raise ValueError("no")

    batches = iter(DataLoader(Broken()))
    before = _states()
    with pytest.raises(ValueError, match="no"):
        next(batches)
    assert _states() == before


def _columns(seeds):
    """What `random`, NumPy and isograd draw in the samples after ``seeds``."""
    random.seed()
    np.random.seed()
    isograd.seed()
    for seed, value in seeds.items():
        seed(value)
    rows = [x.tolist() for _, xs in DataLoader(Draws()) for x in xs]
    return [[row[2 * k : 2 * k + 2] for row in rows] for k in range(3)]


def test_the_loaders_seed_decides_all():
    alone = _columns({isograd.manual_seed: 3})
    assert _columns({isograd.manual_seed: 3, random.seed: 4, np.random.seed: 5}) == alone
    other = _columns({isograd.manual_seed: 4})
    assert all(a != b for a, b in zip(alone, other))


@pytest.mark.parametrize(("seed", "column"), [(random.seed, 0), (np.random.seed, 1)])
def test_a_script_that_seeds_only_one_can_rely_on_it(seed, column):
    first, again, other = (_columns({seed: value}) for value in (3, 3, 4))
    assert [a == b for a, b in zip(first, again)] == [k == column for k in range(3)]
    assert first[column] != other[column]


def test_a_stream_draws_the_same_again():
    def samples(workers):
        _seed_all(5)
        return [exact for i, x in DataLoader(Stream(), num_workers=workers) for exact in x.tolist()]

    assert samples(0) == samples(0) == samples(1)


def test_what_a_collate_fn_draws():
    def mix(samples):
        return random.random(), isograd.rand(()).item()

    def batches(workers):
        _seed_all(5)
        return list(DataLoader(list(range(6)), batch_size=2, collate_fn=mix, num_workers=workers))

    before = batches(0)
    assert before == batches(2)
    assert len(set(before)) == 3


def test_samples_fetched_all_at_once():
    class Many(Draws):
        def __getitems__(self, indices):
            return [self[i] for i in indices]

    def draws(workers):
        _seed_all(0)
        return _by_sample(DataLoader(Many(), batch_size=4, num_workers=workers))

    assert draws(0) == draws(2)
    assert len({v for sample in draws(0).values() for v in sample}) == 12 * 6


def test_what_surely_draws_nothing():
    rows = TensorDataset(isograd.ones(4))
    parts = random_split(rows, [2, 2])
    assert all(map(draws_nothing, [rows, *parts, ConcatDataset(parts), [1], range(3)]))
    assert draws_nothing(StackDataset(a=rows, b=[1, 2, 3, 4]))
    assert not draws_nothing(Draws())
    assert not draws_nothing(Subset(Draws(), [0]))
    assert not draws_nothing(StackDataset(rows, Draws(4)))
    assert not draws_nothing(ConcatDataset([rows, Draws()]))


def test_numbers_of_any_kind_and_other_indices():
    def drawn(index, place, places=False):
        state = KeyedState(epoch_keys(1, 0, {}), places, restore=True)
        with state:
            state.sample(index, place)
            return _draw()

    assert drawn(3, 0) == drawn(np.int64(3), 1) == drawn(3, 1)
    assert drawn(3, 0) != drawn(-3, 0)
    assert drawn(3, 0, places=True) != drawn(3, 1, places=True)
    assert drawn("a", 1) == drawn(("b", 2), 1) != drawn("a", 2)


def test_numpys_generator_can_be_another():
    """np.random.set_bit_generator: the script's own choice, left alone."""
    script = (
        "import numpy as np\n"
        "from isograd.data.keyed import KeyedState\n"
        "np.random.set_bit_generator(np.random.PCG64(1))\n"
        "before = np.random.get_bit_generator().state\n"
        "state = KeyedState((1, 2, 3), False, True)\n"
        "with state: state.sample(0, 0)\n"
        "assert np.random.get_bit_generator().state == before\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
