"""Padded and packed sequences.

Run: pytest tests/nn/utils/test_rnn.py
"""

from __future__ import annotations

from typing import Any

import pytest

import isograd as torch
from isograd.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

A, B, C = torch.arange(3.0), torch.arange(5.0), torch.arange(2.0)


def test_pad() -> None:
    assert pad_sequence([A, C], True, -1.0).tolist() == [[0, 1, 2], [0, 1, -1]]
    assert pad_sequence([A, C], padding_side="left").tolist() == [[0, 0], [1, 0], [2, 1]]
    parts = unpad_sequence(pad_sequence([A, C]), torch.tensor([3, 2]))
    assert [p.tolist() for p in parts] == [A.tolist(), C.tolist()]


def test_pack_lies_step_by_step() -> None:
    packed = pack_sequence([A, B, C], enforce_sorted=False)
    assert packed.data.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 4]
    assert packed.batch_sizes.tolist() == [3, 3, 2, 1, 1]
    assert packed.sorted_indices is not None
    assert packed.unsorted_indices is not None
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    assert packed.unsorted_indices.tolist() == [1, 0, 2]
    assert [s.tolist() for s in unpack_sequence(packed)] == [A.tolist(), B.tolist(), C.tolist()]


def test_unpack_to_a_length_with_gradient() -> None:
    x = torch.ones(2, 4, 3, requires_grad=True)
    packed = pack_padded_sequence(x, [4, 2], batch_first=True)
    assert packed.double().data.dtype is torch.float64
    padded, lengths = pad_packed_sequence(packed, True, -1.0, total_length=5)
    assert padded.shape == (2, 5, 3)
    assert lengths.tolist() == [4, 2]
    assert padded[1, 2:].tolist() == [[-1.0] * 3] * 3
    padded.sum().backward()
    assert x.grad is not None
    assert x.grad[:, :, 0].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: pack_sequence([A, B]), RuntimeError, "must be sorted in decreasing order"),
        (lambda: pack_padded_sequence(torch.zeros(2, 1), [0]), RuntimeError,
         "Length of all samples has to be greater than 0"),
        (lambda: pack_padded_sequence(torch.zeros(2, 1), [2, 1]), RuntimeError,
         "to be equal to batch_size, but got 2"),
        (lambda: pad_sequence([A], padding_side="up"), ValueError, "'left' or 'right' but got up"),
        (lambda: pad_packed_sequence(pack_sequence([A]), total_length=2), ValueError,
         "total_length=2 and max sequence length being 3"),
        (lambda: PackedSequence(A), TypeError, "batch_sizes is missing"),
    ],
)  # fmt: skip
def test_messages(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        act()
