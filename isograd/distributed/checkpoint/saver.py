"""Saving: plan together, write apart, agree, and let rank 0 give the whole its name.

1. Every rank takes its state apart; rank 0 makes the temporary folder. They agree on the tensors.
2. Every rank writes its parts into a file of its own and tells its checksum.
3. When all have succeeded, rank 0 writes the index and renames the folder.

A failure at any point raises on all ranks and leaves nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from math import prod
from pathlib import Path
from typing import Any

from isograd.distributed.checkpoint.filesystem import FileSystemWriter, folder_of
from isograd.distributed.checkpoint.folder import Temporary, checkpoints, is_folder
from isograd.distributed.checkpoint.index import (
    INDEX,
    VALUES,
    Index,
    Part,
    Shard,
    Stored,
    created_at,
)
from isograd.distributed.checkpoint.peers import Exchange, Outcome, Peers, agree, peers_of
from isograd.distributed.checkpoint.plan import Job, file_of, plan
from isograd.distributed.checkpoint.shards import (
    write_file,
    write_shard,
)
from isograd.distributed.group import ProcessGroup
from isograd.serialization.errors import CheckpointError

__all__ = ["async_save", "save", "start_save"]

_log = logging.getLogger(__name__)

After = Callable[[], None]


def save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike[str] | None = None,
    storage_writer: FileSystemWriter | None = None,
    planner: None = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
) -> Index | None:
    """Write a checkpoint, each rank its part; all ranks of the group call it.

    Tensors that are whole on every rank are written once, dealt over the ranks by bytes, so they
    should be equal everywhere; of a cut tensor each rank writes what it owns. Everything else is
    written as rank 0 has it.

    Args:
        state_dict: dictionaries, lists and tuples of tensors, numbers, strings, arrays,
            generators; at the top also objects with ``state_dict`` and ``load_state_dict``.
        checkpoint_id: the folder to write, replaced if it is a checkpoint. All ranks must see it.
        storage_writer: ``FileSystemWriter(folder)`` instead of ``checkpoint_id``.
        planner: not supported; must be None.
        process_group: by default the ranks of the global view or of the default group, without
            either this process alone.
        no_dist: this process alone.

    Returns:
        What was written; None on a rank outside of the group.

    Raises:
        TypeError: in one process, for something a checkpoint cannot hold, with the path to it.
        OSError: in one process, if it cannot be written.
        CheckpointException: on all ranks, when any of several failed, for whatever reason.
    """
    target = folder_of("save", checkpoint_id, storage_writer, planner)
    peers = peers_of("save", process_group, no_dist)
    return None if peers is None else start_save(state_dict, target, peers, False).result()


def async_save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike[str] | None = None,
    storage_writer: FileSystemWriter | None = None,
    planner: None = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
) -> Future[Index | None]:
    """As `save`, but return when what this rank writes has been copied to host memory.

    A thread writes it; the ranks' threads agree over a communicator of their own, so the
    training's collectives are not disturbed. A later save waits for this one, and so does the end
    of the process. Where a second thread cannot communicate (an MPI library without
    MPI_THREAD_MULTIPLE) it writes at the call.

    Returns:
        A Future whose ``result()`` is `save`'s, or raises what went wrong on any rank. Failures
        are logged as well.
    """
    target = folder_of("async_save", checkpoint_id, storage_writer, planner)
    peers = peers_of("async_save", process_group, no_dist)
    if peers is None:
        nothing: Future[Index | None] = Future()
        nothing.set_result(None)
        return nothing
    return start_save(state_dict, target, peers, True)


def start_save(
    state_dict: dict[str, Any],
    target: Path,
    peers: Peers,
    in_background: bool,
    after: After | None = None,
) -> Future[Index | None]:
    """Plan, then write here or in a thread; ``after`` runs on rank 0 when it has its name."""
    peers.wait()
    target = peers.meant(target)
    exchange = peers.background() if in_background else None
    job = plan(state_dict, target, peers, exchange is not None)
    job.after = after
    future: Future[Index | None] = Future()
    future.set_running_or_notify_cancel()
    if exchange is None:
        _run(job, peers.exchange, future)
    else:
        peers.running = future
        thread = threading.Thread(
            target=_run, args=(job, exchange, future, True), name="isograd-checkpoint"
        )
        thread.start()  # no daemon: the interpreter waits for it before it ends MPI
    return future


def _run(job: Job, exchange: Exchange, future: Future[Index | None], alone: bool = False) -> None:
    """Write and finish, in whichever thread; the outcome goes to the future."""
    try:
        index = _written(job, exchange)
        if job.after is not None and job.rank == 0:
            job.after()
    except BaseException as error:
        if alone and job.rank == 0:
            _log.error("async_save failed: %s", error)
        future.set_exception(error)
    else:
        future.set_result(index)


def _written(job: Job, exchange: Exchange) -> Index:
    where = str(job.target)
    try:
        outcome = Outcome()
        with outcome:
            outcome.value = _write_part(job)
        told = agree(exchange, outcome, "save", where)
        outcome = Outcome()
        index = _index(job, told)
        if job.temporary is not None:
            with outcome:
                _finish(job, job.temporary, index)
                outcome.value = index.created
        (index.created, *_) = agree(exchange, outcome, "save", where)
    except BaseException:
        if job.temporary is not None:
            job.temporary.discard()
        raise
    return index


def _write_part(job: Job) -> dict[str, Any]:
    """Write this rank's files; returns what the index needs to know."""
    if job.failure is not None:
        raise job.failure
    if not is_folder(job.folder):
        raise CheckpointError(
            str(job.target),
            f"{job.folder}, made by rank 0, is not to be seen here: a checkpoint of several ranks "
            "needs a folder on a file system that they share",
        )
    files: dict[str, list[Any]] = {}
    for name, entries in ((file_of(job), job.entries), (VALUES, job.values)):
        if entries:
            shard = write_shard(job.folder / name, entries)
            files[name] = [shard.size, shard.checksum]
    job.entries, job.values = [], []  # a snapshot's memory is free from here
    parts = [[s.name, p.offsets, p.lengths, p.file, p.key] for s, p in job.parts]
    return {"files": files, "parts": parts}


