"""The loader under the real global view, over MPI: batches whole again, at any number of ranks.

Run: tools/mpi_test.sh 3 tests/data/test_view_mpi.py
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd
from isograd.data import DataLoader, Dataset, IterableDataset, TensorDataset
from isograd.distributed import global_view
from tests.data.ranks import exact, plain

pytestmark = pytest.mark.mpi
N = 29


@pytest.fixture(scope="module")
def view() -> Iterator[Any]:
    made = global_view.start(shards=8)
    yield made
    global_view.stop()


class Augmented(Dataset):
    def __len__(self):
        return N

    def __getitem__(self, i):
        return isograd.rand(3) * i, f"{i}", {"n": np.random.rand() + random.random()}


class Stream(IterableDataset):
    def __iter__(self):
        for i in range(N):
            yield i, isograd.rand(2)


def _loaders(workers):
    rows = TensorDataset(isograd.arange(2 * N).reshape(N, 2).float(), isograd.arange(N))
    yield DataLoader(rows, batch_size=12, shuffle=True, num_workers=workers)
    yield DataLoader(rows, batch_size=3, num_workers=workers)
    yield DataLoader(Augmented(), batch_size=9, shuffle=True, num_workers=workers)
    yield DataLoader(
        Augmented(), batch_size=4, collate_fn=lambda s: isograd.stack([x for x, *_ in s])
    )
    yield DataLoader(Stream(), batch_size=8, num_workers=workers)


def _all(workers, batch_of):
    isograd.manual_seed(1)
    random.seed(2)
    np.random.seed(3)
    return [plain(batch_of(b)) for loader in _loaders(workers) for _ in range(2) for b in loader]


def _whole(batch):
    """Completed: the collective that looking at it is."""
    if isinstance(batch, dict):
        return {key: _whole(value) for key, value in batch.items()}
    if isinstance(batch, list):
        return [_whole(value) for value in batch]
    return batch.numpy() if isinstance(batch, isograd.Tensor) else batch


@pytest.mark.filterwarnings("ignore:DataLoader. every rank loads whole batches")
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_those_without_a_view(view, workers, monkeypatch):
    found = _all(workers, _whole)
    monkeypatch.setattr("isograd.data.loader.current_view", lambda: None)
    alone = _all(0, lambda batch: batch)
    assert exact(found) == exact(alone)


def test_a_batch_is_global_and_cut(view):
    for x, y in DataLoader(TensorDataset(isograd.ones(N, 2), isograd.arange(N)), batch_size=12):
        assert tuple(x.shape) == (x.size(0), 2)
        assert len(x._array.pieces) == view.count
        assert (x.sum().item(), len(y)) == (2 * x.size(0), x.size(0))


def test_ranks_that_differ_are_told(view):
    if view.size == 1:
        return
    isograd.manual_seed(view.rank)
    with pytest.raises(RuntimeError, match="the ranks would read different data"):
        next(iter(DataLoader(range(8), batch_size=2, shuffle=True)))
