"""Transport: what a backend must be able to do, and nothing more.

A transport moves flat contiguous buffers between the ranks of one group and blocks until they have
moved. Everything that is the same for all backends (fingerprints, timeouts, asynchronous work,
staging of strided arrays, counting of bytes) is built once above it, in `checked.py`.

Buffers are one-dimensional, contiguous and of one dtype per call. `counts` are elements per rank.
Only one collective of a transport runs at a time; point-to-point calls and `exchange` of other
transports may run beside it.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.whereabouts import Whereabouts

__all__ = ["Buffer", "Pending", "PendingHeader", "Transport"]

Buffer = Any  # numpy.ndarray or cupy.ndarray, one-dimensional and contiguous


class Pending(Protocol):
    """A point-to-point transfer under way."""

    def test(self) -> bool:
        """Push the transfer on; true once it is complete."""

    def cancel(self) -> None:
        """Give the transfer up; it must not be tested again."""


class PendingHeader(Pending, Protocol):
    """The receipt of a message's header: who sends what."""

    @property
    def source(self) -> int:
        """Rank that sent, once received."""

    @property
    def header(self) -> bytes:
        """What the sender said of the message, once received."""


class Transport(Protocol):
    """Blocking movement of flat buffers in one group of ranks."""

    @property
    def name(self) -> str:
        """Name of the group."""

    @property
    def backend(self) -> str:
        """ "local", "mpi" or "nccl"."""

    @property
    def rank(self) -> int:
        """This process's rank in the group."""

    @property
    def size(self) -> int:
        """Number of ranks."""

    @property
    def asynchronous(self) -> bool:
        """True when a second thread may call in."""

    @property
    def whereabouts(self) -> Whereabouts:
        """Finds ranks that do not arrive."""

    # control plane
    def exchange(self, record: bytes, timeout: float | None) -> bytes | None:
        """All-gather one short record of equal length; None when a rank did not arrive."""

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """All-gather byte strings of any length; the ranks are known to have arrived."""

    # arrays of the caller <-> flat buffers this transport can move
    def mark(self, arrays: Sequence[Any]) -> Any:
        """A point in the caller's device stream after which `arrays` hold their values."""

    def reach(self, mark: Any) -> None:
        """Order what follows after `mark`; called by the thread that runs the operation."""

    def stage(self, array: Any, fill: bool) -> Buffer:
        """A flat contiguous buffer with the elements of `array` (values only if `fill`)."""

    def unstage(self, buffer: Buffer, array: Any) -> None:
        """Write `buffer` back to `array`, unless it is that memory."""

    def fence(self) -> Any:
        """A point after everything this thread has put on the transport; None on the host."""

    def computing(self) -> AbstractContextManager[Any]:
        """Array operations of the block are ordered with what this transport moves."""

    # collectives
    def all_reduce(self, buffer: Buffer, op: ReduceOp) -> None: ...
    def broadcast(self, buffer: Buffer, root: int) -> None: ...
    def reduce(self, buffer: Buffer, root: int, op: ReduceOp) -> None: ...
    def all_gather(self, out: Buffer, part: Buffer, counts: Sequence[int]) -> None: ...
    def gather(
        self, part: Buffer, out: Buffer | None, counts: Sequence[int], root: int
    ) -> None: ...
    def scatter(
        self, out: Buffer, parts: Buffer | None, counts: Sequence[int], root: int
    ) -> None: ...
    def reduce_scatter(
        self, out: Buffer, parts: Buffer, counts: Sequence[int], op: ReduceOp
    ) -> None: ...
    def all_to_all(
        self,
        out: Buffer,
        parts: Buffer,
        out_counts: Sequence[int],
        in_counts: Sequence[int],
        even: bool,
        largest: int,
    ) -> None:
        """`even`: all pieces have one size; `largest`: elements of any rank's longer side.

        Both are the same on all ranks, so that all choose one algorithm.
        """

    # point to point
    def isend(self, buffer: Buffer, peer: int, tag: int, header: bytes) -> Pending: ...
    def irecv_header(self, peer: int | None, tag: int) -> PendingHeader: ...
    def irecv(self, buffer: Buffer, header: PendingHeader) -> Pending: ...
    def discard(self, header: PendingHeader) -> None:
        """Take the message behind `header` off the wire without a receiver."""

    def grouped(self) -> AbstractContextManager[bool]:
        """Start the transfers of one block together; true when receives are deferred to its end."""

    # life
    def split(self, ranks: Sequence[int], name: str) -> "Transport | None":
        """A transport over `ranks` of this one, called by all; None for non-members."""

    def close(self, broken: bool) -> None:
        """Free what the group holds; `broken` when a rank never arrived."""
