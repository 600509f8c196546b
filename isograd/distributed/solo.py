"""The transport of a group of one: a collective is a copy at most, on the array's own device."""

from collections.abc import Iterable, Sequence
from typing import Any

from isograd.distributed.errors import DistError
from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.staging import HostStaging, cupy, is_device
from isograd.distributed.transport import Pending, PendingHeader, Transport
from isograd.distributed.whereabouts import Standing, Whereabouts

__all__ = ["SoloTransport"]


class _Nobody:
    """Nobody else to ask."""

    def entered(self, group: str, count: int) -> None:
        pass

    def gone(self, ranks: Iterable[int]) -> bool:
        return False

    def ask(self, ranks: Iterable[int], timeout: float) -> dict[int, Standing]:
        return {}


class SoloTransport(HostStaging):
    """One rank, no wire.

    Args:
        name: group name.
        backend: the name to report.
    """

    rank, size = 0, 1
    asynchronous = False  # nothing to overlap: operations run at the call

    def __init__(self, name: str, backend: str = "local") -> None:
        self.name, self.backend = name, backend
        self.whereabouts: Whereabouts = _Nobody()

    def mark(self, arrays: Sequence[Any]) -> Any:
        """Operations run in the caller's own stream."""
        return None

    def stage(self, array: Any, fill: bool) -> Any:
        """A flat buffer on the array's own device."""
        if is_device(array):
            return cupy().ascontiguousarray(array).reshape(-1)
        return super().stage(array, fill)

    def unstage(self, buffer: Any, array: Any) -> None:
        """Write the buffer back."""
        if not is_device(array):
            super().unstage(buffer, array)
        elif buffer.data.ptr != array.data.ptr:
            array[...] = buffer.reshape(array.shape)

    def exchange(self, record: bytes, timeout: float | None) -> bytes | None:
        """The record itself."""
        return record

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """The data itself."""
        return [data]

    def all_reduce(self, buffer: Any, op: ReduceOp) -> None:
        """Every reduction of one value is that value."""

    def broadcast(self, buffer: Any, root: int) -> None:
        """Nobody to send to."""

    def reduce(self, buffer: Any, root: int, op: ReduceOp) -> None:
        """Every reduction of one value is that value."""

    def all_gather(self, out: Any, part: Any, counts: Sequence[int]) -> None:
        """Copy."""
        out[...] = part

    def gather(self, part: Any, out: Any | None, counts: Sequence[int], root: int) -> None:
        """Copy."""
        if out is not None:
            out[...] = part

    def scatter(self, out: Any, parts: Any | None, counts: Sequence[int], root: int) -> None:
        """Copy."""
        if parts is not None:
            out[...] = parts

    def reduce_scatter(self, out: Any, parts: Any, counts: Sequence[int], op: ReduceOp) -> None:
        """Copy."""
        out[...] = parts

    def all_to_all(
        self,
        out: Any,
        parts: Any,
        out_counts: Sequence[int],
        in_counts: Sequence[int],
        even: bool,
        largest: int,
    ) -> None:
        """Copy."""
        out[...] = parts

    def isend(self, buffer: Any, peer: int, tag: int, header: bytes) -> Pending:
        """A group of one has no peer."""
        raise DistError(f"isend: group {self.name!r} has one rank, so there is no peer")

    def irecv_header(self, peer: int | None, tag: int) -> PendingHeader:
        """A group of one has no peer."""
        raise DistError(f"irecv: group {self.name!r} has one rank, so there is no peer")

    def irecv(self, buffer: Any, header: PendingHeader) -> Pending:
        """A group of one has no peer."""
        raise DistError(f"irecv: group {self.name!r} has one rank, so there is no peer")

    def discard(self, header: PendingHeader) -> None:
        """A group of one has no peer."""

    def split(self, ranks: Sequence[int], name: str) -> Transport | None:
        """Another group of one."""
        return SoloTransport(name, self.backend)

    def close(self, broken: bool) -> None:
        """Nothing is held."""
