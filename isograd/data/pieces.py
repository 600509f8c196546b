"""Batches on their way from the fetcher to the global view: `Pieces`, one for each position, and
`Whole`, to be cut. `Joiner` makes the global batch of them.

Tensors are put together without communication: each process says which pieces it has. What cannot
be cut, lists of strings say, is the same whole list on every process, and travels.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from isograd.data.collate import is_namedtuple, mapping_like, sequence_like
from isograd.data.pin import pin_memory
from isograd.data.view import GlobalView, shares
from isograd.tensor.core import Tensor

__all__ = ["Joiner", "Pieces", "Whole", "emptied"]


@dataclass(frozen=True)
class Pieces:
    """Batches of our positions, one each, out of a global batch of ``length`` samples."""

    values: list[Any]
    length: int

    def pin_memory(self) -> Pieces:
        """The same in page-locked memory."""
        return Pieces([pin_memory(value) for value in self.values], self.length)


@dataclass(frozen=True)
class Whole:
    """A batch of ``length`` samples that every process holds; None if it has no known length."""

    value: Any
    length: int | None

    def pin_memory(self) -> Whole:
        """The same in page-locked memory."""
        return Whole(pin_memory(self.value), self.length)


def emptied(batch: Any) -> Any:
    """``batch`` with no samples left: tensors and lists of length 0, constants as they are."""
    return _mapped(batch, lambda tensor: tensor[:0], lambda values: values[:0])


class Joiner:
    """From what a process fetched to what the script gets.

    Args:
        agree: what the processes tell each other of how far they are. An order of indices ends at
            the same place everywhere: nothing ("never"). A stream that every process reads for
            itself may not: after every batch ("always"). One that knows its length: at the "end".
    """

    def __init__(self, view: GlobalView, agree: Literal["never", "end", "always"]) -> None:
        self._view = view
        self._agree = agree
        self._counts = agree == "always"
        self._batches = 0
        self._samples = 0
        self._ended = False

    def batch(self, fetched: Any) -> Any:
        """The global batch. A collective for streams, and for batches with lists of values.

        Raises:
            RuntimeError: on all processes, when another one's stream ended here.
        """
        lists = list(_lists(fetched.values)) if isinstance(fetched, Pieces) else []
        length = 1 if fetched.length is None else fetched.length
        self._samples += length
        self._batches += 1
        whole_lists = self._exchanged(lists) if lists or self._counts else []
        if isinstance(fetched, Whole):
            return fetched.value if fetched.length is None else self._cut(fetched)
        lengths = shares(fetched.length, self._view.positions)
        first, count = self._view.first, self._view.count
        own = lengths[first : first + count]
        return _Assembly(self._view, lengths, own, iter(whole_lists)).join(fetched.values)

    def end(self) -> None:
        """The epoch is over here; a collective for streams.

        Raises:
            RuntimeError: on all processes, when another one's stream goes on.
        """
        if self._agree != "never" and not self._ended:
            self._ended = self._counts = True
            self._exchanged([])

    def _exchanged(self, lists: list[list[Any]]) -> list[list[Any]]:
        mark = (self._batches, self._samples, self._ended) if self._counts else None
        messages = self._view.exchange_bytes(pickle.dumps((mark, lists)))
        found = [pickle.loads(message) for message in messages]
        if any(other != mark for other, _ in found):
            raise RuntimeError(_uneven([other for other, _ in found]))
        return [[v for _, theirs in found for v in theirs[i]] for i in range(len(lists))]

    def _cut(self, whole: Whole) -> Any:
        def cut(tensor: Tensor) -> Tensor:
            shape = tensor.shape
            return self._view.cut(tensor) if shape and shape[0] == whole.length else tensor

        return _mapped(whole.value, cut, lambda values: values)


def _uneven(marks: list[tuple[int, int, bool] | None]) -> str:
    told = [
        f"rank {rank}: {mark[1]} samples in {mark[0]} batches" + (", ended" if mark[2] else "")
        for rank, mark in enumerate(marks)
        if mark is not None
    ]
    return (
        "DataLoader: an IterableDataset must give the same samples on all ranks, each takes its "
        f"rows of every batch. But they differ ({'; '.join(told)}). Do not split the stream by "
        "rank, and seed what it draws from alike on all ranks."
    )


# -- walking through batches


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bytes) or not isinstance(value, Tensor | Mapping | Sequence)


def _is_values(batch: Any) -> bool:
    """Whether it is a list with one plain value for each sample, rather than several batches."""
    listed = isinstance(batch, Sequence) and not isinstance(batch, str | bytes)
    return listed and not is_namedtuple(batch) and all(map(_is_plain, batch))


def _rebuilt(model: Any, values: list[Any]) -> Any:
    if is_namedtuple(model):
        return type(model)(*values)
    return tuple(values) if type(model) is tuple else sequence_like(model, values)


def _mapped(batch: Any, tensor: Callable[[Tensor], Any], values: Callable[[Any], Any]) -> Any:
    """``batch`` with its tensors and its lists of values replaced."""
    if isinstance(batch, Tensor):
        return tensor(batch)
    if isinstance(batch, Mapping):
        return mapping_like(batch, {k: _mapped(v, tensor, values) for k, v in batch.items()})
    if _is_values(batch):
        return values(batch)
    if _is_plain(batch):
        return batch
    new = [_mapped(value, tensor, values) for value in batch]
    if all(a is b for a, b in zip(new, batch)):
        return batch
    return _rebuilt(batch, new)


def _lists(pieces: Sequence[Any]) -> Iterator[list[Any]]:
    """The lists of values of our pieces, put together, in the order in which `_Assembly` asks."""
    first = pieces[0]
    if isinstance(first, Tensor):
        return
    if isinstance(first, Mapping):
        for key in first:
            yield from _lists([piece[key] for piece in pieces])
    elif _is_values(first):
        yield [value for piece in pieces for value in piece]
    elif not _is_plain(first):
        for column in zip(*pieces):
            yield from _lists(column)


@dataclass(frozen=True)
class _Assembly:
    """Puts one batch together.

    Attributes:
        lengths, own: of all positions' pieces, and of ours.
        lists: the whole lists of values, in their order.
    """

    view: GlobalView
    lengths: tuple[int, ...]
    own: tuple[int, ...]
    lists: Iterator[list[Any]]

    def join(self, pieces: Sequence[Any]) -> Any:
        first = pieces[0]
        if isinstance(first, Tensor):
            self._check(pieces)
            return self.view.assemble(pieces, self.lengths)
        if isinstance(first, Mapping):
            joined = {key: self.join([piece[key] for piece in pieces]) for key in first}
            return mapping_like(first, joined)
        if _is_values(first):
            self._check_values(pieces)
            return _rebuilt(first, next(self.lists))
        if _is_plain(first):
            if any(piece != first for piece in pieces[1:]):
                raise RuntimeError(_odd(f"values {first!r} and others", "one value for all"))
            return first
        return _rebuilt(first, [self.join(column) for column in zip(*pieces)])

    def _check(self, pieces: Sequence[Any]) -> None:
        model = pieces[0]
        for piece, length in zip(pieces, self.own):
            shape = tuple(piece.shape)
            if not isinstance(piece, Tensor) or shape[1:] != tuple(model.shape)[1:]:
                raise RuntimeError(
                    "stack expects each tensor to be equal size, but the samples of a batch have "
                    f"{list(model.shape)[1:]} and {list(shape)[1:]}"
                )
            if piece.dtype is not model.dtype:
                raise RuntimeError(_odd(f"{model.dtype} and {piece.dtype}", "one dtype"))
            if not shape or shape[0] != length:
                got = f"a tensor of shape {list(shape)} for {length} samples"
                raise RuntimeError(_odd(got, "the samples along dimension 0"))

    def _check_values(self, pieces: Sequence[Any]) -> None:
        for piece, length in zip(pieces, self.own):
            if len(piece) != length and any(map(len, pieces)):  # samples of no parts are allowed
                got = f"a list of {len(piece)} values for {length} samples"
                raise RuntimeError(_odd(got, "one value for each sample"))


def _odd(got: str, expected: str) -> str:
    return (
        f"DataLoader: the samples of one batch gave {got}, expected {expected}. Under a global "
        "view samples are collated per position; a collate_fn that is not marked as per_sample "
        "gets the whole batch."
    )
