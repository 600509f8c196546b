"""Communicator: the one interface between isograd and the wire.

Three implementations stand behind it: `local` (threads of one process), `mpi` and `nccl`, each a
`Transport` under the shared `CheckedCommunicator`. Arrays are NumPy or CuPy, of any dtype isograd
has and any strides. Roots and peers are ranks of the group. With `async_op=True` a call returns a
`Work` at once and the array must be left alone until `Work.wait()`; otherwise it returns None when
the array may be used. Names are MPI's.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from isograd.distributed.fingerprint import Signature
from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.traffic import TrafficCounter
from isograd.distributed.transport import Transport
from isograd.distributed.work import TraceEvent, Work

__all__ = ["Communicator"]


@runtime_checkable
class Communicator(Protocol):
    """Collective and point-to-point communication in one group of ranks.

    Attributes:
        tracing: append a TraceEvent per operation to `trace`.
        timeout: seconds a rank may be late, None for ever.
        one_script: the ranks run one script line by line; that a call is made on the same line is
            compared, too.
    """

    tracing: bool
    one_script: bool
    timeout: float | None

    @property
    def name(self) -> str:
        """Name of the group, for messages."""

    @property
    def backend(self) -> str:
        """ "local", "mpi" or "nccl"."""

    @property
    def rank(self) -> int:
        """Rank of this process in the group."""

    @property
    def size(self) -> int:
        """Number of ranks n."""

    @property
    def ranks(self) -> tuple[int, ...]:
        """The global rank of each rank of the group."""

    @property
    def traffic(self) -> TrafficCounter:
        """Bytes moved so far."""

    @property
    def trace(self) -> list[TraceEvent]:
        """Events of past operations; filled while `tracing`."""

    def remark(self, text: str) -> None:
        """Have a text compared along with the next call's line, where all ranks run one script."""

    def all_reduce(
        self, array: Any, op: ReduceOp = ReduceOp.SUM, async_op: bool = False
    ) -> Work | None:
        """Reduce `array` over all ranks, in place. 2(n-1)/n of its bytes per rank."""

    def broadcast(self, array: Any, root: int, async_op: bool = False) -> Work | None:
        """Copy the root's `array` into everybody's. Its bytes once per rank."""

    def reduce(
        self, array: Any, root: int, op: ReduceOp = ReduceOp.SUM, async_op: bool = False
    ) -> Work | None:
        """Reduce into the root's `array`; other ranks' stay as they are."""

    def all_gather(
        self,
        out: Any,
        part: Any,
        splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Lay everybody's `part` end to end in `out`. (n-1) parts sent per rank.

        `splits` gives the length of each rank's part along dimension 0 when they differ.
        """

    def gather(
        self,
        part: Any,
        out: Any | None,
        root: int,
        splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """As `all_gather`, into the root's `out` only (None elsewhere)."""

    def scatter(
        self,
        out: Any,
        parts: Any | None,
        root: int,
        splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Hand piece r of the root's `parts` (None elsewhere) to rank r."""

    def reduce_scatter(
        self,
        out: Any,
        parts: Any,
        op: ReduceOp = ReduceOp.SUM,
        splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Reduce `parts` over all ranks and keep piece r on rank r. (n-1)/n of its bytes."""

    def all_to_all(
        self,
        out: Any,
        parts: Any,
        out_splits: Sequence[int] | None = None,
        in_splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Send piece s of `parts` to rank s; piece r of `out` comes from rank r."""

    def compose(
        self,
        signature: Signature,
        body: Callable[[Transport], None],
        arrays: Sequence[Any],
        async_op: bool = False,
        traffic: tuple[int, int] = (0, 0),
    ) -> Work | None:
        """A collective made of several of the transport's, under one fingerprint."""

    def barrier(self, async_op: bool = False) -> Work | None:
        """Return when every rank has called it."""

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """All-gather byte strings of any length: the control plane."""

    def send(self, array: Any, dst: int, tag: int = 0) -> None:
        """Send; returns when `array` may be reused."""

    def recv(self, array: Any, src: int | None = None, tag: int = 0) -> int:
        """Receive from `src`, or from anybody; returns the rank that sent."""

    def isend(self, array: Any, dst: int, tag: int = 0) -> Work:
        """Start sending; leave `array` alone until the Work is done."""

    def irecv(self, array: Any, src: int | None = None, tag: int = 0) -> Work:
        """Start receiving into `array`."""

    def batch(self, calls: Sequence[tuple[str, Any, int, int]]) -> list[Work]:
        """Start several transfers, ("send" or "recv", array, peer, tag) each, as one."""

    def split(self, ranks: Sequence[int], name: str) -> "Communicator | None":
        """A communicator over `ranks` of this group; called by all, None for non-members."""

    def close(self) -> None:
        """End background work and free the group."""
