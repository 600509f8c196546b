"""A loader's worker: a process that fetches batches and sends them back.

Its generators are seeded with the loader's seed plus its number, for its ``worker_init_fn``; each
sample is read with a random state of its own (`isograd.data.keyed`). It leaves when told to or when
the main process is gone.
"""

from __future__ import annotations

import os
import random
import signal
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from isograd.data.dataset import IterableDataset
from isograd.data.failure import ExceptionWrapper
from isograd.data.fetch import Epoch, Fetcher, Reading, make_fetcher
from isograd.data.index_stream import Entry
from isograd.data.transport import Outbox
from isograd.tensor.generator import manual_seed

__all__ = ["Job", "WorkerInfo", "get_worker_info", "work"]

_PARENT_CHECK = 2.0  # seconds between looks at whether the main process still lives


@dataclass(frozen=True)
class WorkerInfo:
    """What `get_worker_info` gives: this worker's number, how many there are, its seed, its
    copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know."""

    reading: Reading
    init_fn: Callable[[int], Any] | None
    num_workers: int
    seed: int


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker: its number, the number of workers, its seed and dataset. Else None."""
    return _info


def work(
    number: int, job: Job, channel: Connection[Any, Any], inherited: Sequence[Connection[Any, Any]]
) -> None:
    """A worker's whole life.

    Args:
        inherited: the main process's ends of the channels, which came along with a fork; kept
            open they would hide its end from us.
    """
    global _info
    for other in inherited:
        other.close()
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C: the main process ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    seed = job.seed + number
    _seed_all(job.seed, number)
    _info = WorkerInfo(number, job.num_workers, seed, job.reading.dataset)
    try:
        _Worker(number, job, channel).run()
    except (EOFError, ConnectionError):
        return  # the main process is gone


def _seed_all(base_seed: int, number: int) -> None:
    seed = base_seed + number
    random.seed(seed)
    manual_seed(seed % (1 << 64))
    words = [number, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))


class _Worker:
    """Messages in: ``("epoch", run, epoch)``, ``("task", task, entry, freed)``, ``("stop",)``.
    Out: ``(run, task, "data" | "error" | "end", value)``. The run numbers the passes of a pool.
    """

    def __init__(self, number: int, job: Job, channel: Connection[Any, Any]) -> None:
        self._where = f"in DataLoader worker process {number}"
        self._job = job
        self._number = number
        self._streams = isinstance(job.reading.dataset, IterableDataset)
        self._channel = channel
        self._outbox = Outbox(channel)
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._parent = os.getppid()
        self._run = -1
        self._fetch: Fetcher | None = None
        self._broken: ExceptionWrapper | None = None
        try:
            if job.init_fn is not None:
                job.init_fn(number)
        except Exception:
            self._broken = ExceptionWrapper(self._where)

    def run(self) -> None:
        """Serve until told to stop."""
        while (message := self._next_message()) is not None:
            if message[0] == "epoch":
                self._begin(*message[1:])
            else:
                self._do_task(*message[1:])

    def _next_message(self) -> tuple[Any, ...] | None:
        """The next message; None for the end, also when it waits behind other messages."""
        while not self._waiting or self._channel.poll(0):
            if not self._channel.poll(_PARENT_CHECK):
                if os.getppid() != self._parent:
                    return None
                continue
            message = self._channel.recv()
            if message[0] == "stop":
                return None
            self._waiting.append(message)
        return self._waiting.popleft()

    def _begin(self, run: int, epoch: Epoch) -> None:
        job, self._run = self._job, run
        try:
            self._fetch = make_fetcher(job.reading, epoch, self._number, job.num_workers)
        except Exception:
            self._broken = ExceptionWrapper(self._where)

    def _do_task(self, task: int, entry: Entry, freed: Sequence[int]) -> None:
        self._outbox.give_back(freed)
        kind: str
        value: Any = self._broken
        if value is not None or self._fetch is None:
            kind = "error"
        else:
            try:
                kind, value = "data", self._fetch(entry)
            except Exception as error:
                if isinstance(error, StopIteration) and self._streams:
                    kind, value = "end", None
                else:
                    kind, value = "error", ExceptionWrapper(self._where)
        try:
            self._outbox.send((self._run, task, kind, value))
        except ConnectionError:
            raise
        except Exception:  # the batch cannot be pickled
            self._outbox.send((self._run, task, "error", ExceptionWrapper(self._where)))
