"""The local world: threads of one process as ranks, so everything runs without MPI.

All ranks of a group share a `Hub`. In a collective every rank lays down its buffers, the last one
to arrive does the whole job for everybody while the others sleep, and all go on: a rendezvous, one
lock, no copy but the necessary. Sums run along a fixed binary tree.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from isograd.distributed.checked import CheckedCommunicator
from isograd.distributed.errors import CollectiveAbortedError
from isograd.distributed.fingerprint import PACKAGE
from isograd.distributed.reduce_op import ReduceOp, tree_reduce
from isograd.distributed.staging import HostStaging
from isograd.distributed.transport import Pending, PendingHeader, Transport
from isograd.distributed.whereabouts import Standing, describe_stack

__all__ = [
    "Hub",
    "LocalRegistry",
    "LocalTransport",
    "make_local_world",
    "run_communicators",
]

T = TypeVar("T")


class LocalRegistry:
    """What the threads of one local world know of each other: boards, threads, an abort flag."""

    def __init__(self, size: int) -> None:
        self.boards: list[dict[str, int]] = [{} for _ in range(size)]
        self.threads: dict[int, int] = {}  # rank -> thread identifier
        self.finished: set[int] = set()
        self.failure: BaseException | None = None
        self.hubs: list[Hub] = []
        self.lock = threading.Lock()

    def abort(self, error: BaseException) -> None:
        """Wake every waiting rank with an error."""
        with self.lock:
            self.failure = self.failure or error
            hubs = list(self.hubs)
        for hub in hubs:
            hub.wake()

    def finish(self, rank: int) -> None:
        """Note that the program of `rank` has returned."""
        self.finished.add(rank)
        for hub in list(self.hubs):
            hub.wake()


class Hub:
    """The meeting point of one group's ranks."""

    def __init__(self, registry: LocalRegistry, ranks: Sequence[int]) -> None:
        self.registry = registry
        self.ranks = tuple(ranks)
        self._changed = threading.Condition()
        self._payloads: dict[int, Any] = {}
        self._generation = 0
        self._outcome: Any = None
        self._error: BaseException | None = None
        self.mail: dict[int, _Mailbox] = {r: _Mailbox() for r in range(len(ranks))}
        with registry.lock:
            registry.hubs.append(self)

    def wake(self) -> None:
        """Let waiting ranks look at the registry again."""
        with self._changed:
            self._changed.notify_all()

    def meet(
        self,
        rank: int,
        payload: Any,
        action: Callable[[list[Any]], Any],
        timeout: float | None = None,
    ) -> tuple[bool, Any]:
        """Wait for all ranks; the last one runs `action` on the payloads in rank order.

        Returns:
            (True, what action returned), or (False, None) on timeout.
        """
        with self._changed:
            mine = self._generation
            self._payloads[rank] = payload
            if len(self._payloads) == len(self.ranks):
                self._conclude(action)
            elif not self._wait_for(mine, timeout):
                return False, None
            if self._error is not None:
                raise self._error
            return True, self._outcome

    def _conclude(self, action: Callable[[list[Any]], Any]) -> None:
        self._outcome, self._error = None, None
        try:
            self._outcome = action([self._payloads[r] for r in range(len(self.ranks))])
        except Exception as error:  # raised on every rank
            self._error = error
        self._payloads = {}
        self._generation += 1
        self._changed.notify_all()

    def _wait_for(self, generation: int, timeout: float | None) -> bool:
        """Sleep until the generation is over.

        The outcome stays valid: nobody can conclude the next one before this rank comes again.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self._generation == generation:
            self._raise_if_aborted()
            if self._absent_for_ever():
                return False
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._changed.wait(left)
        return True

    def _absent_for_ever(self) -> bool:
        return any(
            self.ranks[r] in self.registry.finished
            for r in range(len(self.ranks))
            if r not in self._payloads
        )

    def _raise_if_aborted(self) -> None:
        if self.registry.failure is not None:
            raise CollectiveAbortedError(
                f"another rank raised {type(self.registry.failure).__name__}: "
                f"{self.registry.failure}"
            )

    def check_abort(self) -> None:
        """Raise when another rank has failed."""
        with self._changed:
            self._raise_if_aborted()


class _Mailbox:
    """Messages that wait for a receive, and receives that wait for a message."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.messages: deque[_Message] = deque()
        self.receives: list[_LocalHeader] = []

    def deliver(self, message: "_Message") -> None:
        with self.lock:
            for receive in self.receives:
                if receive.fits(message):
                    self.receives.remove(receive)
                    receive.accept(message)
                    return
            self.messages.append(message)

    def post(self, receive: "_LocalHeader") -> None:
        with self.lock:
            for message in self.messages:
                if receive.fits(message):
                    self.messages.remove(message)
                    receive.accept(message)
                    return
            self.receives.append(receive)


