"""The loader under a global view: at any number of ranks the batches of the run without one.

Ranks are forked processes with a view that only puts pieces together (tests/data/ranks.py); with a
real communicator: test_view_mpi.py. Run: pytest tests/data
"""

import random
import warnings

import numpy as np
import pytest

import isograd
from isograd.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    get_worker_info,
    per_sample,
)
from tests.data.ranks import Assembled, exact, plain, together

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
SIZES = [1, 2, 3, 4, 8]
N = 45


class Augmented(Dataset):
    """Samples that draw from everything, some in dictionaries, with texts."""

    def __init__(self, n=N):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        draws = [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn()]
        image = isograd.rand(2, 3) + i
        return {"image": image, "of": (i, f"name {i}"), "draws": np.array(draws), "x": 0.5 * i}


class Stream(IterableDataset):
    """Each worker every so manieth sample; draws, too."""

    def __init__(self, n=N):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        number, step = (0, 1) if info is None else (info.id, info.num_workers)
        for i in range(number, self.n, step):
            yield i, random.random(), isograd.rand(2)


class ByLength:
    """A batch sampler of one's own: uneven batches, as tuples."""

    def __init__(self):
        self.generator = isograd.Generator().manual_seed(3)

    def __iter__(self):
        order = self.generator.randperm(N).tolist()
        ends = [3, 15, 16, 40, N]
        return (tuple(order[a:b]) for a, b in zip([0, *ends], ends))


@per_sample
def doubled(samples):
    return default_collate([2 * x for (x,) in samples]), [f"{x.item()}" for (x,) in samples]


def _loaders(workers):
    rows = TensorDataset(isograd.arange(2 * N).reshape(N, 2).float(), isograd.arange(N))
    flat = TensorDataset(isograd.arange(N))
    twice = WeightedRandomSampler([1.0] * N, 30)
    options = {"num_workers": workers}
    yield DataLoader(rows, batch_size=12, shuffle=True, **options)
    yield DataLoader(rows, batch_size=5, **options)  # fewer than positions
    yield DataLoader(rows, batch_size=16, drop_last=True, shuffle=True, **options)
    yield DataLoader(Augmented(), batch_size=11, shuffle=True, **options)
    yield DataLoader(Augmented(), batch_size=3, sampler=twice, **options)
    yield DataLoader(Augmented(), batch_sampler=ByLength(), **options)
    yield DataLoader(flat, batch_size=10, collate_fn=doubled, **options)
    yield DataLoader(Stream(), batch_size=12, **options)
    yield DataLoader(Stream(7), batch_size=4, drop_last=True, **options)
    yield DataLoader([], batch_size=4, **options)


def _all(workers):
    isograd.manual_seed(1)
    random.seed(2)
    np.random.seed(3)
    found = []
    for loader in _loaders(workers):
        for _ in range(2):
            found.append([plain(batch) for batch in loader])
        found.append(isograd.rand(1).item() + random.random() + np.random.rand())
    return found


@pytest.mark.parametrize("size", SIZES)
def test_every_batch_is_the_one_without_ranks(ranks, size):
    alone = _all(0)
    results = ranks(lambda view: _all(0), size)
    assert exact(together(results)) == exact(alone)


def test_workers_change_nothing(ranks):
    """Streams interleave by workers, so they are compared with one process of as many."""
    alone = _all(2)
    assert exact(together(ranks(lambda view: _all(2), 3))) == exact(alone)
    in_main = _all(0)
    for workers, main in zip(alone[:21], in_main[:21]):  # up to the streams
        if isinstance(main, list):
            assert exact(workers) == exact(main)


def test_persistent_workers_and_completion_order(ranks):
    def batches(in_order):
        isograd.manual_seed(1)
        random.seed(2)
        np.random.seed(3)
        options = {"num_workers": 2, "persistent_workers": True, "in_order": in_order}
        loader = DataLoader(Augmented(), 6, shuffle=True, **options)
        return [plain(b) for _ in range(2) for b in loader]

    assert exact(together(ranks(lambda view: batches(False), 2))) == exact(batches(True))


def test_each_rank_reads_only_its_rows(ranks):
    class Reads(Dataset):
        read = []

        def __len__(self):
            return N

        def __getitem__(self, i):
            self.read.append(i)
            return isograd.tensor(i)

    def read(view):
        Reads.read = []
        for _ in DataLoader(Reads(), batch_size=12):
            pass
        return Reads.read, view.exchanges

    found = ranks(read, 4)
    assert sorted(i for rows, _ in found for i in rows) == list(range(N))
    assert [exchanges for _, exchanges in found] == [1] * 4
    few = ranks(lambda view: [len(b.pieces) for b in DataLoader(Reads(), batch_size=2)], 8)
    assert few == [[1] * 23] * 8


def _mixing(samples):
    return default_collate(samples), isograd.arange(3), len(samples)


