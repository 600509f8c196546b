"""Samplers: orders and draws against PyTorch's (tests/golden/data.json). Run: pytest tests/data"""

import numpy as np
import pytest

import isograd
from isograd.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

WEIGHTS = [0.1, 0.2, 3.0, 0.7]


@pytest.mark.parametrize(
    ("name", "make", "arguments", "options"),
    [
        ("random", RandomSampler, (range(11),), {}),
        ("random more", RandomSampler, (range(11),), {"num_samples": 25}),
        (
            "random replacement",
            RandomSampler,
            (range(11),),
            {"replacement": True, "num_samples": 40},
        ),
        ("subset", SubsetRandomSampler, ([3, 1, 4, 1, 5],), {}),
        ("weighted", WeightedRandomSampler, (WEIGHTS, 9), {}),
        ("weighted once", WeightedRandomSampler, (WEIGHTS, 3), {"replacement": False}),
    ],
)
def test_order_and_draws_are_torchs(golden, name, make, arguments, options):
    generator = isograd.Generator().manual_seed(7)
    sampler = make(*arguments, generator=generator, **options)
    own = [list(sampler), list(sampler)]
    assert [*own, isograd.rand(1, generator=generator).item()] == golden[name]["own"]
    assert len(sampler) == len(own[0])
    isograd.manual_seed(7)
    default = list(make(*arguments, **options))
    assert [default, isograd.rand(1).item()] == golden[name]["default"]


def test_sequential():
    assert list(SequentialSampler("abc")) == [0, 1, 2]
    assert len(SequentialSampler("abc")) == 3


def test_batches():
    sampler = SequentialSampler(range(5))
    assert list(BatchSampler(sampler, 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(sampler, 2, True)) == [[0, 1], [2, 3]]
    assert (len(BatchSampler(sampler, 2, False)), len(BatchSampler(sampler, 2, True))) == (3, 2)


def test_weights_may_be_a_tensor_or_an_array():
    for weights in (isograd.tensor(WEIGHTS), np.array(WEIGHTS)):
        assert len(list(WeightedRandomSampler(weights, 5))) == 5


def test_a_sampler_of_ones_own_needs_iter():
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(Sampler())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSampler([]), "num_samples should be a positive integer value"),
        (lambda: RandomSampler([1], num_samples=2.0), "but got num_samples=2.0"),
        (lambda: RandomSampler([1], replacement=3), "replacement should be a boolean"),
        (lambda: WeightedRandomSampler([1.0], 0), "num_samples should be"),
        (lambda: WeightedRandomSampler([1.0], 1, 3), "replacement should be a boolean"),
        (lambda: WeightedRandomSampler([[1.0]], 1), r"have shape \(1, 1\)"),
        (lambda: BatchSampler([1], 0, False), "batch_size=0"),
        (lambda: BatchSampler([1], True, False), "batch_size=True"),
        (lambda: BatchSampler([1], 2, 1), "drop_last=1"),
    ],
)
def test_refusals(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
