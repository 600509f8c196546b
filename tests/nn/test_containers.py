"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict.

Run: pytest tests/nn/test_containers.py
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

import isograd as torch
from isograd import nn


def test_sequential_runs_and_is_a_list() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU())
    assert net(torch.zeros(3, 2, 2)).shape == (3, 2)
    assert len(net) == 3
    assert net[-1] is net[2]
    assert type(net[:2]) is nn.Sequential
    assert len(net[:2]) == 2
    del net[0]
    assert list(net._modules) == ["0", "1"]
    net.append(nn.Tanh()).insert(0, nn.Identity()).extend([nn.ReLU()])
    assert [type(m).__name__ for m in net] == ["Identity", "Linear", "ReLU", "Tanh", "ReLU"]
    assert type(net.pop(0)).__name__ == "Identity"
    assert len(net + net) == 8
    assert len(net * 2) == 8
    net[0] = nn.Identity()
    assert isinstance(net[0], nn.Identity)


def test_sequential_of_names() -> None:
    net = nn.Sequential(OrderedDict(one=nn.ReLU(), two=nn.Tanh()))
    assert net.one is net[0]
    assert list(net[1:]._modules) == ["two"]


def test_module_list() -> None:
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    layers.append(nn.ReLU())
    layers += [nn.ReLU()]
    assert len(layers) == 5
    assert len(list(layers.parameters())) == 6
    assert isinstance(layers[1:], nn.ModuleList)
    assert repr(layers) == (
        "ModuleList(\n  (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)\n"
        "  (3-4): 2 x ReLU()\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_dict() -> None:
    d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)})
    d.update([("c", nn.Tanh())])
    assert list(d) == ["a", "b", "c"]
    assert "a" in d
    assert list(d.keys()) == ["a", "b", "c"]
    assert d.pop("a") is not None
    assert len(d) == 2
    assert repr(d).startswith("ModuleDict(\n  (b): Linear(")


def test_parameter_list() -> None:
    values = nn.ParameterList([torch.zeros(2), nn.Parameter(torch.ones(1)), 3])
    assert isinstance(values[0], nn.Parameter)
    assert len(list(values.parameters())) == 2
    assert values[2] == 3
    values.append(torch.zeros(1))
    assert len(values) == 4
    assert isinstance(values[1:3], nn.ParameterList)
    assert repr(values[:3]) == (
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2]\n"
        "    (1): Parameter containing: [torch.float32 of size 1]\n    (2): Object of type: int\n)"
    )


def test_parameter_dict() -> None:
    values = nn.ParameterDict({"a": torch.zeros(2, 2), "b": 3})
    assert isinstance(values["a"], nn.Parameter)
    assert list(values.items())[1] == ("b", 3)
    assert values.get("z", 5) == 5
    assert values.setdefault("c", torch.ones(1)).item() == 1
    assert values.popitem()[0] == "c"
    assert list(values.state_dict()) == ["a"]
    assert len(values | {"d": torch.zeros(1)}) == 3
    assert repr(values) == (
        "ParameterDict(\n    (a): Parameter containing: [torch.FloatTensor of size 2x2]\n"
        "    (b): Object of type: int\n)"
    )


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: nn.Sequential(3), TypeError, "int is not a Module subclass"),
        (lambda: nn.Sequential()[5], IndexError, "index 5 is out of range"),
        (lambda: nn.Sequential().insert(9, nn.ReLU()), IndexError, "Index out of range: 9"),
        (lambda: nn.ModuleList(3), TypeError,
         "ModuleList.extend should be called with an iterable, but got int"),
        (lambda: nn.ModuleDict().update(3), TypeError,
         "ModuleDict.update should be called with an iterable of key/value pairs, but got int"),
        (lambda: nn.ModuleDict().update([(1,)]), ValueError,
         "ModuleDict update sequence element #0 has length 1; 2 is required"),
        (lambda: nn.ParameterDict()["a"], KeyError, "a"),
    ],
)  # fmt: skip
def test_messages(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        act()
