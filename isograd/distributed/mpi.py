"""The MPI transport: host buffers through mpi4py, and the control plane of every real job.

A group owns two duplicated communicators, one for data and one for fingerprints and headers, so
neither a user's own MPI traffic nor the two planes can meet. Fingerprints use a persistent
all-gather polled with `Test`, so a rank that never comes is noticed. mpi4py is imported when the
first group is made.
"""

import itertools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.distributed import mpi_buffers
from isograd.distributed.fingerprint import RECORD_SIZE
from isograd.distributed.mpi_buffers import chunks, movable, mpi_operator, reducible
from isograd.distributed.polling import poll_until
from isograd.distributed.reduce_op import ReduceOp, finish_average
from isograd.distributed.staging import HostStaging
from isograd.distributed.transport import Pending, PendingHeader, Transport
from isograd.distributed.watchdog import Watchdog

__all__ = ["MpiTransport"]

_HEADER_SIZE = 4096  # bytes; the data tag (4) and the description of a message
_DATA_TAGS = 30000  # below the 32767 every MPI allows
_GRACE = 1.0  # seconds a collective may still complete after a participant's farewell


class MpiTransport(HostStaging):
    """One group of MPI processes.

    Args:
        name: group name.
        comm: communicator for data; owned.
        side: duplicate of `comm` for the control plane; owned.
        ranks: global rank of each rank.
        watchdog: the process's watchdog.
        asynchronous: MPI gave MPI_THREAD_MULTIPLE.
    """

    backend = "mpi"

    def __init__(
        self,
        name: str,
        comm: Any,
        side: Any,
        ranks: Sequence[int],
        watchdog: Watchdog,
        asynchronous: bool,
    ) -> None:
        self.name, self.rank, self.size = name, comm.rank, comm.size
        self.asynchronous = asynchronous
        self.whereabouts = watchdog
        self._comm, self._side = comm, side
        self._mpi = mpi_buffers.mpi_module()
        self._ranks = tuple(ranks)
        self._others = [r for r in ranks if r != ranks[comm.rank]]
        self._tags = itertools.count()
        self._record = bytearray(RECORD_SIZE)
        self._table = bytearray(RECORD_SIZE * self.size)
        self._request = self._make_exchange()

    # control plane

    def _make_exchange(self) -> Any | None:
        byte = self._mpi.BYTE
        try:
            return self._side.Allgather_init([self._record, byte], [self._table, byte])
        except NotImplementedError:  # MPI before 4.0
            return None

    def exchange(self, record: bytes, timeout: float | None) -> bytes | None:
        """All-gather one record of 24 bytes; None when a rank did not arrive."""
        self._record[:] = record
        request = self._request
        if request is not None:
            request.Start()
        else:
            byte = self._mpi.BYTE
            request = self._side.Iallgather([self._record, byte], [self._table, byte])
        arrived = poll_until(request.Test, timeout, self._somebody_left)
        if arrived or (self._somebody_left() and poll_until(request.Test, _GRACE)):
            return bytes(self._table)
        return None

    def _somebody_left(self) -> bool:
        return self.whereabouts.gone(self._others)

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """All-gather byte strings: lengths first, then contents."""
        lengths = np.empty(self.size, np.int64)
        self._side.Allgather(np.array([len(data)], np.int64), lengths)
        whole = np.empty(int(lengths.sum()), np.uint8)
        part = np.frombuffer(data, np.uint8)
        self._all_gather(self._side, whole, part, [int(n) for n in lengths])
        ends = np.cumsum(lengths)
        return [whole[end - n : end].tobytes() for end, n in zip(ends, lengths, strict=True)]

    # collectives

    def all_reduce(self, buffer: Any, op: ReduceOp) -> None:
        """MPI_Allreduce in place."""
        work = reducible(buffer)
        operator = mpi_operator(self._mpi, op, buffer.dtype)
        for piece in chunks(work):
            self._comm.Allreduce(self._mpi.IN_PLACE, piece, op=operator)
        self._give_back(work, buffer, op)

    def broadcast(self, buffer: Any, root: int) -> None:
        """MPI_Bcast."""
        self._broadcast(self._comm, movable(buffer), root)

    def reduce(self, buffer: Any, root: int, op: ReduceOp) -> None:
        """MPI_Reduce; other ranks' buffers are left alone."""
        work = reducible(buffer)
        operator = mpi_operator(self._mpi, op, buffer.dtype)
        at_root = self.rank == root
        for piece in chunks(work):
            source = self._mpi.IN_PLACE if at_root else piece
            self._comm.Reduce(source, piece if at_root else None, op=operator, root=root)
        if at_root:
            self._give_back(work, buffer, op)

    def all_gather(self, out: Any, part: Any, counts: Sequence[int]) -> None:
        """MPI_Allgather or MPI_Allgatherv; above the count limit a broadcast per rank."""
        self._all_gather(self._comm, movable(out), movable(part), counts)

    def gather(self, part: Any, out: Any | None, counts: Sequence[int], root: int) -> None:
        """MPI_Gatherv; above the count limit as messages."""
        source = movable(part)
        target = None if out is None else movable(out)
        if sum(counts) <= mpi_buffers.MAX_COUNT:
            receive = None if target is None else [target, list(counts)]
            self._comm.Gatherv(source, receive, root=root)
        else:
            pieces = [None] * self.size if target is None else self._pieces(target, counts)
            incoming = [(r, p) for r, p in enumerate(pieces) if p is not None]
            self._swap([(root, source)], incoming)

    def scatter(self, out: Any, parts: Any | None, counts: Sequence[int], root: int) -> None:
        """MPI_Scatterv; above the count limit as messages."""
        target = movable(out)
        source = None if parts is None else movable(parts)
        if sum(counts) <= mpi_buffers.MAX_COUNT:
            send = None if source is None else [source, list(counts)]
            self._comm.Scatterv(send, target, root=root)
        else:
            pieces = [] if source is None else self._pieces(source, counts)
            self._swap(list(enumerate(pieces)), [(root, target)])

    def reduce_scatter(self, out: Any, parts: Any, counts: Sequence[int], op: ReduceOp) -> None:
        """MPI_Reduce_scatter; above the count limit a reduction per rank."""
        work = reducible(parts)
        operator = mpi_operator(self._mpi, op, parts.dtype)
        result = reducible(out) if work.dtype.itemsize == out.dtype.itemsize else None
        target = np.empty(out.size, work.dtype) if result is None else result
        if sum(counts) <= mpi_buffers.MAX_COUNT:
            self._comm.Reduce_scatter(work, target, list(counts), op=operator)
        else:
            for root, piece in enumerate(self._pieces(work, counts)):
                self._reduce_piece(piece, target, root, operator)
        self._give_back(target, out, op)

    def all_to_all(
        self,
        out: Any,
        parts: Any,
        out_counts: Sequence[int],
        in_counts: Sequence[int],
        even: bool,
        largest: int,
    ) -> None:
        """MPI_Alltoall or MPI_Alltoallv; above the count limit as messages."""
        target, source = movable(out), movable(parts)
        if largest > mpi_buffers.MAX_COUNT:
            outgoing = list(enumerate(self._pieces(source, in_counts)))
            self._swap(outgoing, list(enumerate(self._pieces(target, out_counts))))
        elif even:
            self._comm.Alltoall(source, target)
        else:
            self._comm.Alltoallv([source, list(in_counts)], [target, list(out_counts)])

    def _give_back(self, work: Any, buffer: Any, op: ReduceOp) -> None:
        """Average, and round to the caller's dtype when the reduction ran in a wider one."""
        finish_average(work, op, self.size)
        if work.dtype.itemsize != buffer.dtype.itemsize:
            buffer[...] = work.astype(buffer.dtype)

    def _broadcast(self, comm: Any, buffer: Any, root: int) -> None:
        for piece in chunks(buffer):
            comm.Bcast(piece, root=root)

    def _all_gather(self, comm: Any, out: Any, part: Any, counts: Sequence[int]) -> None:
        if sum(counts) > mpi_buffers.MAX_COUNT:
            for root, piece in enumerate(self._pieces(out, counts)):
                if root == self.rank:
                    piece[...] = part
                self._broadcast(comm, piece, root)
        elif len(set(counts)) == 1:
            comm.Allgather(part, out)
        else:
            comm.Allgatherv(part, [out, list(counts)])

    def _reduce_piece(self, piece: Any, target: Any, root: int, operator: Any) -> None:
        at_root = self.rank == root
        targets = chunks(target) if at_root else itertools.repeat(None)
        for source, into in zip(chunks(piece), targets, strict=False):
            self._comm.Reduce(source, into, op=operator, root=root)

    def _swap(self, outgoing: list[tuple[int, Any]], incoming: list[tuple[int, Any]]) -> None:
        """Exchange buffers of any size as messages; peers agree on the sizes."""
        requests = [self._comm.Irecv(c, p, _DATA_TAGS + 1) for p, b in incoming for c in chunks(b)]
        requests += [self._comm.Isend(c, p, _DATA_TAGS + 1) for p, b in outgoing for c in chunks(b)]
        self._mpi.Request.Waitall(requests)

    def _pieces(self, whole: Any, counts: Sequence[int]) -> list[Any]:
        return np.split(whole, np.cumsum(counts)[:-1])

    # point to point

    def isend(self, buffer: Any, peer: int, tag: int, header: bytes) -> Pending:
        """Header on the side communicator, data under a tag of its own."""
        data_tag = next(self._tags) % _DATA_TAGS
        if len(header) + 4 > _HEADER_SIZE:
            raise ValueError(f"isend: the description of the message is {len(header)} bytes long")
        packed = bytearray(struct.pack("<i", data_tag) + header)
        requests = [self._side.Isend([packed, self._mpi.BYTE], peer, tag)]
        requests += [self._comm.Isend(p, peer, data_tag) for p in chunks(movable(buffer))]
        return _MpiPending(self._mpi, requests, (packed, buffer))

    def irecv_header(self, peer: int | None, tag: int) -> PendingHeader:
        """Post a receive for a header."""
        source = self._mpi.ANY_SOURCE if peer is None else peer
        return _MpiHeader(self._mpi, self._side, source, tag)

    def irecv(self, buffer: Any, header: PendingHeader) -> Pending:
        """Receive the data announced by `header`."""
        tag = _data_tag(header)
        pieces = chunks(movable(buffer))
        requests = [self._comm.Irecv(p, header.source, tag) for p in pieces]
        return _MpiPending(self._mpi, requests, buffer)

    def discard(self, header: PendingHeader) -> None:
        """Receive the data into nothing, so that the sender is not held up."""
        probe = self._mpi.Status()
        self._comm.Probe(header.source, _data_tag(header), probe)
        nothing = bytearray(probe.Get_count(self._mpi.BYTE))
        self._comm.Recv([nothing, self._mpi.BYTE], header.source, _data_tag(header))

    # life

    def split(self, ranks: Sequence[int], name: str) -> Transport | None:
        """MPI_Comm_split of both communicators."""
        member = self.rank in ranks
        color = 0 if member else self._mpi.UNDEFINED
        key = list(ranks).index(self.rank) if member else 0
        comm, side = self._comm.Split(color, key), self._side.Split(color, key)
        if not member:
            return None
        members = [self._ranks[r] for r in ranks]
        return MpiTransport(name, comm, side, members, self.whereabouts, self.asynchronous)

    def close(self, broken: bool) -> None:
        """Free both communicators; a broken group is left to the end of the process."""
        if broken or self._mpi.Is_finalized():
            return
        if self._request is not None:
            self._request.Free()
        self._comm.Free()
        self._side.Free()


