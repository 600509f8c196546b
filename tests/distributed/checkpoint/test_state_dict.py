"""States by parameter name, across orders of groups and wrappers.

python -m pytest tests/distributed/checkpoint/test_state_dict.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.distributed.checkpoint as dcp
from isograd import nn
from isograd.distributed.checkpoint import state_dict as names
from isograd.nn.parallel import DistributedDataParallel


def groups(model: nn.Module, backwards: bool) -> Any:
    found = [{"params": [model[0].weight], "lr": 0.5}, {"params": [model[0].bias], "lr": 0.1}]
    return torch.optim.AdamW(found[::-1] if backwards else found)


def made(seed: int, backwards: bool = False, steps: int = 2) -> tuple[nn.Module, Any]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 2))
    optimizer = groups(model, backwards)
    for _ in range(steps):
        model(torch.randn(4, 3)).square().mean().backward()
        optimizer.step()
    return model, optimizer


def test_another_order_of_groups(tmp_path: Path) -> None:
    old, old_optimizer = made(1)
    weights, moments = names.get_state_dict(old, old_optimizer)
    assert set(moments["state"]) == {"0.weight", "0.bias"}
    assert [g["params"] for g in moments["param_groups"]] == [["0.weight"], ["0.bias"]]
    dcp.save({"model": weights, "optimizer": moments}, checkpoint_id=tmp_path / "c")

    new, optimizer = made(2, backwards=True, steps=0)
    weights, moments = names.get_state_dict(new, optimizer)
    state = {"model": weights, "optimizer": moments}
    dcp.load(state, checkpoint_id=tmp_path / "c")
    names.set_state_dict(
        new, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"]
    )
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5]
    x = torch.randn(4, 3)
    for model, its in ((old, old_optimizer), (new, optimizer)):
        its.zero_grad()
        model(x).square().mean().backward()
        its.step()
    assert torch.equal(old[0].weight, new[0].weight) and torch.equal(old[0].bias, new[0].bias)


def test_the_wrapper_leaves_no_trace() -> None:
    def program(rank: int) -> None:
        model, _ = made(1)
        wrapped = DistributedDataParallel(model)
        assert list(names.get_model_state_dict(wrapped)) == ["0.weight", "0.bias"]
        assert not any(names.set_model_state_dict(wrapped, model.state_dict()))

    dist.run_local(2, program)


def test_what_does_not_fit() -> None:
    model, optimizer = made(1)
    other, _ = made(2)
    with pytest.raises(ValueError, match=r"shape \[2, 3\] is not the model's"):
        names.get_optimizer_state_dict(other, optimizer)
    state = names.get_optimizer_state_dict(model, optimizer)
    joined = torch.optim.AdamW(model.parameters())
    with pytest.raises(ValueError, match=r"the group of 0.weight was several groups"):
        names.set_optimizer_state_dict(model, joined, state)
    state["param_groups"].pop()
    with pytest.raises(ValueError, match="1 parameters are not in the state: 0.bias"):
        names.set_optimizer_state_dict(model, optimizer, state)
    with pytest.raises(TypeError, match="options are not supported"):
        names.get_state_dict(model, optimizer, options=1)  # type: ignore[arg-type]
