"""Names of devices, and the one device that a process has under a global view.

Reference: torch.device. Run: python -m pytest tests/tensor/test_devices.py
"""

import pickle

import pytest

import isograd.cuda
from isograd.tensor import devices
from isograd.tensor.devices import device, register_local_device


@pytest.fixture
def third_device(monkeypatch):
    monkeypatch.setattr(devices, "_local_device", [])
    answer = [3]
    register_local_device(lambda: answer[0])
    return answer


def test_every_cuda_index_means_the_local_device(third_device, monkeypatch):
    monkeypatch.setattr(isograd.cuda, "_device_count", lambda: 8)
    for spelled in (device("cuda:0"), device("cuda", 1), device(0), device(device("cuda:3"))):
        assert (spelled.type, spelled.index) == ("cuda", 3)
    assert device("cuda").index is None  # the current one
    assert device("cpu", 0).index == 0
    assert pickle.loads(pickle.dumps(device("cuda:0"))) == device("cuda:3")
    assert isograd.cuda.device_count() == 1
    assert isograd.cuda._index(0) == isograd.cuda._index("cuda:0") == 3
    third_device[0] = None  # the view has ended
    assert device("cuda:0").index == 0
    assert isograd.cuda.device_count() == 8


def test_without_a_view_indices_mean_what_they_say():
    assert [device("cuda:2").index, device(1).index, device("cuda").index] == [2, 1, None]
    with pytest.raises(RuntimeError, match="Invalid device string"):
        device("cuda:x")
    with pytest.raises(RuntimeError, match="expected cpu or cuda"):
        device("tpu")
