"""All processes read one order: that it is the same everywhere is compared, seldom.

Each process makes the order for itself, from the same seed. What it is made from (the generators'
states, lengths) is compared once per epoch, at the first entry. The entries of samplers that the
script wrote are compared as well, all so far, at entries 1, 2, 4, 8, ... and at the end.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from isograd.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    Unending,
    WeightedRandomSampler,
)
from isograd.data.view import GlobalView

__all__ = ["compare", "entry_digest", "is_fixed", "is_known", "watched"]

_FIXED = (SequentialSampler, Unending)
_SEEDED = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def is_known(order: Any) -> bool:
    """Whether an order comes from this package's samplers: seeds and lengths say all about it."""
    if type(order) is BatchSampler:
        return is_known(order.sampler)
    return type(order) in _FIXED or type(order) in _SEEDED


def is_fixed(order: Any) -> bool:
    """Whether an order draws nothing."""
    return is_fixed(order.sampler) if type(order) is BatchSampler else type(order) in _FIXED


def entry_digest(entry: Any) -> str:
    """A short digest of the indices of a batch, the same for lists, tuples and arrays of them."""
    plain = entry.tolist() if hasattr(entry, "tolist") else entry
    listed = [_plain(i) for i in plain] if isinstance(plain, list | tuple) else _plain(plain)
    return hashlib.blake2b(repr(listed).encode(), digest_size=8).hexdigest()


def _plain(index: Any) -> Any:
    return index.item() if hasattr(index, "item") else index


def watched(
    entries: Iterable[Any], view: GlobalView, facts: Mapping[str, Any], known: bool
) -> Iterator[Any]:
    """``entries``, compared between the processes as they are taken.

    Args:
        facts: what has to be the same everywhere, by name; compared with the first entry.
        known: whether ``facts`` say all about the entries.

    Raises:
        RuntimeError: on all processes, where they differ.
    """
    digest, taken, due = "", 0, 1
    for entry in entries:
        taken += 1
        if taken == due or not known:
            digest = entry_digest((digest, entry_digest(entry)))
        if taken == due:
            compare(view, {**facts, "the order of samples": digest, "the number of batches": taken})
            due, facts = 0 if known else 2 * due, {}
        yield entry
    if taken == 0 or not known:
        compare(view, {**facts, "the order of samples": digest, "the number of batches": taken})


def compare(view: GlobalView, facts: Mapping[str, Any]) -> None:
    """Raise where ``facts`` are not the same on all processes; a collective.

    Raises:
        RuntimeError: on all of them, with the first name whose values differ, and who has which.
    """
    found = [pickle.loads(data) for data in view.exchange_bytes(pickle.dumps(dict(facts)))]
    for name in found[0]:
        values = [theirs.get(name) for theirs in found]
        if any(value != values[0] for value in values):
            odd = next(rank for rank, value in enumerate(values) if value != values[0])
            raise RuntimeError(
                f"DataLoader: the ranks would read different data. {name[0].upper()}{name[1:]} "
                f"differs: rank 0 has {values[0]}, rank {odd} has {values[odd]}. Seed alike on all "
                "ranks (not from the time or the process id), and let nothing before the loop "
                "depend on the rank."
            )
    if any(theirs.keys() != found[0].keys() for theirs in found):
        raise RuntimeError(
            "DataLoader: the ranks are not at the same place of their loops over the data: "
            f"{[', '.join(theirs) for theirs in found]}"
        )
