"""DataParallel gives the module's results. Run: pytest tests/nn/parallel"""

from __future__ import annotations

import importlib
import warnings

import pytest

import isograd as torch
from isograd import nn
from tests.tensor import pretend_cupy


def test_results_and_keys_are_the_modules() -> None:
    net = nn.Linear(3, 2)
    wrapped = nn.DataParallel(net)
    x = torch.randn(4, 3)
    assert (wrapped(x) == net(x)).all()
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    assert wrapped.device_ids == [] or torch.cuda.is_available()
    assert (nn.parallel.data_parallel(net, x) == net(x)).all()
    path = importlib.import_module("isograd.nn.parallel.distributed")
    assert path.DistributedDataParallel is nn.parallel.DistributedDataParallel


def test_inputs_go_to_its_device() -> None:
    with pretend_cupy.pretended():
        net = nn.Linear(3, 2).cuda()
        wrapped = nn.DataParallel(net, device_ids=["cuda:0"])
        assert wrapped.device_ids == [0]
        assert wrapped(torch.randn(4, 3)).is_cuda


def test_further_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    room = importlib.import_module("isograd.nn.parallel.data_parallel")
    monkeypatch.setattr(room, "device_count", lambda: 2)
    with pytest.warns(UserWarning, match=r"of the GPUs \[0, 1\] only 0 computes"):
        nn.DataParallel(nn.Linear(3, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.DataParallel(nn.Linear(3, 2), device_ids=[1])
