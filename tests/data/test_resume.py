"""Saved positions: the rest of an epoch is the rest of the uninterrupted one.

With other numbers of workers and ranks, for orders and streams. Run: pytest tests/data
"""

import ast
import io
import random

import numpy as np
import pytest

import isograd
from isograd.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Share,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)
from isograd.data.streaming import PermutationSampler
from tests.data.ranks import exact, plain, together

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
N = 26


class Draws(Dataset):
    def __init__(self, n=N):
        self.n, self.read = n, []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.read.append(i)
        return i, random.random(), np.random.rand(), isograd.rand(())


class Shuffled:
    """A sampler that draws from Python's global state, one with an unknown seed, ..."""

    def __init__(self, draw):
        self.draw = draw

    def __len__(self):
        return N

    def __iter__(self):
        return iter(self.draw())


class Counting(IterableDataset):
    def __init__(self):
        self.at = 0
        self.read = 0

    def __iter__(self):
        while self.at < N:
            self.at += 1
            self.read += 1
            yield self.at - 1, random.random()
        self.at = 0


class Keeping(Counting):
    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


class Parts(IterableDataset):
    """A stream that reads what it is told to, in an order of the epoch."""

    def __init__(self):
        self.read = []

    def __iter__(self):
        return iter(range(N))

    def read_share(self, share: Share):
        order = np.random.default_rng((share.seed, share.epoch)).permutation(N).tolist()
        for batch in range(-(-N // share.batch_size)):
            if share.wants(batch):
                whole = order[batch * share.batch_size : (batch + 1) * share.batch_size]
                yield len(whole), (self._sample(whole[row]) for row in share.rows(len(whole)))

    def _sample(self, i):
        self.read.append(i)
        return i, random.random(), f"{i}"


def _python_order():
    order = list(range(N))
    random.shuffle(order)
    return order


SAMPLERS = {
    "in order": dict,
    "shuffle": lambda: {"shuffle": True},
    "own generator": lambda: {"shuffle": True, "generator": isograd.Generator().manual_seed(4)},
    "sampler's generator": lambda: {
        "sampler": RandomSampler(range(N), generator=isograd.Generator().manual_seed(4))
    },
    "subset": lambda: {"sampler": SubsetRandomSampler(list(range(0, N, 2)))},
    "weighted": lambda: {"sampler": WeightedRandomSampler([1.0, 2.0] * 13, 40)},
    "python": lambda: {"sampler": Shuffled(_python_order)},
    "numpy": lambda: {"sampler": Shuffled(lambda: np.random.permutation(N))},
    "batches": lambda: {
        "batch_sampler": [[3, 4], [5], [], [6, 7, 8]][:2] + [[9], [1, 2], [0, 5, 6]]
    },
}


def _seed_all(seed):
    isograd.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def _saved(state):
    """Through a file, as scripts do."""
    file = io.BytesIO()
    isograd.save(state, file)
    file.seek(0)
    return isograd.load(file)


def _loader(kind, workers, dataset=None, **options):
    made = SAMPLERS[kind]()
    size = {} if "batch_sampler" in made else {"batch_size": 4}
    dataset = Draws() if dataset is None else dataset
    return DataLoader(dataset, **size, **made, num_workers=workers, **options)


def _script_states():
    return random.getstate(), np.random.get_state()[1].tolist(), isograd.get_rng_state().tolist()


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("stop", [0, 3])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_rest_of_an_epoch(kind, stop, workers):
    _seed_all(0)
    loader = _loader(kind, workers)
    list(loader)
    batches = iter(loader)
    for _ in range(stop):
        next(batches)
    state = _saved(loader.state_dict())
    states = isograd.get_rng_state(), random.getstate(), np.random.get_state()
    rest = [plain(b) for b in batches]
    after = [plain(b) for b in loader]

    _seed_all(99)
    again = _loader(kind, 2 - workers)
    again.load_state_dict(state)
    assert exact(plain(again.state_dict())) == exact(plain(state))
    before = _script_states()
    batches = iter(again)
    assert _script_states() == before
    assert exact([plain(b) for b in batches]) == exact(rest)
    if stop == 0:
        return  # the order was not drawn yet when the random states were saved
    isograd.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])
    assert exact([plain(b) for b in again]) == exact(after)
    if workers == 2:  # then it was read here
        assert len(again.dataset.read) == sum(len(b[0]) for b in [*rest, *after])


