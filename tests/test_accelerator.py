"""``torch.accelerator`` and ``torch.cuda`` with and without a device (a pretended one).

Run: pytest tests/test_accelerator.py
"""

from __future__ import annotations

import pytest

import isograd as torch
from tests.tensor import pretend_cupy


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device() -> None:
    accelerator = torch.accelerator
    assert not accelerator.is_available()
    assert accelerator.current_accelerator() is None
    assert accelerator.device_count() == 0
    assert accelerator.memory_allocated() == 0
    accelerator.empty_cache()
    accelerator.reset_peak_memory_stats()
    with accelerator.device_index(None):
        pass
    for call in (
        accelerator.current_device_index, accelerator.synchronize, accelerator.current_stream,
        lambda: accelerator.set_device_index(0), lambda: accelerator.set_stream(None),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is"):
            call()
    assert torch.cuda.get_arch_list() == []
    assert torch.cuda.get_rng_state_all() == []


def test_with_a_device() -> None:
    with pretend_cupy.pretended():
        assert torch.accelerator.is_available()
        assert torch.accelerator.current_accelerator() == torch.device("cuda")
        assert torch.accelerator.device_count() == 1
        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        assert torch.ones(2, device=device).is_cuda


@pytest.mark.gpu
def test_indices_and_streams() -> None:
    torch.accelerator.set_device_index(0)
    assert torch.accelerator.current_device_index() == 0
    with torch.accelerator.device_index(0):
        x = torch.ones(1000, device="cuda")
    before = torch.accelerator.current_stream()
    mine = torch.cuda.Stream()
    torch.accelerator.set_stream(mine)
    y = x + 1
    torch.accelerator.set_stream(before)
    torch.accelerator.synchronize()
    assert y.sum().item() == 2000
    assert torch.accelerator.max_memory_allocated() >= torch.accelerator.memory_allocated() > 0
    assert torch.cuda.default_stream().query() in (True, False)
    torch.cuda.init()
    assert torch.cuda.get_arch_list()[0].startswith("sm_")


def test_one_generator_serves_all_devices() -> None:
    state = torch.cuda.get_rng_state()
    x = torch.rand(3)
    torch.cuda.set_rng_state(state)
    assert (torch.rand(3) == x).all()
    torch.cuda.set_rng_state_all([state])
    assert (torch.rand(3) == x).all()
    assert issubclass(torch.cuda.OutOfMemoryError, MemoryError)
