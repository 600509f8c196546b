"""state_dict and load_state_dict: names, sharing, strictness, hooks, torch's messages.

Run: pytest tests/nn/test_module_state.py
"""

from __future__ import annotations

from typing import Any

import pytest

import isograd as torch
from isograd import nn


def test_round_trip_shares_and_copies() -> None:
    a, b = nn.Linear(2, 3), nn.Linear(2, 3)
    state = a.state_dict()
    assert list(state) == ["weight", "bias"]
    assert state._metadata == {"": {"version": 1}}
    assert not state["weight"].requires_grad
    assert a.state_dict(keep_vars=True)["weight"] is a.weight
    assert repr(b.load_state_dict(state)) == "<All keys matched successfully>"
    assert torch.equal(a.weight, b.weight)
    with torch.no_grad():
        a.weight.zero_()
    assert state["weight"].sum().item() == 0  # shares a's memory
    assert b.weight.abs().sum().item() > 0  # holds a copy


def test_prefix_and_destination() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    out: dict[str, Any] = {"x": 1}
    net.state_dict(destination=out, prefix="net.")
    assert list(out) == ["x", "net.0.weight", "net.0.bias"]


def test_strict_message() -> None:
    m = nn.Sequential(nn.Linear(2, 3))
    bad = {"0.weight": torch.zeros(2, 2), "x": torch.zeros(1), "0.y": torch.zeros(1)}
    with pytest.raises(RuntimeError) as caught:
        m.load_state_dict(bad)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "0.bias". \n'
        '\tUnexpected key(s) in state_dict: "x", "0.y". \n'
        "\tsize mismatch for 0.weight: copying a param with shape torch.Size([2, 2]) from "
        "checkpoint, the shape in current model is torch.Size([3, 2])."
    )


def test_not_strict() -> None:
    m = nn.Linear(2, 3)
    keys = m.load_state_dict({"bias": torch.ones(3), "x": torch.ones(1)}, strict=False)
    assert keys.missing_keys == ["weight"]
    assert keys.unexpected_keys == ["x"]
    assert repr(keys) == "_IncompatibleKeys(missing_keys=['weight'], unexpected_keys=['x'])"
    assert m.bias is not None
    assert m.bias.tolist() == [1, 1, 1]


def test_what_is_no_tensor_or_no_mapping() -> None:
    m = nn.Linear(2, 3)
    with pytest.raises(RuntimeError, match='parameter named "weight", expected torch.Tensor or Te'):
        m.load_state_dict({"weight": 3, "bias": torch.zeros(3)})
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'int'>."):
        m.load_state_dict(3)  # type: ignore[arg-type]


def test_values_are_cast_and_assign_keeps_theirs() -> None:
    m = nn.Linear(1, 2, bias=False)
    wide = {"weight": torch.ones(2, 1, dtype=torch.float64)}
    kept = m.weight
    m.load_state_dict(wide)
    assert m.weight is kept
    assert m.weight.dtype is torch.float32
    m.weight.requires_grad_(False)
    m.load_state_dict(wide, assign=True)
    assert m.weight.dtype is torch.float64
    assert isinstance(m.weight, nn.Parameter)
    assert not m.weight.requires_grad


def test_old_scalars() -> None:
    m = nn.Module()
    m.register_buffer("n", torch.tensor(0.0))
    m.load_state_dict({"n": torch.tensor([5.0])})
    assert m.n.item() == 5


class WithExtra(nn.Module):
    def __init__(self, value: int) -> None:
        super().__init__()
        self.value = value

    def get_extra_state(self) -> Any:
        return self.value

    def set_extra_state(self, state: Any) -> None:
        self.value = state


def test_extra_state() -> None:
    a, b = nn.Sequential(WithExtra(1)), nn.Sequential(WithExtra(2))
    assert a.state_dict() == {"0._extra_state": 1}
    b.load_state_dict(a.state_dict())
    assert b[0].value == 1
    with pytest.raises(RuntimeError, match='Missing key\\(s\\) in state_dict: "0._extra_state"'):
        b.load_state_dict({})


def test_hooks() -> None:
    m = nn.Linear(1, 1)
    calls: list[str] = []
    m.register_state_dict_pre_hook(lambda mod, prefix, keep: calls.append("save"))
    m.register_state_dict_post_hook(lambda mod, state, prefix, local: state.update(more=1))
    state = m.state_dict()
    assert state["more"] == 1
    m.register_load_state_dict_pre_hook(lambda mod, state, *rest: state.pop("more"))
    m.register_load_state_dict_post_hook(lambda mod, keys: calls.append("loaded"))
    m.load_state_dict(state)
    assert calls == ["save", "loaded"]


def test_loss_weights_are_buffers_and_none_is_left_out() -> None:
    assert list(nn.CrossEntropyLoss(torch.ones(2)).state_dict()) == ["weight"]
    assert list(nn.CrossEntropyLoss().state_dict()) == []
    assert list(nn.Linear(1, 1, bias=False).state_dict()) == ["weight"]
