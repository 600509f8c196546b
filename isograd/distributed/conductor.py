"""The order of things in one group: number a call, compare fingerprints, move data, note times.

A group performs one collective at a time, in the order its calls were issued. A synchronous call
runs in the calling thread; once asynchronous ones are queued, it queues behind them. Sequence
numbers are given when a call is performed, so both ways share one count.
"""

import os
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from isograd.distributed import fingerprint
from isograd.distributed.errors import (
    CollectiveTimeoutError,
    DistBackendError,
    DistError,
)
from isograd.distributed.fingerprint import Signature
from isograd.distributed.progress import ProgressThread
from isograd.distributed.traffic import TrafficCounter
from isograd.distributed.transport import Transport
from isograd.distributed.work import TraceEvent, Work

__all__ = ["Conductor", "broken_groups"]

broken_groups: list[str] = []  # why, for each group of this process that missed a rank

_ASK_TIMEOUT = 2.0  # seconds to wait for other ranks' stacks


class Conductor:
    """Runs the operations of one group over a transport.

    Args:
        transport: what moves the bytes.
        ranks: global rank of each rank of the group.
        timeout: seconds a rank may be late; None for ever.
        check: compare fingerprints; default from ISOGRAD_FINGERPRINT.
    """

    def __init__(
        self,
        transport: Transport,
        ranks: Sequence[int],
        timeout: float | None = 600.0,
        check: bool | None = None,
    ) -> None:
        self._transport = transport
        self._ranks = tuple(ranks)
        self.timeout = timeout
        self.tracing = os.environ.get("ISOGRAD_TRACE", "0") == "1"
        self._one_script = False
        self._remark = ""
        self._failure: DistError | None = None  # of a queued call; nothing behind it can be right
        self._trace: list[TraceEvent] = []
        self._traffic = TrafficCounter()
        self._checking = (fingerprint.enabled() if check is None else check) and self.size > 1
        self._sequence = 0
        self._turn = threading.RLock()  # held while a call is performed in the calling thread
        self._progress = ProgressThread(f"isograd-{transport.name}", self._push_transfers)
        self._broken: str | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """Name of the group."""
        return self._transport.name

    @property
    def rank(self) -> int:
        """Rank of this process in the group."""
        return self._transport.rank

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self._transport.size

    @property
    def ranks(self) -> tuple[int, ...]:
        """Global rank of each rank of the group."""
        return self._ranks

    @property
    def traffic(self) -> TrafficCounter:
        """Bytes moved so far."""
        return self._traffic

    @property
    def trace(self) -> list[TraceEvent]:
        """Events of operations performed while `tracing` was true."""
        return self._trace

    @property
    def sequence(self) -> int:
        """Number of collectives this rank has entered."""
        return self._sequence

    @property
    def one_script(self) -> bool:
        """Whether the ranks run one script line by line."""
        return self._one_script

    @one_script.setter
    def one_script(self, on: bool) -> None:
        self._one_script, self._remark, self._failure = on, "", None

    @property
    def broken(self) -> bool:
        """True after a timeout: a rank may still be inside the missed call."""
        return self._broken is not None

    def _push_transfers(self) -> bool:
        """Advance point-to-point transfers nobody waits for."""
        return False

    def compose(
        self,
        signature: Signature,
        body: Callable[[Transport], None],
        arrays: Sequence[Any],
        async_op: bool = False,
        traffic: tuple[int, int] = (0, 0),
    ) -> Work | None:
        """A collective made of several of the transport's, under one fingerprint.

        Args:
            signature: what is compared with the other ranks.
            body: moves the data; the same transport calls in the same order on all ranks.
            arrays: what body reads and writes, kept alive until it has run.
            async_op: return a Work at once.
            traffic: bytes (sent, received) by this rank.
        """
        return self._issue(signature, lambda: body(self._transport), arrays, async_op, traffic)

    def _issue(
        self,
        signature: Signature,
        body: Callable[[], None],
        arrays: Sequence[Any] = (),
        async_op: bool = False,
        traffic: tuple[int, int] = (0, 0),
    ) -> Work | None:
        """Perform a collective now, or queue it.

        Args:
            signature: what is compared with the other ranks.
            body: moves the data.
            arrays: what body reads and writes, kept alive until it has run.
            async_op: return a Work at once.
            traffic: bytes (sent, received) by this rank.
        """
        self._refuse_unusable(signature.op)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        event = self._new_event(signature.op, arrays, async_op)
        site = self._place() if self._one_script else None
        if not async_op or not self._transport.asynchronous:
            with self._turn:
                if self._progress.idle():
                    self._transport.reach(self._transport.mark(arrays))
                    self._perform(signature, body, site, event)
                    self._traffic.add(signature.op, *traffic)
                    fence = self._transport.fence()
                    if fence is not None:
                        fence.order_current_stream()
                    return self._completed(signature.op, arrays, event) if async_op else None
        work = self._queue(signature, body, arrays, traffic, event, site)
        if async_op:
            return work
        work.wait()
        return None

    def _completed(self, op: str, arrays: Sequence[Any], event: TraceEvent | None) -> Work:
        work = Work(op, list(arrays))
        work.event = event
        work.complete()
        return work

    def _queue(
        self,
        signature: Signature,
        body: Callable[[], None],
        arrays: Sequence[Any],
        traffic: tuple[int, int],
        event: TraceEvent | None,
        site: str | None,
    ) -> Work:
        work = Work(signature.op, list(arrays))
        work.event = event
        site = site or (event.site if event is not None else fingerprint.call_site())
        mark = self._transport.mark(arrays)

        def job() -> None:
            try:
                if self._failure is not None:
                    raise self._failure
                self._transport.reach(mark)
                self._perform(signature, body, site, event)
                self._traffic.add(signature.op, *traffic)
                work.complete(fence=self._transport.fence())
            except BaseException as error:  # handed to whoever waits
                if self._one_script and isinstance(error, DistError):
                    self._failure = error  # not to wait where the others will not come
                work.complete(error)

        with self._turn:  # not while another thread performs a call itself
            self._progress.submit(job)
        return work

    def _perform(
        self,
        signature: Signature,
        body: Callable[[], None],
        site: str | None,
        event: TraceEvent | None,
    ) -> None:
        self._refuse_unusable(signature.op)
        try:
            self._perform_whole(signature, body, site, event)
        except Exception:
            raise
        except BaseException as error:  # stopped half way, the other ranks may be inside
            self._break(f"{signature.text()} was ended by {type(error).__name__}")
            raise

    def _perform_whole(
        self,
        signature: Signature,
        body: Callable[[], None],
        site: str | None,
        event: TraceEvent | None,
    ) -> None:
        if event is not None:
            event.started = time.perf_counter()
        self._sequence += 1
        self._transport.whereabouts.entered(self.name, self._sequence)
        if self._checking:
            self._compare(signature, site)
        try:
            body()
        except (DistError, TypeError, ValueError, MemoryError):
            raise
        except Exception as error:
            raise DistBackendError(
                f"{signature.text()}: failed on rank {self.rank} of group {self.name!r} "
                f"(global rank {self._ranks[self.rank]}): {error}"
            ) from error
        if event is not None:
            event.sequence = self._sequence
            event.finished = time.perf_counter()

    def remark(self, text: str) -> None:
        """Have a text compared along with the next call's line, where all ranks run one script."""
        before = f", and more before ({zlib.crc32(self._remark.encode()):08x})"
        self._remark = text + (before if self._remark else "")

    def _place(self) -> str:
        """The script's line, and what was remarked since the last call."""
        site = fingerprint.call_site()
        if self._remark:
            site, self._remark = f"{site} after {self._remark}", ""
        return site

    def _compare(self, signature: Signature, site: str | None) -> None:
        if self._one_script:
            site = site or fingerprint.call_site()
            record = fingerprint.encode(signature, self._sequence, site)
        else:
            record = fingerprint.encode(signature, self._sequence)
        table = self._transport.exchange(record, self.timeout)
        if table is None:
            raise self._timeout_error(signature, site or fingerprint.call_site())
        if table == record * self.size:
            return
        where = site or fingerprint.call_site()
        line = f"{signature.text()} at {where}"
        answers = self._transport.exchange_bytes(f"{self._sequence}\n{line}".encode())
        told = [answer.decode().split("\n", 1) for answer in answers]
        mine = self._sequence
        # Agree on the count again, so that a program that catches the error can go on.
        self._sequence = max(int(number) for number, _ in told)
        lines = [f"{text} (its call {number})" for number, text in told]
        raise fingerprint.mismatch_error(signature.op, self.name, self._ranks, mine, lines)

    def _timeout_error(self, signature: Signature, site: str) -> CollectiveTimeoutError:
        """Find out who did not come, and where they are."""
        self._break(f"{signature.text()} at {site} timed out")
        others = [r for r in self._ranks if r != self._ranks[self.rank]]
        standings = self._transport.whereabouts.ask(others, _ASK_TIMEOUT)
        missing = {
            r: s
            for r, s in standings.items()
            if not s.answered or s.farewell or s.entered.get(self.name, 0) < self._sequence
        }
        late = missing or standings
        listed = "\n".join(f"  rank {r}: {s.text()}" for r, s in sorted(late.items()))
        gone = [r for r, s in late.items() if s.farewell]
        reason = (
            f"rank(s) {gone} exited without taking part"
            if gone
            else f"waited {self.timeout} s for rank(s) {sorted(late)}"
        )
        return CollectiveTimeoutError(
            f"{signature.text()}: {reason} in collective {self._sequence} of group "
            f"{self.name!r} ({self.size} ranks)\n{listed}\n"
            f"  rank {self._ranks[self.rank]} (this one): waits at {site}"
        )

    def _break(self, why: str) -> None:
        self._broken = why
        broken_groups.append(why)

    def _refuse_unusable(self, op: str) -> None:
        if self._closed:
            raise DistError(
                f"{op}: group {self.name!r} has been destroyed; "
                "call init_process_group or new_group again"
            )
        if self._broken is not None:
            raise DistError(
                f"{op}: group {self.name!r} cannot be used on rank {self._ranks[self.rank]} "
                f"after {self._broken}; end the job"
            )

    def _new_event(self, op: str, arrays: Sequence[Any], async_op: bool) -> TraceEvent | None:
        if not self.tracing:
            return None
        nbytes = sum(int(a.nbytes) for a in arrays)
        site, now = fingerprint.call_site(), time.perf_counter()
        event = TraceEvent(op, 0, nbytes, site, now, asynchronous=async_op)
        self._trace.append(event)
        return event

    def drain(self) -> None:
        """Wait until every queued operation has run."""
        self._progress.drain()

    def abandon(self) -> None:
        """End background work at once, dropping what is queued."""
        self._closed = True
        self._progress.close()

    def close(self) -> None:
        """End background work and free the group. Queued operations run first."""
        if self._closed:
            return
        if not self.broken:
            self._progress.drain()
        self._closed = True
        self._progress.close()
        self._transport.close(self.broken)
