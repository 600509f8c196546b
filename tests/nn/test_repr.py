"""Layers print as torch prints them.

Run: pytest tests/nn/test_repr.py
"""

from __future__ import annotations

import pytest

from isograd import nn

TABLE = {
    "ReLU(True)": "ReLU(inplace=True)",
    "ReLU6(True)": "ReLU6(inplace=True)",
    "LeakyReLU(.2, True)": "LeakyReLU(negative_slope=0.2, inplace=True)",
    "PReLU(3)": "PReLU(num_parameters=3)",
    "RReLU()": "RReLU(lower=0.125, upper=0.3333333333333333)",
    "CELU(2., True)": "CELU(alpha=2.0, inplace=True)",
    "GELU('tanh')": "GELU(approximate='tanh')",
    "Softmax(1)": "Softmax(dim=1)",
    "Softplus()": "Softplus(beta=1.0, threshold=20.0)",
    "Hardtanh(-2., 2., True)": "Hardtanh(min_val=-2.0, max_val=2.0, inplace=True)",
    "Hardswish(True)": "Hardswish()",
    "Softshrink(.2)": "Softshrink(0.2)",
    "Threshold(1., 2.)": "Threshold(threshold=1.0, value=2.0)",
    "Dropout2d(.1, True)": "Dropout2d(p=0.1, inplace=True)",
    "CrossEntropyLoss()": "CrossEntropyLoss()",
    "Linear(2, 3, bias=False)": "Linear(in_features=2, out_features=3, bias=False)",
    "Bilinear(1, 2, 3)": "Bilinear(in1_features=1, in2_features=2, out_features=3, bias=True)",
    "Flatten()": "Flatten(start_dim=1, end_dim=-1)",
    "Unflatten(1, (2, 3))": "Unflatten(dim=1, unflattened_size=(2, 3))",
    "Embedding(3, 4, padding_idx=1, max_norm=2., norm_type=1., scale_grad_by_freq=True)":
        "Embedding(3, 4, padding_idx=1, max_norm=2.0, norm_type=1.0, scale_grad_by_freq=True)",
    "EmbeddingBag(3, 4, padding_idx=1, mode='sum')":
        "EmbeddingBag(3, 4, mode='sum', padding_idx=1)",
    "LSTM(2, 3, 2, bidirectional=True, proj_size=1, dropout=.1, bias=False)":
        "LSTM(2, 3, proj_size=1, num_layers=2, bias=False, dropout=0.1, bidirectional=True)",
    "RNNCell(2, 3, False, 'relu')": "RNNCell(2, 3, bias=False, nonlinearity=relu)",
    "MultiheadAttention(4, 2)":
        "MultiheadAttention(\n  (out_proj): NonDynamicallyQuantizableLinear(in_features=4, "
        "out_features=4, bias=True)\n)",
}  # fmt: skip


@pytest.mark.parametrize("source", TABLE)
def test_prints_as_torch(source: str) -> None:
    assert repr(eval(f"nn.{source}", {"nn": nn})) == TABLE[source]
