"""A file of PyTorch 2.13's torch.save: all its tensors, their sharing, and its containers.

Reference: tests/golden/torch_state.bin, written by tests/golden/make_torch_file.py with torch.
Run: pytest tests/serialization/test_torch_file.py
"""

from collections import OrderedDict
from pathlib import Path

import pytest

import isograd
from isograd import optim
from isograd.nn.parameter import Parameter
from isograd.serialization import load

PATH = Path(__file__).parents[1] / "golden" / "torch_state.bin"


@pytest.fixture
def value():
    return load(PATH)


def test_tensors(value):
    for name, tensor in value["kinds"].items():
        assert str(tensor.dtype) == name
        assert tensor.to(isograd.float64 if not tensor.is_complex() else tensor.dtype).tolist() == (
            [0, 1, 1] if name == "torch.bool" else [0, 1, 2]
        )
    assert value["base"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert value["empty"].shape == (0, 3)
    assert value["number"].item() == 7
    assert type(value["parameter"]) is Parameter
    assert value["parameter"].requires_grad is False
    assert value["wants"].requires_grad is True


def test_views_share_memory(value):
    assert value["turned"].stride() == (1, 4)
    value["base"].fill_(5.0)
    assert value["column"].tolist() == [5.0] * 3
    assert value["turned"].sum().item() == 60.0
    assert value["column"]._version == 1


def test_containers(value):
    expected = [1, -(2**70), 2.5, True, None, "text é", b"bytes", (1, (2,)), {1, 2}, 1 + 2j]
    assert value["plain"] == expected
    assert [type(v) for v in value["plain"]] == [type(v) for v in expected]
    assert value["what"] == [isograd.float32, isograd.device("cpu"), isograd.Size([2, 3])]
    assert type(value["ordered"]) is OrderedDict
    assert value["model"]._metadata["1"] == {"version": 2}


def test_an_optimizer_goes_on_from_torchs_state(value):
    names = ["0.weight", "0.bias", "1.weight", "1.bias"]
    params = [Parameter(value["model"][name]) for name in names]
    optimizer = optim.AdamW(params)
    optimizer.load_state_dict(value["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.1
    before = params[3].tolist()
    for p in params:
        p.grad = isograd.ones_like(p)
    optimizer.step()
    assert optimizer.state[params[0]]["step"].item() == 2.0
    assert params[3].tolist() != before


def test_map_location(value):
    assert load(PATH, map_location="cpu")["base"].tolist() == value["base"].tolist()
    assert load(PATH, map_location=lambda storage, location: storage)["number"].item() == 7
    assert load(PATH, weights_only=False)["number"].item() == 7
    with pytest.raises(TypeError, match="pickle_module"):
        load(PATH, None, object())
