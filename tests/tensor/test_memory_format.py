"""Memory formats: strides, values, gradients. Reference: torch 2.13's strides.

Run: pytest tests/tensor/test_memory_format.py
"""

from __future__ import annotations

import pickle

import pytest

import isograd as torch
from isograd import nn
from isograd.nn import functional as F

CL = torch.channels_last


def test_channels_last_changes_strides_only() -> None:
    x = torch.randn(2, 3, 4, 5)
    y = x.to(memory_format=CL)
    assert y.shape == x.shape
    assert y.stride() == (60, 1, 15, 3)
    assert (y == x).all()
    assert y.is_contiguous(memory_format=CL)
    assert not y.is_contiguous()
    assert y.contiguous(memory_format=CL) is y
    assert y.contiguous().stride() == x.stride()
    assert y.contiguous(memory_format=torch.contiguous_format).is_contiguous()
    assert x.to(torch.float64, memory_format=CL).stride() == (60, 1, 15, 3)
    assert x.clone(memory_format=CL).stride() == (60, 1, 15, 3)
    z = torch.randn(2, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d)
    assert z.stride() == (360, 1, 90, 18, 3)


def test_one_channel_is_contiguous_both_ways() -> None:
    x = torch.ones(2, 1, 4, 5)
    assert x.is_contiguous()
    assert x.is_contiguous(memory_format=CL)
    assert not torch.ones(2).is_contiguous(memory_format=CL)


def test_gradients_flow() -> None:
    x = torch.randn(2, 3, 4, 5, requires_grad=True)
    w = torch.randn(2, 3, 4, 5)
    (x.to(memory_format=CL) * w).sum().backward()
    assert (x.grad == w).all()


def test_a_module_keeps_its_results() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.ReLU())
    x = torch.randn(2, 3, 6, 6)
    want = net(x)
    net.to(memory_format=CL)
    assert net[0].weight.is_contiguous(memory_format=CL)
    assert net[0].weight.is_leaf
    assert net[0].bias.shape == (4,)
    got = net(x.to(memory_format=CL))
    assert torch.allclose(got, want, atol=1e-6)
    F.mse_loss(got, torch.zeros_like(got)).backward()
    assert net[0].weight.grad.shape == (4, 3, 2, 2)


def test_errors() -> None:
    with pytest.raises(RuntimeError, match="to: required rank 4 tensor to use channels_last"):
        torch.ones(2, 3).to(memory_format=CL)
    with pytest.raises(TypeError, match="memory_format expected a torch.memory_format, got str"):
        torch.ones(2, 3).contiguous(memory_format="channels_last")
    with pytest.raises(RuntimeError, match="preserve memory format is unsupported"):
        torch.ones(2, 3).contiguous(memory_format=torch.preserve_format)


@pytest.mark.parametrize("name", ["float", "double", "long", "bool", "bfloat16"])
def test_casts_by_name_take_a_format(name: str) -> None:
    x = torch.ones(2, 3, 4, 5)
    plain, kept = getattr(x, name)(), getattr(x, name)(memory_format=CL)
    assert plain.dtype is kept.dtype
    assert kept.is_contiguous(memory_format=CL) and not kept.is_contiguous()
    assert getattr(x, name)(memory_format=torch.preserve_format).is_contiguous()


def test_constants() -> None:
    assert torch.ones(1).layout is torch.strided
    assert repr(torch.strided) == "torch.strided"
    assert repr(CL) == "torch.channels_last"
    assert isinstance(CL, torch.memory_format)
    assert isinstance(torch.strided, torch.layout)
    assert pickle.loads(pickle.dumps((CL, torch.strided))) == (CL, torch.strided)
    x = torch.ones(2, dtype=torch.float32, layout=torch.strided)
    assert torch.zeros_like(x, memory_format=torch.preserve_format).shape == (2,)
