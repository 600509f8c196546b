"""Batch and instance normalisation: running statistics, modes and errors.

Values against torch are in test_images_golden.py. Run: pytest tests/nn/test_batchnorm.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd as torch
from isograd import nn


def test_running_statistics_follow_the_batches() -> None:
    layer = nn.BatchNorm1d(2, momentum=0.25)
    x = torch.tensor([[1.0, 10.0], [3.0, 10.0]])
    layer(x)
    np.testing.assert_allclose(layer.running_mean.numpy(), [0.5, 2.5])
    np.testing.assert_allclose(layer.running_var.numpy(), [0.75 + 0.25 * 2.0, 0.75], rtol=1e-5)
    assert layer.num_batches_tracked.item() == 1
    assert not layer.running_mean.requires_grad


def test_without_momentum_they_are_plain_means() -> None:
    layer = nn.BatchNorm1d(1, momentum=None)
    for value in (2.0, 6.0):
        layer(torch.tensor([[value], [value + 2]]))
    np.testing.assert_allclose(layer.running_mean.numpy(), [5.0])


def test_evaluation_uses_them_and_leaves_them() -> None:
    layer = nn.BatchNorm2d(1, eps=0.0).eval()
    layer.running_mean.fill_(1.0)
    layer.running_var.fill_(4.0)
    out = layer(torch.full((1, 1, 1, 2), 5.0))
    np.testing.assert_allclose(out.detach().numpy(), np.full((1, 1, 1, 2), 2.0))
    assert layer.num_batches_tracked.item() == 0


def test_reset_and_state() -> None:
    layer = nn.BatchNorm1d(3)
    layer(torch.rand(4, 3))
    assert list(layer.state_dict()) == [
        "weight", "bias", "running_mean", "running_var", "num_batches_tracked"
    ]  # fmt: skip
    layer.reset_running_stats()
    assert layer.running_var.tolist() == [1.0] * 3
    assert layer.num_batches_tracked.item() == 0


def test_one_value_per_channel_cannot_be_normalised() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm1d(3)(torch.rand(1, 3))
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        nn.InstanceNorm1d(3)(torch.rand(2, 3, 1))


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.InstanceNorm2d(2)])
def test_wrong_rank(layer) -> None:
    with pytest.raises(ValueError, match="input"):
        layer(torch.rand(1, 2, 3, 3, 3))


def test_momentum_of_a_low_precision_buffer_is_rounded_once() -> None:
    layer = nn.BatchNorm1d(1, dtype=torch.bfloat16)
    layer.running_mean.fill_(100.0)
    layer(torch.tensor([[100.0], [101.0]], dtype=torch.bfloat16))
    want = torch.tensor([90.0 + 10.05]).to(torch.bfloat16)
    assert layer.running_mean.item() == want.item()
