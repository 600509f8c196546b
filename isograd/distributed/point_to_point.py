"""Send and receive: the point-to-point half of the communicator.

See `transfers.py` for how a message travels.
"""

import threading
from collections.abc import Sequence
from typing import Any

from isograd.distributed.conductor import Conductor
from isograd.distributed.errors import CollectiveTimeoutError
from isograd.distributed.fingerprint import call_site
from isograd.distributed.polling import poll_until
from isograd.distributed.transfers import ReceiveTransfer, SendTransfer, Transfer
from isograd.distributed.transport import Transport
from isograd.distributed.work import Work

__all__ = ["PointToPoint"]


class PointToPoint(Conductor):
    """Adds `send`, `recv`, `isend`, `irecv` and `batch` to a conductor."""

    def __init__(
        self,
        transport: Transport,
        ranks: Sequence[int],
        timeout: float | None = 600.0,
        check: bool | None = None,
    ) -> None:
        super().__init__(transport, ranks, timeout, check)
        self._transfers: list[Transfer] = []  # in flight with nobody waiting
        self._transfers_lock = threading.Lock()

    def send(self, array: Any, dst: int, tag: int = 0) -> None:
        """Send; returns when the array may be reused."""
        self._finish(self._start_send("send", array, dst, tag), dst)

    def recv(self, array: Any, src: int | None = None, tag: int = 0) -> int:
        """Receive; returns the rank that sent."""
        transfer = self._start_receive("recv", array, src, tag)
        self._finish(transfer, src)
        return transfer.work.source_rank()

    def isend(self, array: Any, dst: int, tag: int = 0) -> Work:
        """Start sending."""
        return self._watched(self._start_send("isend", array, dst, tag))

    def irecv(self, array: Any, src: int | None = None, tag: int = 0) -> Work:
        """Start receiving."""
        return self._watched(self._start_receive("irecv", array, src, tag))

    def batch(self, calls: Sequence[tuple[str, Any, int, int]]) -> list[Work]:
        """Start several transfers as one, so that devices may pair sends with receives.

        Args:
            calls: ("send" or "recv", array, peer, tag) each.
        """
        transfers: list[Transfer] = []
        with self._transport.grouped() as deferred:
            for kind, array, peer, tag in calls:
                start = self._start_send if kind == "send" else self._start_receive
                transfers.append(start(f"i{kind}", array, peer, tag))
            if deferred:  # device receives join the group once their message is announced
                for transfer in transfers:
                    if isinstance(transfer, ReceiveTransfer):
                        poll_until(transfer.has_header, self.timeout)
        return [self._watched(t) for t in transfers]

    def _start_send(self, name: str, array: Any, dst: int, tag: int) -> Transfer:
        self._check_transfer(name, "dst", dst, tag)
        self._transport.reach(self._transport.mark((array,)))
        transfer = SendTransfer(self._transport, array, dst, tag, call_site())
        self._traffic.add(name.removeprefix("i"), array.nbytes, 0)
        return transfer

    def _start_receive(self, name: str, array: Any, src: int | None, tag: int) -> Transfer:
        self._check_transfer(name, "src", 0 if src is None else src, tag, src is None)
        self._transport.reach(self._transport.mark((array,)))
        transfer = ReceiveTransfer(self._transport, array, src, tag, call_site())
        self._traffic.add(name.removeprefix("i"), 0, array.nbytes)
        return transfer

    def _finish(self, transfer: Transfer, peer: int | None) -> None:
        others = [r for r in self._ranks if r != self._ranks[self.rank]]
        peers = others if peer is None else [self._ranks[peer]]

        def alarm() -> bool:
            return self._transport.whereabouts.gone(peers)

        def done() -> bool:
            transfer.advance()
            return transfer.done()

        if not poll_until(done, self.timeout, alarm) and not poll_until(done, 1.0):
            transfer.cancel(self._transfer_error(transfer, peers))
        transfer.work.wait()

    def _transfer_error(self, transfer: Transfer, peers: Sequence[int]) -> CollectiveTimeoutError:
        standings = self._transport.whereabouts.ask(peers, 2.0)
        listed = "\n".join(f"  rank {r}: {s.text()}" for r, s in sorted(standings.items()))
        return CollectiveTimeoutError(
            f"{transfer.work.name}: no partner within {self.timeout} s on rank "
            f"{self._ranks[self.rank]} of group {self.name!r}\n{listed}"
        )

    def _watched(self, transfer: Transfer) -> Work:
        transfer.advance()
        if not transfer.done():
            with self._transfers_lock:
                self._transfers.append(transfer)
            if self._transport.asynchronous:
                self._progress.watch_transfers()
        return transfer.work

    def _push_transfers(self) -> bool:
        with self._transfers_lock:
            transfers = list(self._transfers)
        for transfer in transfers:
            transfer.advance()
        with self._transfers_lock:
            self._transfers = [t for t in self._transfers if not t.done()]
            return bool(self._transfers)

    def _check_rank(self, name: str, role: str, rank: int) -> None:
        if not 0 <= rank < self.size:
            raise ValueError(
                f"{name}: expected {role} in [0, {self.size}) of group {self.name!r}, got {rank}"
            )

    def _check_transfer(
        self, name: str, role: str, peer: int, tag: int, anybody: bool = False
    ) -> None:
        self._refuse_unusable(name)
        self._check_rank(name, role, peer)
        if peer == self.rank and not anybody:
            raise ValueError(f"{name}: {role} is this rank itself ({peer}); expected another one")
        if not 0 <= tag < 32768:
            raise ValueError(f"{name}: expected 0 <= tag < 32768 (what MPI promises), got {tag}")
