"""The NCCL transport: device buffers between GPUs; host buffers and control stay on MPI.

Each group has a communicator and a stream of its own. An operation is ordered after the caller's
stream by an event, enqueued, and followed by another event that whoever waits makes his stream
wait for: the host never blocks on the GPU. Reductions NCCL lacks (bitwise ones, products of complex
numbers) and the dtypes it cannot add go through the host.

Sources: NCCL user guide, "Using multiple NCCL communicators concurrently" and "Group calls"
(https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/), and the reference of
`cupy.cuda.nccl`. Two ranks that exchange messages must put both into one `batch_isend_irecv`, as
the guide says: a send occupies the stream until its receive is there. Device messages between two
ranks are received in the order they were sent, whatever their tags.
"""

import importlib
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from isograd.distributed.checked import CheckedCommunicator
from isograd.distributed.errors import CollectiveMismatchError, DistBackendError
from isograd.distributed.mpi_world import mpi_world
from isograd.distributed.nccl_messages import (
    PREFIX,
    Announced,
    DeviceTransfer,
    Enqueued,
    announced,
)
from isograd.distributed.nccl_plan import BYTES, reduction_plan
from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.staging import cupy, is_device
from isograd.distributed.transport import Pending, PendingHeader, Transport
from isograd.distributed.world import World

__all__ = ["Fence", "NcclTransport", "communicator_over_nccl", "nccl_available"]


def nccl_available() -> bool:
    """True when CuPy has NCCL and sees a GPU."""
    try:
        nccl = importlib.import_module("cupy.cuda.nccl")
        return bool(nccl.available) and cupy().cuda.runtime.getDeviceCount() > 0
    except Exception:  # no cupy, no libnccl, no driver: each raises its own type
        return False


class Fence:
    """A point in the transport's stream that others can wait for."""

    def __init__(self, event: Any, device: Any) -> None:
        self._event, self._device = event, device

    def order_current_stream(self) -> None:
        """Make the caller's current stream wait; the host goes on."""
        with self._device:
            cupy().cuda.get_current_stream().wait_event(self._event)

    def reached(self) -> bool:
        """True when the device has passed the point."""
        return bool(self._event.done)


