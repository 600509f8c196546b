"""Dropout layers: rates, scale, whole channels, seeds, gradients.

Run: pytest tests/nn/test_dropout.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd as torch
from isograd import nn
from isograd.nn import functional as F


def test_rate_scale_and_mask_of_the_gradient() -> None:
    x = torch.ones(100, 100, requires_grad=True)
    out = nn.Dropout(0.3)(x)
    kept = out.detach().numpy() != 0
    assert abs(kept.mean() - 0.7) < 0.02
    np.testing.assert_allclose(out.detach().numpy()[kept], 1 / 0.7, 1e-6)
    out.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy() != 0, kept)


def test_seed_and_successive_draws() -> None:
    x = torch.ones(50)
    torch.manual_seed(1)
    a, b = F.dropout(x), F.dropout(x)
    torch.manual_seed(1)
    assert torch.equal(a, F.dropout(x))
    assert not torch.equal(a, b)


def test_a_draw_does_not_shift_the_stream_of_values() -> None:
    torch.manual_seed(1)
    F.dropout(torch.ones(5))
    a = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(a, torch.rand(3))


def test_eval_none_and_all() -> None:
    x = torch.randn(4)
    assert nn.Dropout(0.5).eval()(x) is x
    assert torch.equal(F.dropout(x, 0.0), x)
    assert F.dropout(x, 1.0).abs().sum().item() == 0
    y = x.clone()
    assert F.dropout(y, 0.5, inplace=True) is y
    with pytest.raises(ValueError, match="has to be between 0 and 1, but got 1.5"):
        nn.Dropout(1.5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Dropout1d, (8, 16, 5)), (nn.Dropout2d, (8, 16, 3, 2)), (nn.Dropout3d, (8, 16, 3, 2, 2)),
     (nn.FeatureAlphaDropout, (8, 16, 4))],
)  # fmt: skip
def test_whole_channels(layer: type[nn.Module], shape: tuple[int, ...]) -> None:
    flat = layer(0.5)(torch.ones(shape)).reshape(8, 16, -1).numpy()
    assert (flat == flat[..., :1]).all()
    assert len(np.unique(flat)) == 2


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    out = nn.AlphaDropout(0.3)(torch.randn(200, 200))
    assert abs(out.mean().item()) < 0.02
    assert abs(out.var().item() - 1) < 0.05
