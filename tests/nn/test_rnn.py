"""Recurrent layers beyond the golden cases: packing, derivatives, dropout, messages.

Run: pytest tests/nn/test_rnn.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd import nn
from isograd.autograd import gradcheck, gradgradcheck
from isograd.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_packed_equals_each_sequence_alone(layer: Any) -> None:
    m = layer(3, 4, 2, bidirectional=True)
    x, lengths = torch.randn(5, 3, 3), [2, 5, 3]
    out, states = m(pack_padded_sequence(x, lengths, enforce_sorted=False))
    padded, sizes = pad_packed_sequence(out)
    assert sizes.tolist() == lengths
    h = states[0] if isinstance(states, tuple) else states
    for i, n in enumerate(lengths):
        alone, last = m(x[:n, i])
        np.testing.assert_allclose(
            padded[:n, i].detach().numpy(), alone.detach().numpy(), 1e-5, 1e-6
        )
        last = last[0] if isinstance(last, tuple) else last
        np.testing.assert_allclose(h[:, i].detach().numpy(), last.detach().numpy(), 1e-5, 1e-6)
    assert padded[2:, 0].abs().sum().item() == 0


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_derivatives(layer: Any) -> None:
    m = layer(2, 3, dtype=torch.float64)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    weights = list(m.parameters())

    def call(x: Any, *weights: Any) -> Any:
        return m(x)[0]

    assert gradcheck(call, (x, *weights), fast_mode=True)
    assert gradgradcheck(call, (x, *weights), fast_mode=True)


def test_dropout_between_layers_only_in_training() -> None:
    m = nn.GRU(2, 16, 2, dropout=0.5)
    x = torch.randn(4, 1, 2)
    assert not torch.equal(m(x)[0], m(x)[0])
    m.eval()
    assert torch.equal(m(x)[0], m(x)[0])
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        nn.GRU(2, 2, dropout=0.5)


def test_weights_by_layer() -> None:
    m = nn.LSTM(2, 3, 2, bidirectional=True)
    assert len(m.all_weights) == 4
    assert m.all_weights[3][0] is m.weight_ih_l1_reverse
    assert m.weight_ih_l1.shape == (12, 6)
    m.flatten_parameters()


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: nn.LSTM(2, 3)(torch.zeros(2)), ValueError,
         "LSTM: Expected input to be 2D or 3D, got 1D instead"),
        (lambda: nn.LSTM(2, 3)(torch.zeros(2, 2, 5)), RuntimeError,
         r"input.size\(-1\) must be equal to input_size. Expected 2, got 5"),
        (lambda: nn.GRU(2, 3)(torch.zeros(2, 2, 2), torch.zeros(1, 2, 4)), RuntimeError,
         r"Expected hidden size \(1, 2, 3\), got \[1, 2, 4\]"),
        (lambda: nn.GRU(2, 3)(torch.zeros(2, 2), torch.zeros(1, 2, 3)), RuntimeError,
         "For unbatched 2-D input, hx should also be 2-D but got 3-D tensor"),
        (lambda: nn.GRU(2, 3)(torch.zeros(2, 2, 2).double()), ValueError,
         "RNN input dtype"),
        (lambda: nn.GRU(2, 3, proj_size=1), TypeError, "proj_size"),
        (lambda: nn.LSTM(2, 3, proj_size=3), ValueError, "proj_size has to be smaller"),
        (lambda: nn.RNN(2, 3, nonlinearity="exp"), ValueError, "Unknown nonlinearity 'exp'"),
        (lambda: nn.LSTMCell(2, 3)(torch.zeros(1, 5)), RuntimeError,
         "input has inconsistent input_size: got 5 expected 2"),
    ],
)  # fmt: skip
def test_messages(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        act()
