"""`DistributedSampler` against PyTorch's indices, and whom it asks. Run: pytest tests/data"""

import pytest

from isograd.data import world as world_module
from isograd.data.distributed_sampler import DistributedSampler


@pytest.fixture
def nobody(monkeypatch):
    """A process that no group and no launcher knows."""
    monkeypatch.setattr(world_module, "_providers", [])
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_shares_are_torchs(golden):
    for key, expected in golden["shares"].items():
        size, replicas, drop = (eval(word) for word in key.split())
        for rank in range(replicas):
            sampler = DistributedSampler(range(size), replicas, rank, seed=2, drop_last=drop)
            sampler.set_epoch(3)
            assert list(sampler) == expected[rank]
            assert len(sampler) == len(expected[rank])


def test_the_epoch_changes_the_order_and_nothing_else_does():
    sampler = DistributedSampler(range(50), 2, 1)
    first, again = list(sampler), list(sampler)
    sampler.set_epoch(1)
    assert first == again != list(sampler)


def test_without_shuffle():
    shares = [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
    assert shares == [[0, 2, 4], [1, 3, 0]]


def test_asks_the_registered_group_then_the_environment(nobody, monkeypatch):
    with pytest.raises(ValueError, match="make sure to call init_process_group"):
        DistributedSampler(range(5))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    sampler = DistributedSampler(range(5))
    assert (sampler.rank, sampler.num_replicas) == (1, 3)
    world_module.register_world(lambda: (0, 2))
    sampler = DistributedSampler(range(5))
    assert (sampler.rank, sampler.num_replicas) == (0, 2)
    world_module.register_world(lambda: None)
    assert DistributedSampler(range(5)).num_replicas == 3


@pytest.mark.parametrize(("replicas", "rank"), [(2, 2), (2, -1), (0, 0)])
def test_refuses_a_rank_outside(replicas, rank):
    with pytest.raises(ValueError, match="Invalid rank"):
        DistributedSampler(range(5), replicas, rank)