def _index(job: Job, told: list[dict[str, Any]]) -> Index:
    """The index, from what all ranks have written."""
    tensors = {t.name: Stored(t.name, t.dtype, t.shape) for t in job.tensors}
    files: dict[str, Shard] = {}
    for answer in told:
        files |= {name: Shard(size, total) for name, (size, total) in answer["files"].items()}
        for name, offsets, lengths, file, key in answer["parts"]:
            tensors[name].parts.append(Part(tuple(offsets), tuple(lengths), file, key))
    return Index(0, job.size, files, tensors, job.structure, str(job.target))


def _finish(job: Job, temporary: Temporary, index: Index) -> None:
    """Look after everybody's files, write the index, give the folder its name."""
    for name, shard in index.files.items():
        try:
            have = os.stat(job.folder / name).st_size
        except OSError:
            have = -1
        if have != shard.size:
            raise CheckpointError(
                str(job.target),
                f"{name} is not to be seen on rank 0: the ranks do not share a file system",
            )
    for stored in index.tensors.values():
        volume = sum(prod(p.lengths) for p in stored.parts)
        if volume != prod(stored.shape):
            raise CheckpointError(
                str(job.target),
                f"{stored.name}: the ranks own {volume} of its {prod(stored.shape)} elements",
            )
    before = [created_at(p) or 0 for p in checkpoints(job.target.parent)[-1:]]
    index.created = max([time.time_ns(), *(n + 1 for n in before)])
    write_file(job.folder / INDEX, index.to_bytes())
    temporary.commit()
