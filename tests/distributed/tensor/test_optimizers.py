"""Optimizers on parameters in pieces, against the same steps on whole ones.

pytest tests/distributed/tensor/test_optimizers.py
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.distributed.tensor import (
    DTensor,
    Replicate,
    Shard,
    distribute_tensor,
    init_device_mesh,
)

KINDS: list[tuple[Any, dict[str, Any]]] = [
    (torch.optim.SGD, {"lr": 0.1}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (torch.optim.Adam, {"lr": 0.1, "amsgrad": True}),
    (torch.optim.AdamW, {"lr": 0.1}),
    (torch.optim.RMSprop, {"lr": 0.1, "centered": True, "momentum": 0.5}),
    (torch.optim.Rprop, {"lr": 0.1}),
    (torch.optim.Adagrad, {"lr": 0.1, "initial_accumulator_value": 0.5}),
    (torch.optim.Adadelta, {}),
    (torch.optim.NAdam, {}),
]
NAMES = [f"{kind.__name__}{len(options)}" for kind, options in KINDS]


def model(placements: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """A Linear, and the same with parameters in pieces."""
    torch.manual_seed(0)
    plain = torch.nn.Linear(7, 5)
    cut = copy.deepcopy(plain)
    mesh = init_device_mesh("cpu", shape)
    weight = distribute_tensor(plain.weight.detach(), mesh, placements)
    cut.weight = torch.nn.Parameter(weight)
    return plain, cut


def train(net: Any, optimizer: Any, steps: int) -> None:
    for i in range(steps):
        x = torch.linspace(-1, 1, 21).reshape(3, 7) * (i + 1)
        optimizer.zero_grad()
        (net(x) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()


def same(plain: Any, cut: Any) -> None:
    assert isinstance(cut.weight, DTensor) and not isinstance(plain.weight, DTensor)
    np.testing.assert_allclose(
        cut.weight.full_tensor().detach().numpy(), plain.weight.detach().numpy(), atol=2e-5
    )
    np.testing.assert_allclose(cut.bias.detach().numpy(), plain.bias.detach().numpy(), atol=2e-5)


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=NAMES)
@pytest.mark.parametrize(
    ("placements", "shape"),
    [([Shard(0)], (3,)), ([Shard(1)], (8,)), ([Replicate()], (2,)), ([Shard(0), Shard(1)], (2, 3))],
)
def test_steps_are_those_on_whole_parameters(kind, options, placements, shape):
    plain, cut = model(placements, shape)
    optimizers = [kind(net.parameters(), **options) for net in (plain, cut)]
    for net, optimizer in zip((plain, cut), optimizers, strict=True):
        train(net, optimizer, 4)
    same(plain, cut)
    assert list(cut.weight.placements) == placements
    state = optimizers[1].state[cut.weight]
    moments = [v for v in state.values() if v is not None and v.dim() > 0]
    assert all(isinstance(v, DTensor) and list(v.placements) == placements for v in moments)


def test_a_state_of_whole_tensors_is_cut_as_the_parameter():
    plain, cut = model([Shard(0)], (3,))
    first, second = (torch.optim.AdamW(net.parameters(), lr=0.1) for net in (plain, cut))
    train(plain, first, 3)
    with torch.no_grad():
        cut.weight.copy_(plain.weight)
        cut.bias.copy_(plain.bias)
    second.load_state_dict(first.state_dict())
    train(plain, first, 2)
    train(cut, second, 2)
    same(plain, cut)
    assert isinstance(second.state[cut.weight]["exp_avg"], DTensor)
    assert not isinstance(first.state[plain.weight]["exp_avg"], DTensor)


def test_lbfgs_wants_whole_parameters():
    _, cut = model([Shard(0)], (2,))
    optimizer = torch.optim.LBFGS(cut.parameters())
    with pytest.raises(TypeError, match=r"LBFGS: expected parameters that every process holds"):
        optimizer.step(lambda: cut(torch.ones(1, 7)).sum())