def test_another_collate_fn_gets_all_samples_and_says_so(ranks):
    def batches(view):
        loader = DataLoader(list(range(10)), batch_size=4, collate_fn=_mixing)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = [plain(b) for _ in range(2) for b in loader]
        return found, [str(w.message) for w in caught]

    results = ranks(batches, 2)
    assert all(isinstance(batch[0], Assembled) for batch in results[0][0])
    found, messages = together(results)
    rows = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] * 2
    assert [batch[0].tolist() for batch in found] == rows
    assert [batch[1].tolist() for batch in found] == [[0, 1, 2]] * 6
    assert [batch[2] for batch in found] == [4, 4, 2] * 2
    assert len(messages) == 1
    assert "collate_fn=_mixing" in messages[0]
    assert "isograd.utils.data.per_sample" in messages[0]
    assert ranks(batches, 1)[0][1] == []


def test_batches_made_by_the_dataset(ranks):
    class Rows(Dataset):
        def __getitem__(self, rows):
            return isograd.tensor(rows), 7

    def batches(view):
        listed = DataLoader(Rows(), batch_size=None, sampler=[[1, 2, 3], [4]])
        single = DataLoader([isograd.ones(2)], batch_size=None)
        return [plain(b) for b in listed], [plain(b) for b in single]

    listed, single = together(ranks(batches, 2))
    assert [[x.tolist(), n] for x, n in listed] == [[[1, 2, 3], 7], [[4], 7]]
    assert single[0].tolist() == [1, 1]


def test_distributed_sampler_shares_out_by_hand(ranks):
    def batches(view):
        sampler = DistributedSampler(range(10), view.size, view.rank, shuffle=False)
        return [plain(b) for b in DataLoader(range(10), batch_size=3, sampler=sampler)]

    found = ranks(batches, 2)
    assert [[b.tolist() for b in rank] for rank in found] == [
        [[0, 2, 4], [6, 8]],
        [[1, 3, 5], [7, 9]],
    ]


def _seeded_by_rank(which):
    def batches(view):
        isograd.default_generator.seed_from(5)
        which(view.rank)
        return len(list(DataLoader(Augmented(), batch_size=4, shuffle=True)))

    return batches


@pytest.mark.parametrize(
    ("seed", "name"),
    [
        (isograd.manual_seed, "random state of the default generator"),
        (random.seed, "The state of Python's random"),
        (np.random.seed, "The state of numpy.random"),
    ],
)
def test_ranks_seeded_apart_are_told(ranks, seed, name):
    texts = ranks(_seeded_by_rank(seed), 3, errors=True)
    assert all("ranks would read different data" in t and name in t for t in texts)
    assert "rank 0 has" in texts[2] and "rank 1 has" in texts[2]


def test_a_sampler_that_knows_the_rank_is_told(ranks):
    def batches(view):
        order = [*range(20)] if view.rank == 0 else [*range(9), 19, *range(10, 20)]
        return [b.pieces for b in DataLoader(list(range(20)), 2, sampler=order)]

    texts = ranks(batches, 2, errors=True)
    assert all("The order of samples differs: rank 0 has" in text for text in texts)


def test_streams_that_end_apart_are_told(ranks):
    def batches(view):
        return list(DataLoader(Stream(17 if view.rank == 1 else 24), batch_size=4))

    texts = ranks(batches, 3, errors=True)
    assert all("must give the same samples on all ranks" in text for text in texts)
    assert all("rank 0: 20 samples in 5 batches" in text for text in texts)
    assert all("rank 1: 17 samples in 5 batches" in text for text in texts)

    def even(view):
        return list(DataLoader(Stream(8 if view.rank == 1 else 12), batch_size=4))

    texts = ranks(even, 2, errors=True)
    assert all("rank 1: 8 samples in 2 batches, ended" in text for text in texts)


def test_samples_that_do_not_fit_together(ranks):
    def of_shapes(view):
        list(DataLoader([isograd.ones(1 + i) for i in range(8)], batch_size=8))

    text = ranks(of_shapes, 1, errors=True)[0]
    assert "stack expects each tensor to be equal size" in text

    def of_dtypes(view):
        list(DataLoader([1, 2, 3.5, 4], batch_size=4))

    assert (
        "torch.int64 and torch.float64, expected one dtype" in ranks(of_dtypes, 1, errors=True)[0]
    )


def test_a_loader_within_a_worker_reads_for_itself(ranks):
    class Nested(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return isograd.cat(list(DataLoader(list(range(i + 1, i + 4)), batch_size=2)))

    found = ranks(lambda view: [plain(b) for b in DataLoader(Nested(), 4, num_workers=1)], 2)
    assert together(found)[0].tolist() == [[i + 1, i + 2, i + 3] for i in range(4)]


def test_repeated_samples_draw_anew():
    draws = [b["draws"] for b in DataLoader(Augmented(), batch_size=1, sampler=[3, 3, 3])]
    assert len({tuple(d.flatten().tolist()) for d in draws}) == 3
    order = RandomSampler(range(3), replacement=True, num_samples=9)
    draws = [b["draws"] for b in DataLoader(Augmented(), batch_size=1, sampler=order)]
    assert len({tuple(d.flatten().tolist()) for d in draws}) == 9
