"""Initial values: properties, and torch's values for the same seed.

Reference: sums and last elements printed by torch 2.13 after ``torch.manual_seed(5)``.
Run: pytest tests/nn/test_init.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd as torch
from isograd.nn import init

CALLS = {
    "init.uniform_(t, -1, 2)": (275.752349, -0.419564),
    "init.normal_(t, 1, 2)": (656.596583, 1.592012),
    "init.trunc_normal_(t, 1.0, 2.0, -1.0, 1.5)": (263.261245, 0.137463),
    "init.trunc_normal_(t, 0.0, 1.0, 1.0, 1.5)": (737.002643, 1.096739),
    "init.xavier_uniform_(t, 1.5)": (-8.399633, -0.318546),
    "init.xavier_normal_(t)": (5.659658, 0.059201),
    "init.kaiming_uniform_(t, a=0.2)": (-7.088866, -0.268837),
    "init.kaiming_normal_(t, mode='fan_out', nonlinearity='relu')": (8.948706, 0.093605),
    "init.orthogonal_(t, 2.0)": (11.681209, 0.329161),
    "init.sparse_(t, 0.3)": (0.292983, 0.002960),
}


@pytest.mark.parametrize("source", CALLS)
def test_as_torch(source: str) -> None:
    torch.manual_seed(5)
    t = torch.empty(20, 30)
    assert eval(source, {"init": init, "t": t}) is t
    total, last = CALLS[source]
    assert t.double().sum().item() == pytest.approx(total, abs=2e-4)
    assert t[-1, -1].item() == pytest.approx(last, abs=2e-6)


def test_exact_ones() -> None:
    t = torch.empty(3, 4)
    assert torch.equal(init.eye_(t), torch.eye(3, 4))
    assert init.constant_(t, 2.5).tolist() == [[2.5] * 4] * 3
    assert init.zeros_(t).sum().item() == 0
    assert init.ones_(t).sum().item() == 12


def test_dirac_passes_channels_on() -> None:
    w = init.dirac_(torch.empty(4, 2, 3), groups=2)
    want = np.zeros((4, 2, 3))
    want[[0, 1, 2, 3], [0, 1, 0, 1], 1] = 1
    np.testing.assert_array_equal(w.numpy(), want)


def test_orthogonal_rows() -> None:
    w = init.orthogonal_(torch.empty(3, 2, 4, dtype=torch.float64)).reshape(3, 8)
    np.testing.assert_allclose((w @ w.t()).numpy(), np.eye(3), atol=1e-12)


def test_sparse_counts() -> None:
    w = init.sparse_(torch.empty(10, 4), 0.25)
    assert (w == 0).sum(0).tolist() == [3, 3, 3, 3]


def test_parameters_are_written_without_history() -> None:
    w = torch.nn.Parameter(torch.empty(2, 2))
    init.normal_(w)
    assert w.is_leaf
    assert w.requires_grad


def test_gain_and_messages() -> None:
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0.5) == pytest.approx((2 / 1.25) ** 0.5)
    with pytest.raises(ValueError, match="Unsupported nonlinearity foo"):
        init.calculate_gain("foo")
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_normal_(torch.empty(3))
    with pytest.raises(ValueError, match="Mode sideways not supported"):
        init.kaiming_normal_(torch.empty(3, 3), mode="sideways")
    with pytest.warns(FutureWarning, match="`nn.init.normal` is now deprecated in favor of"):
        init.normal(torch.empty(3))