class _Message:
    def __init__(self, source: int, tag: int, header: bytes, data: Any) -> None:
        self.source, self.tag, self.header, self.data = source, tag, header, data


class _Done:
    """A transfer that is complete from the start."""

    def test(self) -> bool:
        return True

    def cancel(self) -> None:
        pass


class _LocalHeader:
    def __init__(self, hub: Hub, box: _Mailbox, peer: int | None, tag: int) -> None:
        self._hub, self._box, self._peer, self._tag = hub, box, peer, tag
        self.message: _Message | None = None
        self.source, self.header = -1, b""

    def fits(self, message: _Message) -> bool:
        return self._tag == message.tag and self._peer in (None, message.source)

    def accept(self, message: _Message) -> None:
        self.source, self.header = message.source, message.header
        self.message = message

    def test(self) -> bool:
        if self.message is None:
            self._hub.check_abort()
        return self.message is not None

    def cancel(self) -> None:
        with self._box.lock:
            if self in self._box.receives:
                self._box.receives.remove(self)


class _LocalWhereabouts:
    """Finds ranks that are threads of this process."""

    def __init__(self, registry: LocalRegistry, rank: int) -> None:
        self._registry, self._rank = registry, rank

    def entered(self, group: str, count: int) -> None:
        self._registry.boards[self._rank][group] = count

    def gone(self, ranks: Iterable[int]) -> bool:
        return not self._registry.finished.isdisjoint(ranks)

    def ask(self, ranks: Iterable[int], timeout: float) -> dict[int, Standing]:
        return {rank: self._standing(rank) for rank in ranks}

    def _standing(self, rank: int) -> Standing:
        entered = dict(self._registry.boards[rank])
        if rank in self._registry.finished:
            return Standing(True, entered, farewell="its program has returned")
        frame = sys._current_frames().get(self._registry.threads.get(rank, -1))
        stack = describe_stack(frame, PACKAGE)
        return Standing(frame is not None, entered, stack)


