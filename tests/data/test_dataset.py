"""Datasets, and how they are split, against PyTorch's behaviour. Run: pytest tests/data"""

import pytest

import isograd
from isograd.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Squares(Dataset):
    def __init__(self, n):
        self.n = n
        self.asked = []

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index * index

    def __getitems__(self, indices):
        self.asked.append(indices)
        return [i * i for i in indices]


class Count(IterableDataset):
    def __iter__(self):
        return iter(range(3))


def test_tensor_dataset():
    x, y = isograd.arange(6).reshape(3, 2), isograd.arange(3)
    dataset = TensorDataset(x, y)
    assert len(dataset) == 3
    assert [t.tolist() for t in dataset[1]] == [[2, 3], 1]
    assert [t.tolist() for t in dataset[1:]] == [[[2, 3], [4, 5]], [1, 2]]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(x, isograd.ones(2))


def test_a_dataset_without_samples_says_so():
    with pytest.raises(NotImplementedError, match="should implement __getitem__"):
        Dataset()[0]
    with pytest.raises(TypeError, match="abstract"):
        IterableDataset()


def test_stack():
    assert StackDataset([1, 2], "ab")[1] == (2, "b")
    named = StackDataset(image=[1, 2], text="ab")
    assert len(named) == 2
    assert named.__getitems__([1, 0]) == [{"image": 2, "text": "b"}, {"image": 1, "text": "a"}]
    with pytest.raises(ValueError, match="At least one"):
        StackDataset()
    with pytest.raises(ValueError, match="Size mismatch between datasets"):
        StackDataset([1], [1, 2])
    with pytest.raises(ValueError, match="both types"):
        StackDataset([1], a=[1])


def test_stack_notices_a_nested_batch_of_another_size():
    class Short(Squares):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match="Expected 2, got 1"):
        StackDataset(Short(4)).__getitems__([0, 1])


def test_concat():
    joined = Squares(3) + [7, 8]
    assert isinstance(joined, ConcatDataset)
    assert joined.cumulative_sizes == [3, 5]
    assert [joined[i] for i in (0, 2, 3, -1, -5)] == [0, 4, 7, 8, 0]
    with pytest.raises(ValueError, match="absolute value of index"):
        joined[-6]
    with pytest.raises(IndexError):
        joined[5]
    with pytest.raises(AssertionError, match="empty"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset"):
        ConcatDataset([Count()])


def test_chain():
    chained = Count() + Count()
    assert isinstance(chained, ChainDataset)
    assert list(chained) == [0, 1, 2, 0, 1, 2]
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([[1]]))
    with pytest.raises(TypeError, match="no len"):
        len(chained)


def test_subset_fetches_many_at_once():
    base = Squares(9)
    subset = Subset(base, [8, 2, 4])
    assert (len(subset), subset[1]) == (3, 4)
    assert subset.__getitems__([0, 2]) == [64, 16]
    assert base.asked == [[8, 4]]
    assert Subset([5, 6, 7], [2, 1]).__getitems__([0, 1]) == [7, 6]


def test_random_split(golden):
    def parts(lengths):
        generator = isograd.Generator().manual_seed(7)
        return [list(part.indices) for part in random_split(range(11), lengths, generator)]

    assert parts([4, 7]) == golden["split"]
    assert parts([0.3, 0.3, 0.4]) == golden["split fractions"]


def test_random_split_uses_the_default_generator():
    isograd.manual_seed(3)
    first = random_split(range(9), [9])[0].indices
    isograd.manual_seed(3)
    assert isograd.randperm(9).tolist() == first


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 3], "Sum of input lengths"),
        ([0.5, 0.4], "Sum of input lengths"),
        ([-0.5, 1.5], "index 0 is not between"),
    ],
)
def test_random_split_refuses(lengths, message):
    with pytest.raises(ValueError, match=message):
        random_split(range(10), lengths)


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="split at index 0 is 0"):
        assert [len(p) for p in random_split(range(10), [0.0, 1.0])] == [0, 10]