class _MpiPending:
    """Requests that complete together; `held` stays alive until then."""

    def __init__(self, mpi: Any, requests: list[Any], held: Any) -> None:
        self._mpi, self._requests, self._held = mpi, requests, held

    def test(self) -> bool:
        done = bool(self._mpi.Request.Testall(self._requests))
        if done:
            self._held = None
        return done

    def cancel(self) -> None:
        """Sends cannot be cancelled portably: the buffers stay alive with the request."""
        _abandoned.append(self)


class _MpiHeader:
    """A header's receive."""

    def __init__(self, mpi: Any, side: Any, source: int, tag: int) -> None:
        self._status, self._buffer = mpi.Status(), bytearray(_HEADER_SIZE)
        self._mpi = mpi
        self._request = side.Irecv([self._buffer, mpi.BYTE], source, tag)
        self.source, self.header, self.data_tag = -1, b"", -1

    def test(self) -> bool:
        if self.data_tag < 0 and self._request.Test(self._status):
            length = self._status.Get_count(self._mpi.BYTE)
            self.source = self._status.Get_source()
            (self.data_tag,) = struct.unpack_from("<i", self._buffer)
            self.header = bytes(self._buffer[4:length])
        return self.data_tag >= 0

    def cancel(self) -> None:
        self._request.Cancel()
        self._request.Wait()


_abandoned: list[_MpiPending] = []


def _data_tag(header: PendingHeader) -> int:
    if not isinstance(header, _MpiHeader):
        raise TypeError(f"expected a header of the MPI transport, got {type(header).__name__}")
    return header.data_tag
