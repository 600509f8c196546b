"""The loader in one process: orders against PyTorch's, lengths, refusals. Run: pytest tests/data"""

import pytest

import isograd
from isograd.data import DataLoader, IterableDataset, SequentialSampler, TensorDataset

SIZE = 11


class Count(IterableDataset):
    def __init__(self, n=5, announced=None):
        self.n, self.announced = n, announced

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        if self.announced is None:
            raise TypeError("no len")
        return self.announced


class EagerOrder:
    def __len__(self):
        return SIZE

    def __iter__(self):
        return iter(isograd.randperm(SIZE).tolist())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("serial", {"batch_size": 3, "shuffle": True}),
        ("in order", {"batch_size": 3}),
        ("drop", {"batch_size": 3, "shuffle": True, "drop_last": True}),
        ("eager", {"batch_size": None, "sampler": EagerOrder()}),
    ],
)
def test_two_epochs_and_the_draws_between_are_torchs(golden, name, options):
    isograd.manual_seed(0)
    loader = DataLoader(TensorDataset(isograd.arange(SIZE)), **options)
    out = [isograd.rand(1).item()]
    for _ in range(2):
        out.append([x.tolist() for (x,) in loader])
        out.append(isograd.rand(1).item())
    assert out == golden[name]


def test_a_generator_of_ones_own(golden):
    generator = isograd.Generator().manual_seed(5)
    loader = DataLoader(range(SIZE), batch_size=2, shuffle=True, generator=generator)
    out = [[x.tolist() for x in loader], next(iter(loader)).tolist()]
    assert [*out, isograd.rand(1, generator=generator).item()] == golden["own serial"]


def test_lengths():
    data = range(10)
    assert len(DataLoader(data, batch_size=3)) == 4
    assert len(DataLoader(data, batch_size=3, drop_last=True)) == 3
    assert len(DataLoader(data, batch_size=None)) == 10
    assert len(DataLoader(data, batch_sampler=[[1, 2], [3]])) == 2
    stream = Count(announced=7)
    assert len(DataLoader(stream, batch_size=3)) == 3
    assert len(DataLoader(stream, batch_size=3, drop_last=True)) == 2
    assert len(DataLoader(stream, batch_size=None)) == 7


def test_streams():
    def batches(**options):
        return [b.tolist() for b in DataLoader(Count(), **options)]

    assert batches(batch_size=2) == [[0, 1], [2, 3], [4]]
    assert batches(batch_size=2, drop_last=True) == [[0, 1], [2, 3]]
    assert list(DataLoader(Count(), batch_size=None)) == [0, 1, 2, 3, 4]


def test_a_stream_longer_than_announced_warns():
    loader = DataLoader(Count(3, announced=2))
    for _ in loader:  # list() would ask for the length
        pass
    assert len(loader) == 2
    with pytest.warns(UserWarning, match=r"was reported to be 2\(when accessing.* 3 samples"):
        list(loader)


def test_yielded_batches_are_counted():
    loader = DataLoader(range(10), batch_size=2)
    assert loader.batches_yielded == 0
    for i, _ in enumerate(loader):
        assert loader.batches_yielded == i + 1
        if i == 2:
            break
    assert (loader._stream.epoch, loader._stream.cursor) == (0, 3)


def test_collate_fn_gets_the_samples():
    assert list(DataLoader(range(4), batch_size=2, collate_fn=tuple)) == [(0, 1), (2, 3)]


def test_attributes():
    loader = DataLoader(range(4), batch_size=2)
    assert isinstance(loader.sampler, SequentialSampler)
    assert (loader.batch_sampler.batch_size, loader.prefetch_factor) == (2, None)
    for name in ("batch_size", "sampler", "dataset", "drop_last"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set after"):
            setattr(loader, name, 3)
    loader.collate_fn = list
    assert list(loader) == [[0, 1], [2, 3]]


def test_many_workers_warn():
    with pytest.warns(UserWarning, match="will create 4096 worker processes"):
        DataLoader(range(4), num_workers=4096)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "positive integer value, but got batch_size=0"),
        ({"batch_size": 2.5}, "but got batch_size=2.5"),
        ({"drop_last": 1}, "drop_last should be a boolean value"),
        ({"shuffle": True, "sampler": [1]}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "disables auto-batching"),
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "could only be specified in multiprocessing"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor option should be"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"multiprocessing_context": "fork"}, "can only be used with multi-process loading"),
        ({"multiprocessing_context": "no", "num_workers": 1}, "valid start method in"),
        ({"multiprocessing_context": 3, "num_workers": 1}, "valid context object"),
        ({"generator": 3}, "expected generator to be a Generator"),
        ({"pin_memory_device": "tpu"}, "pin_memory_device should be"),
        ({"dataset": [], "shuffle": True}, "num_samples=0"),
        ({"dataset": Count(), "shuffle": True}, "expected unspecified shuffle option"),
        ({"dataset": Count(), "sampler": [1]}, "expected unspecified sampler option"),
        ({"dataset": Count(), "batch_sampler": [1]}, "expected unspecified batch_sampler"),
    ],
)
def test_refusals(options, message):
    dataset = options.pop("dataset", range(4))
    with pytest.raises((TypeError, ValueError), match=message):
        DataLoader(dataset, **options)
