"""Traffic: how many bytes a rank sent and received, per kind of operation.

Counted are the bytes a bandwidth-optimal algorithm moves per rank (Thakur, Rabenseifner & Gropp,
"Optimization of Collective Communication Operations in MPICH", 2005), with n ranks and B bytes in
the whole buffer: all-reduce 2(n-1)/n B, reduce-scatter and all-gather (n-1)/n B, all-to-all what
goes to others, broadcast and reduce B once through every rank but the last. The library below may
choose otherwise for short messages. Fingerprints (24 bytes a call) are not counted.
"""

import threading
from collections import defaultdict
from dataclasses import dataclass

__all__ = ["Traffic", "TrafficCounter"]


@dataclass
class Traffic:
    """Totals of one kind of operation on this rank: number of calls, bytes sent and received."""

    calls: int = 0
    sent: int = 0
    received: int = 0


class TrafficCounter:
    """Totals per operation of one communicator; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_op: defaultdict[str, Traffic] = defaultdict(Traffic)

    def add(self, op: str, sent: int, received: int) -> None:
        """Count one call."""
        with self._lock:
            total = self._by_op[op]
            total.calls += 1
            total.sent += sent
            total.received += received

    def by_op(self) -> dict[str, Traffic]:
        """A copy of the totals, keyed by operation name."""
        with self._lock:
            return {op: Traffic(t.calls, t.sent, t.received) for op, t in self._by_op.items()}

    @property
    def sent(self) -> int:
        """Bytes sent by this rank."""
        return sum(t.sent for t in self.by_op().values())

    @property
    def received(self) -> int:
        """Bytes received by this rank."""
        return sum(t.received for t in self.by_op().values())

    def reset(self) -> None:
        """Start again from zero."""
        with self._lock:
            self._by_op.clear()