def test_prefetched_batches_are_not_lost():
    loader = DataLoader(range(20), batch_size=2, num_workers=2, prefetch_factor=4)
    batches = iter(loader)
    assert next(batches).tolist() == [0, 1]
    again = DataLoader(range(20), batch_size=2)
    again.load_state_dict(loader.state_dict())
    assert next(iter(again)).tolist() == [2, 3]


def test_before_the_first_and_after_the_last():
    isograd.manual_seed(0)
    loader = DataLoader(range(6), batch_size=2, shuffle=True)
    start = loader.state_dict()
    assert (start["epoch"], start["batches"], start["started"]) == (0, 0, False)
    first, state = [], None
    for batch in loader:
        first.append(batch.tolist())
        state = loader.state_dict()
    assert (state["epoch"], state["batches"]) == (0, 3)
    end = loader.state_dict()
    assert (end["epoch"], end["batches"], end["started"]) == (1, 0, False)
    again = DataLoader(range(6), batch_size=2, shuffle=True)
    again.load_state_dict(state)
    assert list(again) == []  # inside the loop nothing was left
    assert (again._stream.epoch, len(list(again))) == (0, 3)
    again.load_state_dict(end)
    isograd.manual_seed(0)
    assert [b.tolist() for b in again] == first
    assert again._stream.epoch == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_between_epochs_what_belongs_to_the_loader_goes_on(workers):
    def loader(own):
        if own:
            generator = isograd.Generator().manual_seed(2)
            return DataLoader(range(N), 8, True, generator=generator, num_workers=workers)
        return DataLoader(range(N), 8, sampler=PermutationSampler(range(N)), num_workers=workers)

    for own in (True, False):
        first = loader(own)
        epochs = [[b.tolist() for b in first]]
        state = _saved(first.state_dict())
        epochs.append([b.tolist() for b in first])
        again = loader(own)
        again.load_state_dict(state)
        assert [b.tolist() for b in again] == epochs[1] != epochs[0]


def test_the_same_loader_goes_back():
    loader = DataLoader(range(8), 2, num_workers=2, persistent_workers=True, shuffle=True)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = [next(batches).tolist()]
    loader.load_state_dict(state)
    found = [b.tolist() for b in loader]
    assert (len(found), found[:1]) == (3, rest)
    assert loader._stream.epoch == 0


def test_a_plain_stream_is_gone_through():
    _seed_all(0)
    loader = DataLoader(Counting(), batch_size=4)
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    rest = [plain(b) for b in batches]
    again = DataLoader(Counting(), batch_size=4)
    again.load_state_dict(state)
    assert exact([plain(b) for b in again]) == exact(rest)
    assert again.dataset.read == N


@pytest.mark.parametrize("workers", [0, 2])
def test_streams_of_workers_end_apart(workers):
    class Uneven(IterableDataset):
        def __iter__(self):
            info = get_worker_info()
            number = 0 if info is None else info.id
            return iter([number * 100 + i for i in range(3 if number else 15)])

    loader = DataLoader(Uneven(), batch_size=2, num_workers=workers)
    whole = [b.tolist() for b in loader]
    for stop in range(len(whole) + 1):
        batches = iter(loader)
        for _ in range(stop):
            next(batches)
        again = DataLoader(Uneven(), batch_size=2, num_workers=workers)
        again.load_state_dict(loader.state_dict())
        assert [b.tolist() for b in again] == whole[stop:]


def test_a_stream_with_a_state_starts_there():
    _seed_all(0)
    loader = DataLoader(Keeping(), batch_size=4)
    batches = iter(loader)
    next(batches), next(batches)
    state = _saved(loader.state_dict())
    assert state["dataset"] == {"at": 8}
    rest = [plain(b) for b in batches]
    again = DataLoader(Keeping(), batch_size=4)
    again.load_state_dict(state)
    assert exact([plain(b) for b in again]) == exact(rest)
    assert again.dataset.read == N - 8
    assert again.batches_yielded == 7


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_stream_that_reads_shares(workers, drop_last):
    def loader(n):
        return DataLoader(Parts(), batch_size=4, num_workers=n, drop_last=drop_last)

    _seed_all(0)
    whole = [plain(b) for b in loader(0)]
    assert sorted(i for b in whole for i in b[0].tolist()) == list(range(N)) or drop_last
    _seed_all(0)
    first = loader(workers)
    batches = iter(first)
    head = [plain(next(batches)) for _ in range(3)]
    again = loader(2 - workers % 3)
    again.load_state_dict(first.state_dict())
    assert exact(head + [plain(b) for b in again]) == exact(whole)


