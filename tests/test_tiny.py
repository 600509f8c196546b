"""The product in one file: if this passes, most things work.

pytest tests/test_tiny.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from isograd import nn
from isograd.nn.parallel import DistributedDataParallel
from isograd.utils.data import DataLoader, DistributedSampler, TensorDataset


def data(count: int = 256) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 2, generator=generator)
    return TensorDataset(x, (x[:, 0] * x[:, 1] > 0).long())


def net() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))


def test_tensors_print_index_and_broadcast() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    assert repr(x) == "tensor([[0., 1., 2.],\n        [3., 4., 5.]])"
    assert (x[:, 1] + x[0, 2]).tolist() == [3.0, 6.0]
    assert x[x > 2].tolist() == [3.0, 4.0, 5.0]
    x[0] = torch.tensor([7.0, 8.0, 9.0])
    assert x.sum().item() == 36.0
    assert (x.to(torch.bfloat16) * 2.0).dtype is torch.bfloat16


def test_seed_gives_torchs_numbers() -> None:
    torch.manual_seed(0)
    np.testing.assert_allclose(torch.rand(2).numpy(), [0.4962566, 0.7682218], rtol=1e-6)
    generator = torch.Generator().manual_seed(0)
    torch.rand(2, generator=generator)
    assert torch.randperm(5).tolist() == torch.randperm(5, generator=generator).tolist()


def train(model: Any, loader: Any, epochs: int = 12) -> float:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    loss = torch.zeros(())
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    return float(loss.item())


def test_a_network_learns() -> None:
    model, dataset = net(), data()
    train(model, DataLoader(dataset, batch_size=32, shuffle=True))
    x, y = dataset.tensors
    with torch.no_grad():
        assert (model(x).argmax(1) == y).float().mean().item() > 0.93


def test_a_checkpoint_goes_on_exactly(tmp_path: Path) -> None:
    x, y = data().tensors
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def step(m: Any, o: Any) -> float:
        o.zero_grad()
        loss = F.cross_entropy(m(x), y)
        loss.backward()
        o.step()
        return float(loss.item())

    for _ in range(3):
        step(model, optimizer)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "c")
    want = [step(model, optimizer) for _ in range(3)]
    saved = torch.load(tmp_path / "c")
    other = net()
    other_optimizer = torch.optim.Adam(other.parameters(), lr=1.0)
    other.load_state_dict(saved["model"])
    other_optimizer.load_state_dict(saved["optimizer"])
    assert [step(other, other_optimizer) for _ in range(3)] == want


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_give_the_single_process_result(ranks: int) -> None:
    dataset = data()
    x, y = dataset.tensors
    alone = net()
    F.cross_entropy(alone(x), y).backward()

    nets = [net() for _ in range(ranks)]

    def program(rank: int) -> list[float]:
        model = DistributedDataParallel(nets[rank])
        sampler = DistributedSampler(dataset, num_replicas=ranks, rank=rank, shuffle=False)
        for a, b in DataLoader(dataset, batch_size=256 // ranks, sampler=sampler):
            F.cross_entropy(model(a), b).backward()
        return model.module[0].weight.grad.flatten().tolist()

    want = alone[0].weight.grad.flatten().tolist()
    for got in dist.run_local(ranks, program):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-7)


def test_swapped_collectives_raise_on_both_ranks() -> None:
    def program(rank: int) -> str:
        a, b = torch.ones(2), torch.ones(3)
        with pytest.raises(dist.CollectiveMismatchError) as error:
            if rank == 0:
                dist.all_reduce(a)
                dist.broadcast(b, 0)
            else:
                dist.broadcast(b, 0)
                dist.all_reduce(a)
        return str(error.value)

    for message in dist.run_local(2, program):
        assert message.count("test_tiny.py:") >= 2
