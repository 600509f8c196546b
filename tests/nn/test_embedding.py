"""Embedding layers beyond the golden cases: padding, norms, pretrained tables, messages.

Run: pytest tests/nn/test_embedding.py
"""

from __future__ import annotations

from typing import Any

import pytest

import isograd as torch
from isograd import nn
from isograd.nn import functional as F

INDEX = torch.tensor([[0, 2], [2, 1]])


def test_padding_row_is_zero_and_gets_no_gradient() -> None:
    e = nn.Embedding(3, 2, padding_idx=-1)
    assert e.padding_idx == 2
    e(INDEX).sum().backward()
    assert e.weight.grad is not None
    assert e.weight.grad.tolist() == [[1, 1], [1, 1], [0, 0]]
    assert e(INDEX)[0, 1].tolist() == [0, 0]


def test_max_norm_changes_only_used_rows() -> None:
    e = nn.Embedding.from_pretrained(torch.tensor([[3.0, 4.0], [30.0, 40.0], [0.1, 0.0]]),
                                     freeze=False, max_norm=1.0)  # fmt: skip
    out = e(torch.tensor([0, 2]))
    assert out[0].tolist() == pytest.approx([0.6, 0.8])
    assert e.weight[1].tolist() == [30, 40]
    assert e.weight[2].tolist() == pytest.approx([0.1, 0.0])


def test_pretrained_is_frozen_and_shared() -> None:
    table = torch.randn(3, 2)
    e = nn.Embedding.from_pretrained(table)
    assert not e.weight.requires_grad
    assert e.weight.data_ptr() == table.data_ptr()
    assert nn.EmbeddingBag.from_pretrained(table)(INDEX).shape == (2, 2)


def test_weighted_bags() -> None:
    table = torch.tensor([[1.0], [10.0], [100.0]])
    factors = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    out = F.embedding_bag(INDEX, table, per_sample_weights=factors, mode="sum")
    assert out.tolist() == [[201], [340]]
    out.sum().backward()
    assert factors.grad is not None
    assert factors.grad.tolist() == [[1, 100], [100, 10]]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: F.embedding(torch.tensor([3]), torch.zeros(3, 1)), IndexError, "got 3"),
        (lambda: F.embedding(torch.tensor([1.0]), torch.zeros(3, 1)), RuntimeError, "Long, Int"),
        (lambda: F.embedding(INDEX, torch.zeros(3, 1), sparse=True), NotImplementedError,
         "sparse gradients are not supported"),
        (lambda: F.embedding(INDEX, torch.zeros(3, 1), padding_idx=5), RuntimeError,
         "Padding_idx must be within num_embeddings"),
        (lambda: F.embedding_bag(INDEX, torch.zeros(3, 1), mode="product"), ValueError,
         "mode has to be one of sum, mean or max"),
        (lambda: F.embedding_bag(INDEX[0], torch.zeros(3, 1)), ValueError,
         "offsets has to be a 1D Tensor but got None"),
    ],
)  # fmt: skip
def test_messages(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        act()
