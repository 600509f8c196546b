"""Point-to-point transfers: a header first, then the data.

The header says dtype, number of elements and call site, so the receiver checks a message before
it lets it in, and a receive from anybody learns who sent. All transfers are non-blocking state
machines advanced by whoever waits, or by the progress thread when nobody does; so two ranks that
both receive before they send do not block each other.
"""

import json
import threading
from typing import Any

from isograd.distributed.errors import CollectiveMismatchError
from isograd.distributed.transport import Pending, PendingHeader, Transport
from isograd.distributed.work import Work

__all__ = ["ReceiveTransfer", "SendTransfer", "Transfer", "make_header"]


def make_header(array: Any, site: str) -> bytes:
    """Describe a message: dtype, shape and the sender's call site."""
    return json.dumps([array.dtype.name, list(array.shape), site]).encode()


class Transfer:
    """A transfer under way and its Work."""

    def __init__(self, transport: Transport, array: Any, name: str) -> None:
        self.transport = transport
        self.array = array
        self.work = Work(name, array, progress=self.advance)
        self._lock = threading.Lock()  # two threads may push the same transfer
        self._over = False

    def advance(self) -> None:
        """Take the next steps that are possible now."""
        with self._lock:
            if self._over:
                return
            try:
                if self._step():
                    self._over = True
                    self.work.complete(fence=self.transport.fence())
            except Exception as error:  # handed to whoever waits
                self._over = True
                self.work.complete(error)

    def cancel(self, error: BaseException) -> None:
        """Give up; the Work fails with `error`."""
        with self._lock:
            if not self._over:
                self._over = True
                self._drop()
                self.work.complete(error)

    def done(self) -> bool:
        """True when finished, cancelled or failed."""
        return self._over

    def _step(self) -> bool:
        """Advance; true when complete. Called with the lock held."""
        raise NotImplementedError

    def _drop(self) -> None:
        """Release what is pending. Called with the lock held."""
        raise NotImplementedError


class SendTransfer(Transfer):
    """Header and data on their way to `peer`."""

    def __init__(self, transport: Transport, array: Any, peer: int, tag: int, site: str) -> None:
        super().__init__(transport, array, f"isend to rank {peer}")
        buffer = transport.stage(array, fill=True)
        self._pending: Pending = transport.isend(buffer, peer, tag, make_header(array, site))

    def _step(self) -> bool:
        return self._pending.test()

    def _drop(self) -> None:
        self._pending.cancel()


class ReceiveTransfer(Transfer):
    """Waits for a header, checks it, then receives the data."""

    def __init__(
        self, transport: Transport, array: Any, peer: int | None, tag: int, site: str
    ) -> None:
        super().__init__(transport, array, f"irecv from rank {'any' if peer is None else peer}")
        self._site = site
        self._header: PendingHeader = transport.irecv_header(peer, tag)
        self._data: Pending | None = None
        self._buffer: Any = None

    def has_header(self) -> bool:
        """True once the message's header has come, or the transfer is over."""
        self.advance()
        return self._data is not None or self._over

    def _step(self) -> bool:
        if self._data is None:
            if not self._header.test():
                return False
            self._check()
            self._buffer = self.transport.stage(self.array, fill=False)
            self._data = self.transport.irecv(self._buffer, self._header)
        if not self._data.test():
            return False
        self.transport.unstage(self._buffer, self.array)
        self.work._source = self._header.source
        return True

    def _check(self) -> None:
        dtype, shape, site = json.loads(self._header.header)
        count = 1
        for length in shape:
            count *= length
        if dtype == self.array.dtype.name and count == self.array.size:
            return
        self.transport.discard(self._header)
        me, sender = self.transport.rank, self._header.source
        raise CollectiveMismatchError(
            f"recv: the message does not fit in group {self.transport.name!r}\n"
            f"  rank {sender} sent {dtype} {tuple(shape)} at {site}\n"
            f"  rank {me} expects {self.array.dtype.name} {self.array.shape} at {self._site}"
        )

    def _drop(self) -> None:
        if self._data is None:
            self._header.cancel()
        else:
            self._data.cancel()
