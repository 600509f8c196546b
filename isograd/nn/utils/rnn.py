"""Sequences of different lengths: padded in one tensor, or packed without padding.

Packed, the elements of all sequences lie step by step: first all first elements, then all second
ones, ..., the sequences sorted by decreasing length. ``batch_sizes`` counts those of each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.creation import as_tensor, full
from isograd.tensor.dtypes import int64
from isograd.tensor.primitives.indexing import index
from isograd.tensor.primitives.shape import cat, narrow
from isograd.tensor.spread import SpreadArray

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences without padding; made by `pack_padded_sequence` or `pack_sequence`.

    Attributes:
        data: (elements, *)
        batch_sizes: (steps,) how many sequences reach each step; on the CPU.
        sorted_indices: the order of decreasing length, or None if they came in it.
        unsorted_indices: the way back.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            raise TypeError("PackedSequence: batch_sizes is missing")
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence and "
                "pack_padded_sequences in nn.utils.rnn."
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Move or cast the data."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        order, back = (
            None if i is None else i.to(data.device)
            for i in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(data, self.batch_sizes, order, back)

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Move to a CUDA device."""
        return self.to(self.data.cuda(*args, **kwargs).device)

    def cpu(self) -> PackedSequence:
        """Move to the CPU."""
        return self.to("cpu")

    def double(self) -> PackedSequence:
        """Cast to float64."""
        return self.to(self.data.double().dtype)

    def float(self) -> PackedSequence:
        """Cast to float32."""
        return self.to(self.data.float().dtype)

    def half(self) -> PackedSequence:
        """Cast to float16."""
        return self.to(self.data.half().dtype)

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in page-locked memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes ``permutation``."""
    if permutation is None:
        return None
    host = permutation.detach().cpu().numpy()
    back = np.empty_like(host)
    back[host] = np.arange(host.size)
    return wrap(back).to(permutation.device)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leave out the padding.

    Args:
        input: (T, B, *), or (B, T, *) with ``batch_first``.
        lengths: of each sequence.
        enforce_sorted: they must come in order of decreasing length; else they are sorted.

    Raises:
        RuntimeError: for lengths that are not positive, too many, or not in order.
    """
    sizes = as_tensor(lengths, dtype=int64).cpu().numpy()
    order = by_length = None
    batch_dim = 0 if batch_first else 1
    spread = isinstance(input._array, SpreadArray)
    if not enforce_sorted:
        by_length = np.argsort(-sizes, kind="stable")
        sizes = sizes[by_length]
        order = wrap(by_length.astype(np.int64)).to(input.device)
        if not spread:
            input = input.index_select(batch_dim, order)
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if sizes.size != input.shape[batch_dim]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {sizes.size} (batch_size="
            f"{input.shape[batch_dim]})"
        )
    if sizes[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if (np.diff(sizes) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    steps = input.transpose(0, 1) if batch_first else input
    if sizes[0] > steps.shape[0]:
        raise RuntimeError(
            f"pack_padded_sequence: Expected lengths up to {steps.shape[0]}, got {sizes[0]}"
        )
    counts = (sizes[None] > np.arange(sizes[0])[:, None]).sum(1)  # sequences at each step
    if spread:
        rows_first = input if batch_first else input.transpose(0, 1)
        return PackedSequence(
            packed_rows(rows_first, counts, by_length), wrap(counts.astype(np.int64)), order
        )
    rows = np.concatenate([t * sizes.size + np.arange(n) for t, n in enumerate(counts)])
    flat = steps.reshape(-1, *steps.shape[2:])
    data = flat.index_select(0, wrap(rows.astype(np.int64)).to(input.device))
    return PackedSequence(data, wrap(counts.astype(np.int64)), order)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded sequences, in their first order, and their lengths.

    Args:
        total_length: pad to this many steps.

    Raises:
        ValueError: if a sequence is longer than that.
    """
    counts = sequence.batch_sizes.numpy()
    steps, batch = counts.size, int(counts[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in "
                f"input, but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    sizes = (counts[None] > np.arange(batch)[:, None]).sum(1).astype(np.int64)  # (B,)
    if isinstance(sequence.data._array, SpreadArray):
        back = sequence.unsorted_indices
        way = np.arange(batch) if back is None else back.cpu().numpy()
        out, there = unpacked_rows(sequence.data, counts, steps, way)
        missing = (~there).reshape(*there.shape, *[1] * (out.ndim - 2))
        out = out.masked_fill(missing, padding_value)
        return (out if batch_first else out.transpose(0, 1)), wrap(sizes[way])
    starts = np.concatenate([[0], np.cumsum(counts)])
    rows = np.full((steps, batch), starts[-1], np.int64)  # behind the end: the padding
    for t, n in enumerate(counts):
        rows[t, :n] = starts[t] + np.arange(n)
    data = sequence.data
    padding = full((1, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    flat = cat([data, padding]).index_select(0, wrap(rows.reshape(-1)).to(data.device))
    out = flat.reshape(steps, batch, *data.shape[1:])
    lengths = wrap(sizes)
    if sequence.unsorted_indices is not None:
        out = out.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return (out.transpose(0, 1) if batch_first else out), lengths


def _places(counts: Any) -> tuple[Any, Any]:
    """Of every element of packed data its sequence, in order of length, and its step."""
    return (
        np.concatenate([np.arange(n) for n in counts]).astype(np.int64),
        np.repeat(np.arange(counts.size), counts).astype(np.int64),
    )


def packed_rows(x: Tensor, counts: Any, order: Any = None) -> Tensor:
    """The data (elements, *) of padded sequences (B, T, *); sequence ``order[i]`` is the i-th."""
    row, step = _places(counts)
    row = row if order is None else order[row].astype(np.int64)
    places = wrap(row * x.shape[1] + step).to(x.device)
    return index(x.reshape(-1, *x.shape[2:]), (places,), (0,))


def unpacked_rows(
    data: Tensor, counts: Any, steps: int, order: Any = None
) -> tuple[Tensor, Tensor]:
    """Padded sequences (B, T, *) with some element as padding, and where they are (B, T)."""
    row, step = _places(counts)
    places = np.full((int(counts[0]), steps), -1, np.int64)
    places[row, step] = np.arange(row.size)
    places = places if order is None else places[order]
    found = index(data, (wrap(np.maximum(places, 0)).to(data.device),), (0,))
    return found, wrap(places >= 0).to(data.device)


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences (L_i, *) into (T, B, *), or (B, T, *), filled up with ``padding_value``.

    Raises:
        ValueError: for another ``padding_side`` than ``"left"`` or ``"right"``.
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side should be one of 'left' or 'right' but got {padding_side}")
    listed = list(sequences.unbind(0) if isinstance(sequences, Tensor) else sequences)
    longest = max(s.shape[0] for s in listed)
    rows = []
    for s in listed:
        missing = longest - s.shape[0]
        if missing:
            shape = (missing, *s.shape[1:])
            filler = full(shape, padding_value, dtype=s.dtype, device=s.device)
            s = cat([s, filler] if padding_side == "right" else [filler, s])
        rows.append(s.unsqueeze(0 if batch_first else 1))
    return cat(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded tensor, without the padding."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [narrow(row, 0, 0, int(n)) for row, n in zip(rows.unbind(0), lengths, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L_i, *)."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The list that `pack_sequence` packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