class NcclTransport:
    """One group of processes with a GPU each.

    Args:
        host: the MPI transport of the same group; owned.
        device: index of this rank's GPU.
    """

    backend = "nccl"

    def __init__(self, host: Transport, device: int) -> None:
        self.name, self.rank, self.size = host.name, host.rank, host.size
        self.asynchronous = host.asynchronous
        self.whereabouts = host.whereabouts
        self._host = host
        self._nccl = importlib.import_module("cupy.cuda.nccl")
        self._device = cupy().cuda.Device(device)
        with self._device:
            self._stream = cupy().cuda.Stream(non_blocking=True)
            self._comm = self._connect()
        self._lock = threading.RLock()  # an NCCL communicator takes one thread at a time
        self._used = threading.local()  # arrays this thread has put on the stream
        self._in_flight: deque[tuple[Any, list[Any]]] = deque()  # guarded by _lock
        self._group: list[tuple[Callable[[], None], Enqueued]] | None = None
        self._sent: defaultdict[int, int] = defaultdict(int)  # device messages per peer
        self._received: defaultdict[int, int] = defaultdict(int)

    def _connect(self) -> Any:
        """Rank 0's unique id travels over MPI; creating the communicator is collective."""
        mine = self._nccl.get_unique_id() if self.rank == 0 else ()
        answers = self._host.exchange_bytes(json.dumps([int(c) for c in mine]).encode())
        unique_id = tuple(json.loads(answers[0]))
        try:
            return self._nccl.NcclCommunicator(self.size, unique_id, self.rank)
        except self._nccl.NcclError as error:
            raise DistBackendError(
                f"nccl: rank {self.rank} of group {self.name!r} could not connect on GPU "
                f"{self._device.id}: {error}; each rank needs a GPU of its own"
            ) from error

    # control plane

    def exchange(self, record: bytes, timeout: float | None) -> bytes | None:
        """Over MPI."""
        return self._host.exchange(record, timeout)

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """Over MPI."""
        return self._host.exchange_bytes(data)

    # staging

    def mark(self, arrays: Sequence[Any]) -> Any:
        """An event in the caller's stream."""
        return self._host.mark(arrays)

    def reach(self, mark: Any) -> None:
        """Order the group's stream after the event."""
        if mark is not None:
            self._stream.wait_event(mark)

    def stage(self, array: Any, fill: bool) -> Any:
        """A flat contiguous buffer on the array's own side."""
        if not is_device(array):
            return self._host.stage(array, fill)
        if array.device.id != self._device.id:
            raise ValueError(
                f"nccl: rank {self.rank} of group {self.name!r} works on cuda:{self._device.id}, "
                f"got an array on cuda:{array.device.id}"
            )
        with self._device, self._stream:
            flat = cupy().ascontiguousarray(array).reshape(-1)
        self._keep(array, flat)
        return flat

    def unstage(self, buffer: Any, array: Any) -> None:
        """Write back, on the group's stream."""
        if not is_device(array):
            self._host.unstage(buffer, array)
        elif buffer.data.ptr != array.data.ptr:
            with self._device, self._stream:
                array[...] = buffer.reshape(array.shape)

    def fence(self) -> Any:
        """An event after what this thread enqueued; None when that was nothing."""
        held = getattr(self._used, "arrays", None)
        if not held:
            return None
        self._used.arrays = []
        with self._lock, self._device:
            event = cupy().cuda.Event(disable_timing=True)
            event.record(self._stream)
            # Memory in use on the stream must not be freed before the event, whoever drops it.
            while self._in_flight and self._in_flight[0][0].done:
                self._in_flight.popleft()
            self._in_flight.append((event, held))
        return Fence(event, self._device)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Array operations of the block run on the group's stream."""
        with self._device, self._stream:
            yield

    def _keep(self, *arrays: Any) -> None:
        if getattr(self._used, "arrays", None) is None:
            self._used.arrays = []
        self._used.arrays.extend(arrays)

    # collectives

    def all_reduce(self, buffer: Any, op: ReduceOp) -> None:
        """ncclAllReduce in place."""
        plan = reduction_plan(buffer, op)
        if plan is None:
            self._through_host(buffer, lambda host: self._host.all_reduce(host, op))
            return
        view, kind, operator = plan
        with self._enqueue() as stream:
            pointer = view.data.ptr
            self._comm.allReduce(pointer, pointer, view.size, kind, operator, stream)

    def broadcast(self, buffer: Any, root: int) -> None:
        """ncclBroadcast."""
        if not is_device(buffer):
            self._host.broadcast(buffer, root)
            return
        with self._enqueue() as stream:
            pointer = buffer.data.ptr
            self._comm.broadcast(pointer, pointer, buffer.nbytes, BYTES, root, stream)

    def reduce(self, buffer: Any, root: int, op: ReduceOp) -> None:
        """ncclReduce; other ranks' buffers are left alone."""
        plan = reduction_plan(buffer, op)
        if plan is None:
            self._through_host(buffer, lambda host: self._host.reduce(host, root, op))
            return
        view, kind, operator = plan
        with self._enqueue() as stream:
            pointer = view.data.ptr
            self._comm.reduce(pointer, pointer, view.size, kind, operator, root, stream)

    def all_gather(self, out: Any, part: Any, counts: Sequence[int]) -> None:
        """ncclAllGather, or grouped broadcasts for unequal parts."""
        if not is_device(out):
            self._host.all_gather(out, part, counts)
            return
        with self._enqueue() as stream:
            if len(set(counts)) == 1:
                self._comm.allGather(part.data.ptr, out.data.ptr, part.nbytes, BYTES, stream)
                return
            with self._as_one():
                for root, piece in enumerate(_pieces(out, counts)):
                    source = part if root == self.rank else piece
                    self._comm.broadcast(
                        source.data.ptr, piece.data.ptr, piece.nbytes, BYTES, root, stream
                    )

    def gather(self, part: Any, out: Any | None, counts: Sequence[int], root: int) -> None:
        """Grouped sends to the root."""
        if not is_device(part):
            self._host.gather(part, out, counts, root)
            return
        pieces = [] if out is None else list(enumerate(_pieces(out, counts)))
        self._swap([(root, part)], pieces)

    def scatter(self, out: Any, parts: Any | None, counts: Sequence[int], root: int) -> None:
        """Grouped sends from the root."""
        if not is_device(out):
            self._host.scatter(out, parts, counts, root)
            return
        pieces = [] if parts is None else list(enumerate(_pieces(parts, counts)))
        self._swap(pieces, [(root, out)])

    def reduce_scatter(self, out: Any, parts: Any, counts: Sequence[int], op: ReduceOp) -> None:
        """ncclReduceScatter, or grouped reductions for unequal parts."""
        plan = reduction_plan(parts, op)
        if plan is None:
            self._reduce_scatter_through_host(out, parts, counts, op)
            return
        view, kind, operator = plan
        scale = view.size // parts.size if parts.size else 1  # 2 for complex, seen as pairs
        with self._enqueue() as stream:
            if len(set(counts)) == 1:
                self._comm.reduceScatter(
                    view.data.ptr, out.data.ptr, out.size * scale, kind, operator, stream
                )
                return
            with self._as_one():
                for root, piece in enumerate(_pieces(parts, counts)):
                    into, count = out if root == self.rank else piece, piece.size * scale
                    self._comm.reduce(
                        piece.data.ptr, into.data.ptr, count, kind, operator, root, stream
                    )

    def all_to_all(
        self,
        out: Any,
        parts: Any,
        out_counts: Sequence[int],
        in_counts: Sequence[int],
        even: bool,
        largest: int,
    ) -> None:
        """Grouped sends and receives."""
        if not is_device(out):
            self._host.all_to_all(out, parts, out_counts, in_counts, even, largest)
            return
        outgoing = list(enumerate(_pieces(parts, in_counts)))
        self._swap(outgoing, list(enumerate(_pieces(out, out_counts))))

    @contextmanager
    def _enqueue(self) -> Iterator[int]:
        """Hold the communicator and name the stream."""
        with self._lock, self._device:
            yield self._stream.ptr

    @contextmanager
    def _as_one(self) -> Iterator[None]:
        """Start the calls of the block together; the group is closed whatever happens."""
        self._nccl.groupStart()
        try:
            yield
        finally:
            self._nccl.groupEnd()

    def _swap(
        self, outgoing: Sequence[tuple[int, Any]], incoming: Sequence[tuple[int, Any]]
    ) -> None:
        """Exchange buffers as one group; NCCL also sends to itself. Empty ones are left out."""
        with self._enqueue() as stream, self._as_one():
            for peer, piece in outgoing:
                if piece.nbytes:
                    self._comm.send(piece.data.ptr, piece.nbytes, BYTES, peer, stream)
            for peer, piece in incoming:
                if piece.nbytes:
                    self._comm.recv(piece.data.ptr, piece.nbytes, BYTES, peer, stream)

    def _through_host(self, buffer: Any, operation: Callable[[Any], None]) -> None:
        """Run a host operation on `buffer`, whichever side it lives on."""
        if not is_device(buffer):
            operation(buffer)
            return
        with self._device, self._stream:
            host = buffer.get()  # synchronizes this stream only
            operation(host)
            buffer.set(host)

    def _reduce_scatter_through_host(
        self, out: Any, parts: Any, counts: Sequence[int], op: ReduceOp
    ) -> None:
        if not is_device(out):
            self._host.reduce_scatter(out, parts, counts, op)
            return
        with self._device, self._stream:
            result = np.empty(out.size, out.dtype)
            self._host.reduce_scatter(result, parts.get(), counts, op)
            out.set(result)

    # point to point

    @contextmanager
    def grouped(self) -> Iterator[bool]:
        """Collect device transfers and start them as one NCCL group."""
        self._group = []
        try:
            yield True
            collected = self._group
        finally:
            self._group = None
        if not collected:
            return
        with self._enqueue(), self._as_one():
            for start, _ in collected:
                start()
        for _, state in collected:
            state.ready = True

    def isend(self, buffer: Any, peer: int, tag: int, header: bytes) -> Pending:
        """The header over MPI, the data on the stream."""
        if not is_device(buffer):
            return self._host.isend(buffer, peer, tag, PREFIX.pack(False, 0, 0) + header)
        prefix = PREFIX.pack(True, self._sent[peer], buffer.nbytes)
        self._sent[peer] += 1
        announcement = self._host.isend(np.empty(0, np.uint8), peer, tag, prefix + header)

        def start() -> None:
            self._comm.send(buffer.data.ptr, buffer.nbytes, BYTES, peer, self._stream.ptr)

        return DeviceTransfer(announcement, self._start(start))

    def irecv_header(self, peer: int | None, tag: int) -> PendingHeader:
        """Over MPI."""
        return Announced(self._host.irecv_header(peer, tag), self._received)

    def irecv(self, buffer: Any, header: PendingHeader) -> Pending:
        """The data on the stream, once its header has come."""
        message = announced(header)
        if message.on_device != is_device(buffer):
            self.discard(header)
            sides = ("device", "host") if message.on_device else ("host", "device")
            raise CollectiveMismatchError(
                f"recv: rank {header.source} of group {self.name!r} sent a {sides[0]} tensor, "
                f"rank {self.rank} expects a {sides[1]} tensor"
            )
        if not message.on_device:
            return self._host.irecv(buffer, message.inner)
        # the sender's empty message over MPI travels beside the data
        companion = self._host.irecv(np.empty(0, np.uint8), message.inner)
        self._received[header.source] += 1

        def start() -> None:
            peer, stream = header.source, self._stream.ptr
            self._comm.recv(buffer.data.ptr, buffer.nbytes, BYTES, peer, stream)

        return DeviceTransfer(companion, self._start(start))

    def _start(self, start: Callable[[], None]) -> Enqueued:
        if self._group is not None:
            state = Enqueued(False)
            self._group.append((start, state))
            return state
        with self._enqueue():
            start()
        return Enqueued(True)

    def discard(self, header: PendingHeader) -> None:
        """Receive into nothing, so that the sender is not held up."""
        message = announced(header)
        self._host.discard(message.inner)
        if not message.on_device:
            return
        self._received[header.source] += 1
        with self._device, self._stream:
            nothing = cupy().empty(message.nbytes, np.uint8)
        self._keep(nothing)
        with self._enqueue() as stream:
            self._comm.recv(nothing.data.ptr, nothing.nbytes, BYTES, header.source, stream)
        self.fence()

    # life

    def split(self, ranks: Sequence[int], name: str) -> Transport | None:
        """Split the MPI group, then connect NCCL among the members."""
        host = self._host.split(ranks, name)
        if host is None:
            return None
        return NcclTransport(host, self._device.id)

    def close(self, broken: bool) -> None:
        """Destroy the communicator after its work; abort it when a rank is missing."""
        with self._device:
            if broken:
                self._comm.abort()
            else:
                self._stream.synchronize()
                self._comm.destroy()
        self._host.close(broken)


def communicator_over_nccl(
    world: World, name: str, timeout: float | None, device: int | None
) -> CheckedCommunicator:
    """A communicator over all ranks with one GPU each; collective.

    Args:
        world: what the launcher announced.
        name: group name.
        timeout: seconds a rank may be late.
        device: GPU index, default the local rank.
    """
    mine = mpi_world(world)
    count = int(cupy().cuda.runtime.getDeviceCount())
    index = world.local_rank % count if device is None else int(device)
    transport = NcclTransport(mine.transport(name), index)
    return CheckedCommunicator(transport, range(mine.size), timeout)


def _pieces(whole: Any, counts: Sequence[int]) -> list[Any]:
    ends = np.cumsum(counts)
    return [whole[int(end) - int(n) : int(end)] for end, n in zip(ends, counts, strict=True)]