class LocalTransport(HostStaging):
    """One rank's side of a hub pair: one for data, one for the control plane."""

    backend = "local"
    asynchronous = True

    def __init__(self, name: str, rank: int, data: Hub, control: Hub) -> None:
        self.name, self.rank, self.size = name, rank, len(data.ranks)
        self._data, self._control = data, control
        self.whereabouts = _LocalWhereabouts(data.registry, data.ranks[rank])

    def exchange(self, record: bytes, timeout: float | None) -> bytes | None:
        """All-gather one short record."""
        arrived, table = self._control.meet(self.rank, record, b"".join, timeout)
        return table if arrived else None

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """All-gather byte strings."""
        return list(self._meet(data, list, self._control))

    def _meet(
        self, payload: Any, action: Callable[[list[Any]], Any], hub: Hub | None = None
    ) -> Any:
        arrived, outcome = (hub or self._data).meet(self.rank, payload, action)
        if not arrived:
            raise CollectiveAbortedError("another rank of the local world has returned")
        return outcome

    def all_reduce(self, buffer: Any, op: ReduceOp) -> None:
        """Sum along a binary tree; everybody gets a copy."""

        def action(buffers: list[Any]) -> None:
            total = tree_reduce(buffers, op)
            for target in buffers:
                target[...] = total

        self._meet(buffer, action)

    def broadcast(self, buffer: Any, root: int) -> None:
        """Copy the root's buffer to all."""

        def action(buffers: list[Any]) -> None:
            for rank, target in enumerate(buffers):
                if rank != root:
                    target[...] = buffers[root]

        self._meet(buffer, action)

    def reduce(self, buffer: Any, root: int, op: ReduceOp) -> None:
        """Reduce into the root's buffer."""

        def action(buffers: list[Any]) -> None:
            buffers[root][...] = tree_reduce(buffers, op)

        self._meet(buffer, action)

    def all_gather(self, out: Any, part: Any, counts: Sequence[int]) -> None:
        """Concatenate everybody's part on every rank."""

        def action(payloads: list[Any]) -> None:
            whole = np.concatenate([part for _, part in payloads])
            for target, _ in payloads:
                target[...] = whole

        self._meet((out, part), action)

    def gather(self, part: Any, out: Any | None, counts: Sequence[int], root: int) -> None:
        """Concatenate everybody's part on the root."""

        def action(payloads: list[Any]) -> None:
            payloads[root][0][...] = np.concatenate([part for _, part in payloads])

        self._meet((out, part), action)

    def scatter(self, out: Any, parts: Any | None, counts: Sequence[int], root: int) -> None:
        """Cut the root's parts up."""

        def action(payloads: list[Any]) -> None:
            pieces = _pieces(payloads[root][1], counts)
            for (target, _), piece in zip(payloads, pieces, strict=True):
                target[...] = piece

        self._meet((out, parts), action)

    def reduce_scatter(self, out: Any, parts: Any, counts: Sequence[int], op: ReduceOp) -> None:
        """Reduce, then cut up."""

        def action(payloads: list[Any]) -> None:
            total = tree_reduce([parts for _, parts in payloads], op)
            for (target, _), piece in zip(payloads, _pieces(total, counts), strict=True):
                target[...] = piece

        self._meet((out, parts), action)

    def all_to_all(
        self,
        out: Any,
        parts: Any,
        out_counts: Sequence[int],
        in_counts: Sequence[int],
        even: bool,
        largest: int,
    ) -> None:
        """Transpose the pieces between ranks."""

        def action(payloads: list[Any]) -> None:
            pieces = [_pieces(parts, counts) for _, parts, counts in payloads]
            columns = [np.concatenate([row[r] for row in pieces]) for r in range(self.size)]
            for (target, _, _), column in zip(payloads, columns, strict=True):
                target[...] = column

        self._meet((out, parts, in_counts), action)

    def isend(self, buffer: Any, peer: int, tag: int, header: bytes) -> Pending:
        """Copy the message into the receiver's mailbox."""
        self._data.mail[peer].deliver(_Message(self.rank, tag, header, buffer.copy()))
        return _Done()

    def irecv_header(self, peer: int | None, tag: int) -> PendingHeader:
        """Post a receive."""
        box = self._data.mail[self.rank]
        receive = _LocalHeader(self._data, box, peer, tag)
        box.post(receive)
        return receive

    def irecv(self, buffer: Any, header: PendingHeader) -> Pending:
        """Take the data of an accepted message."""
        if isinstance(header, _LocalHeader) and header.message is not None:
            buffer[...] = header.message.data
        return _Done()

    def discard(self, header: PendingHeader) -> None:
        """An accepted message is off the mailbox already."""

    def split(self, ranks: Sequence[int], name: str) -> Transport | None:
        """The last one to arrive makes the hubs."""
        global_ranks = [self._data.ranks[r] for r in ranks]
        registry = self._data.registry

        def action(_: list[Any]) -> tuple[Hub, Hub]:
            return Hub(registry, global_ranks), Hub(registry, global_ranks)

        data, control = self._meet(None, action)
        if self.rank not in ranks:
            return None
        return LocalTransport(name, list(ranks).index(self.rank), data, control)

    def close(self, broken: bool) -> None:
        """The hubs go with their last reference."""


def _pieces(whole: Any, counts: Sequence[int]) -> list[Any]:
    return np.split(whole, np.cumsum(counts)[:-1])


def make_local_world(
    size: int, timeout: float | None = 600.0, name: str = "world"
) -> tuple[LocalRegistry, list[CheckedCommunicator]]:
    """The communicators of a local world, one per rank, to be used by one thread each."""
    registry = LocalRegistry(size)
    data, control = Hub(registry, range(size)), Hub(registry, range(size))
    transports = [LocalTransport(name, rank, data, control) for rank in range(size)]
    return registry, [CheckedCommunicator(t, range(size), timeout) for t in transports]


def run_communicators(
    size: int, program: Callable[[CheckedCommunicator], T], timeout: float | None = 60.0
) -> list[T]:
    """Run `program` as `size` ranks, each a thread of this process.

    Args:
        size: number of ranks.
        program: called as `program(communicator)` in every thread.
        timeout: seconds a rank waits for the others in a collective.

    Returns:
        What each rank returned.

    Raises:
        BaseException: what the first failing rank raised; the others are woken and end.
    """
    registry, communicators = make_local_world(size, timeout)
    results: list[Any] = [None] * size
    errors: list[tuple[int, BaseException]] = []

    def run(rank: int) -> None:
        registry.threads[rank] = threading.get_ident()
        try:
            results[rank] = program(communicators[rank])
            communicators[rank].drain()
        except BaseException as error:  # raised again below
            errors.append((rank, error))
            registry.abort(error)
        finally:
            registry.finish(rank)

    threads = [threading.Thread(target=run, args=(r,), name=f"rank{r}") for r in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for communicator in communicators:
        communicator.abandon()
    if errors:
        rank, error = errors[0]
        error.add_note(f"raised on rank {rank} of a local world of {size}")
        raise error
    return results
