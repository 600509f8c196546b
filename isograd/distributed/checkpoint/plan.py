"""What each rank is to write: agreed among all, before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isograd.distributed.checkpoint.deal import deal
from isograd.distributed.checkpoint.errors import CheckpointException
from isograd.distributed.checkpoint.folder import Temporary
from isograd.distributed.checkpoint.index import Part, Stored
from isograd.distributed.checkpoint.peers import Outcome, Peers, agree
from isograd.distributed.checkpoint.shards import host_entry
from isograd.distributed.checkpoint.structure import State, is_cut
from isograd.serialization.container import Entry

__all__ = ["Job", "file_of", "plan"]


@dataclass
class Job:
    """What one rank is to write.

    Attributes:
        folder: the temporary folder; `temporary` on rank 0 owns it.
        tensors: all logical tensors, without parts.
        parts: (tensor, part) of this rank.
        entries: the arrays of those parts.
        values: entries that are no tensors, on rank 0.
        failure: why the parts could not be picked.
    """

    target: Path
    rank: int
    size: int
    folder: Path
    temporary: Temporary | None
    tensors: list[Stored]
    structure: dict[str, Any]
    parts: list[tuple[Stored, Part]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    values: list[Entry] = field(default_factory=list)
    failure: Exception | None = None
    after: Callable[[], None] | None = None


def plan(state_dict: dict[str, Any], target: Path, peers: Peers, snapshot: bool) -> Job:
    """Agree on what is saved where, and pick this rank's part."""
    temporary: Temporary | None = None
    outcome = Outcome()
    with outcome:
        state = _taken_apart(state_dict)
        owned = [(s, t._array.own_parts()) for s, t in state.tensors if is_cut(t._array)]
        names = "\n".join(state.signature())
        if peers.rank == 0:
            temporary = Temporary(target)
        outcome.value = {
            "target": str(target),
            "folder": str(temporary.path) if temporary is not None else "",
            "tensors": hashlib.sha256(names.encode()).hexdigest(),
            "taken": sum(int(a.nbytes) for _, parts in owned for _, a in parts),
        }
    try:
        answers = agree(peers.exchange, outcome, "save", str(target))
        for what in ("target", "tensors"):
            if len({a[what] for a in answers}) > 1:
                _explain(peers, what, str(target), state)
        first = answers[0]
        job = Job(
            target, peers.rank, peers.size, Path(first["folder"]), temporary,
            [t for t, _ in state.tensors], state.structure,
        )  # fmt: skip
        picked = Outcome()
        with picked:  # told to the others after the writing, as what goes wrong there
            _pick(job, state, owned, [a["taken"] for a in answers], snapshot)
        job.failure = picked.error
    except BaseException:
        if temporary is not None:
            temporary.discard()
        raise
    return job


def _taken_apart(state_dict: Any) -> State:
    if not isinstance(state_dict, dict):
        raise TypeError(f"expected a dict, got {type(state_dict).__name__}")
    return State(state_dict)


def _explain(peers: Peers, what: str, where: str, state: State) -> None:
    """Raise on all ranks, with the first difference between them."""
    mine = Outcome()
    mine.value = where if what == "target" else state.signature()
    values = agree(peers.exchange, mine, "save", where)
    if what == "target":
        told = dict(enumerate(f"saves to {v}" for v in values))
        raise CheckpointException("save", where, told, peers.size)
    told = {}
    for rank, names in enumerate(values):
        extra = [n for n in names if n not in set(values[0])]
        lacks = [n for n in values[0] if n not in set(names)]
        if names != values[0]:
            told[rank] = (
                f"holds other tensors than rank 0: {len(extra)} more {extra[:3]}, "
                f"{len(lacks)} fewer {lacks[:3]}, or another order"
            )
    raise CheckpointException("save", where, told, peers.size)


def _pick(
    job: Job,
    state: State,
    owned: list[tuple[Stored, list[tuple[tuple[int, ...], Any]]]],
    taken: list[int],
    snapshot: bool,
) -> None:
    """This rank's parts and their arrays; ``owned`` are those of cut tensors."""
    plain = [(s, t._array) for s, t in state.tensors if not is_cut(t._array)]
    found: list[tuple[Stored, tuple[int, ...], Any]] = []
    for number, first, end in deal([s for s, _ in plain], taken)[job.rank]:
        stored, array = plain[number]
        start = (first,) + (0,) * (len(stored.shape) - 1) if stored.shape else ()
        found.append((stored, start, array[first:end] if stored.shape else array))
    for stored, parts in owned:
        found += [(stored, tuple(offsets), a) for offsets, a in parts if a.size]
    keys = {"__metadata__"}
    for stored, offsets, array in found:
        key = _free_key(stored, offsets, tuple(array.shape), keys)
        job.parts.append((stored, Part(offsets, tuple(array.shape), file_of(job), key)))
        job.entries.append(host_entry(key, array, snapshot))
    if job.rank == 0:
        job.values = state.entries
        for entry in job.values if snapshot else ():
            entry.raw = np.array(entry.raw)


def file_of(job: Job) -> str:
    """Name of the file this rank writes its parts into."""
    return f"shard-{job.rank:05d}-of-{job.size:05d}.safetensors"


def _free_key(
    stored: Stored, offsets: tuple[int, ...], lengths: tuple[int, ...], keys: set[str]
) -> str:
    """The tensor's name, with the box behind it if it is not all of the tensor."""
    name = stored.name
    if lengths != stored.shape:
        box = ", ".join(f"{o}:{o + n}" for o, n in zip(offsets, lengths))
        name = f"{name}[{box}]"
    free, n = name, 1
    while free in keys:
        n += 1
        free = f"{name}#{n}"
    keys.add(free)
    return free
