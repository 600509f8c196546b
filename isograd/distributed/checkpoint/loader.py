"""Loading: every rank compares and reads for itself, and together they agree that all could."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from isograd.distributed.checkpoint.errors import CheckpointException
from isograd.distributed.checkpoint.filesystem import FileSystemReader, folder_of
from isograd.distributed.checkpoint.folder import existing
from isograd.distributed.checkpoint.index import Index, read_index
from isograd.distributed.checkpoint.match import LoadReport, Match
from isograd.distributed.checkpoint.peers import Outcome, Peers, agree, peers_of
from isograd.distributed.checkpoint.shards import ShardReader, check_file
from isograd.distributed.checkpoint.structure import decode, is_stateful
from isograd.distributed.group import ProcessGroup
from isograd.serialization.errors import CheckpointError

__all__ = ["load", "load_with", "verify_with"]


def load(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike[str] | None = None,
    storage_reader: FileSystemReader | None = None,
    planner: None = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
    strict: bool = True,
    verify: bool = True,
) -> LoadReport | None:
    """Fill a state in place from a checkpoint, on as many ranks as there are now.

    Tensors are filled where they lie; numbers and other values are replaced in their dictionary;
    objects with ``load_state_dict`` take theirs over. Of cut tensors each rank reads its own
    slices only. Nothing is changed before every rank found that everything fits. Nothing in the
    files is executed.

    Args:
        state_dict: a state as it was saved, with values to be overwritten. Empty dictionaries take
            all that the checkpoint has. Top-level entries it does not have are left out.
        checkpoint_id: the folder.
        storage_reader: ``FileSystemReader(folder)`` instead of ``checkpoint_id``.
        planner: not supported; must be None.
        process_group: as in `save`.
        no_dist: this process alone.
        strict: missing and unexpected entries are errors. Wrong shapes and dtypes always are.
        verify: compare all files with their checksums first; each rank checks some of them.

    Returns:
        What did not match; None on a rank outside of the group.

    Raises:
        CheckpointError: if the checkpoint is damaged, hostile, or of another model, with what is
            missing, unexpected and mismatched. On all ranks, if it is so on any.
    """
    folder = folder_of("load", checkpoint_id, storage_reader, planner)
    peers = peers_of("load", process_group, no_dist)
    if peers is None:
        return None
    peers.wait()
    return load_with(peers, state_dict, peers.meant(folder), strict, verify)


def load_with(
    peers: Peers, state_dict: dict[str, Any], path: Path, strict: bool, verify: bool
) -> LoadReport:
    """`load` for the ranks given."""
    outcome, report = Outcome(), LoadReport([], [])
    objects = {}
    with outcome:
        folder = existing(path)
        index = read_index(folder)
        if verify:
            _verify_share(index, folder, peers)
        if not isinstance(state_dict, dict):
            raise TypeError(f"load: expected a dict, got {type(state_dict).__name__}")
        objects = {k: v for k, v in state_dict.items() if is_stateful(v)}
        target = state_dict | {k: v.state_dict() for k, v in objects.items()}
        match = _matched(index, folder, target)
        report = match.check(strict)
        outcome.value = index.created
    _same_everywhere(agree(peers.exchange, outcome, "load", str(path)), path, peers)
    outcome = Outcome()
    with outcome:
        match.apply()
        for key, value in target.items():
            if key in objects:
                objects[key].load_state_dict(value)
            elif state_dict[key] is not value:
                state_dict[key] = value
    agree(peers.exchange, outcome, "load", str(path))
    return report


def verify_with(peers: Peers, path: Path) -> None:
    """Check a checkpoint's files, each rank some of them.

    Raises:
        CheckpointError: on all ranks, if one is damaged.
    """
    outcome = Outcome()
    with outcome:
        folder = existing(path)
        index = read_index(folder)
        _verify_share(index, folder, peers)
        outcome.value = index.created
    _same_everywhere(agree(peers.exchange, outcome, "load", str(path)), path, peers)


def _verify_share(index: Index, folder: Path, peers: Peers) -> None:
    largest_first = sorted(index.files, key=lambda name: -index.files[name].size)
    for name in largest_first[peers.rank :: peers.size]:
        check_file(index, folder, name)


def _matched(index: Index, folder: Path, target: dict[Any, Any]) -> Match:
    reader = ShardReader(index, folder)
    try:
        stored = decode(index.structure, index.tensors, reader.values, index.where)
        return Match(target, stored, reader)
    except (RecursionError, MemoryError) as error:
        reason = f"its content cannot be held ({type(error).__name__})"
        raise CheckpointError(index.where, reason) from None


def _same_everywhere(created: list[int], path: Path, peers: Peers) -> None:
    """All ranks must have read one checkpoint, not each its own disk's."""
    if len(set(created)) > 1:
        told = {rank: f"found a checkpoint made at {ns} ns" for rank, ns in enumerate(created)}
        raise CheckpointException("load", str(path), told, peers.size)