@pytest.mark.parametrize("source", ["order", "shares", "stream"])
def test_at_other_numbers_of_ranks(ranks, source):
    def loader():
        if source == "order":
            return DataLoader(Draws(), batch_size=5, shuffle=True)
        return DataLoader(Parts() if source == "shares" else Counting(), batch_size=5)

    def run(view, state=None, stop=None):
        _seed_all(0 if state is None else 7)
        made = loader()
        if state is not None:
            made.load_state_dict(state)
        found = []
        for batch in made:
            found.append(plain(batch))
            if stop == len(found):
                break
        return found, made.state_dict()

    whole, _ = run(None)
    head, state = together(ranks(lambda view: run(view, stop=2), 3))
    state = _tensors_in(state)
    middle, state = together(ranks(lambda view: run(view, state, 2), 8))
    tail, _ = run(None, _tensors_in(state))
    assert exact(head + middle + tail) == exact(whole)


def _tensors_in(value):
    if isinstance(value, np.ndarray):
        return isograd.from_numpy(value)
    if isinstance(value, dict):
        return {k: _tensors_in(v) for k, v in value.items()}
    return value


def test_shares_are_read_by_those_who_need_them(ranks):
    def read(view):
        loader = DataLoader(Parts(), batch_size=8)
        batches = [plain(b) for b in loader]
        return loader.dataset.read, view.exchanges, len(batches)

    found = ranks(read, 4)
    reads = [len(rows) for rows, _, _ in found]
    assert sum(reads) == N + 3  # the last batch has 2 samples: three ranks only learn its shapes
    assert {exchanges for _, exchanges, _ in found} == {6}  # start, four lists of strings, end


def test_wrong_states():
    state = DataLoader(range(10), batch_size=2).state_dict()
    for loader, message in [
        (DataLoader(range(9), batch_size=2), "a dataset of length 10, but this loader has 9"),
        (DataLoader(range(10), batch_size=3), "batch_size 2, but this loader has 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            loader.load_state_dict(state)
    with pytest.raises(ValueError, match="without .'format'"):
        DataLoader(range(10)).load_state_dict({"model": 1})
    stream = DataLoader(Counting(), batch_size=2, num_workers=1)
    with pytest.raises(ValueError, match="num_workers .* 1, but this loader has 0"):
        DataLoader(Counting(), batch_size=2).load_state_dict(stream.state_dict())
    with pytest.raises(RuntimeError, match="in_order=True"):
        DataLoader(range(3), num_workers=1, in_order=False).state_dict()


def test_an_order_without_a_seed_is_found_out():
    def loader():
        unseeded = Shuffled(lambda: np.random.default_rng().permutation(N))
        return DataLoader(TensorDataset(isograd.arange(N)), batch_size=13, sampler=unseeded)

    first = loader()
    next(iter(first))
    again = loader()
    again.load_state_dict(first.state_dict())
    with pytest.raises(RuntimeError, match="gives another order each time it is asked"):
        iter(again)


def test_a_sampler_with_a_state_of_its_own():
    class Own(Shuffled):
        def __init__(self):
            super().__init__(lambda: self.rng.permutation(N))
            self.rng = np.random.default_rng(1)

        def state_dict(self):
            return {"rng": repr(self.rng.bit_generator.state)}

        def load_state_dict(self, state):
            self.rng.bit_generator.state = ast.literal_eval(state["rng"])

    loader = DataLoader(range(N), batch_size=4, sampler=Own())
    list(loader)
    batches = iter(loader)
    next(batches)
    again = DataLoader(range(N), batch_size=4, sampler=Own())
    again.load_state_dict(_saved(loader.state_dict()))
    assert [b.tolist() for b in again] == [b.tolist() for b in batches]


def test_a_stream_that_became_shorter():
    loader = DataLoader(Counting(), batch_size=2)
    state = {**loader.state_dict()}
    for _ in zip(range(9), loader):
        state = loader.state_dict()
    again = DataLoader(Counting(), batch_size=2)
    again.dataset.at = N - 3
    again.load_state_dict(state)
    with pytest.raises(RuntimeError, match="after 9 batches, but the dataset gives only 2"):
        next(iter(again))
