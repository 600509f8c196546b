"""Messages of device arrays: the announcement travels over MPI, the data over NCCL.

NCCL pairs the sends and receives of two ranks in their order, whatever their tags, so each
announcement carries its number and one whose turn has not come is held back.
"""

import struct

from isograd.distributed.transport import Pending, PendingHeader

__all__ = ["PREFIX", "Announced", "DeviceTransfer", "Enqueued", "announced"]

PREFIX = struct.Struct("<?qq")  # of a header: data on the device, its number, its bytes


class Enqueued:
    """A transfer that has only to be put on the stream."""

    def __init__(self, ready: bool) -> None:
        self.ready = ready

    def test(self) -> bool:
        return self.ready

    def cancel(self) -> None:
        pass


class Announced:
    """The receipt of a header: whether data follows on the device, and its place in the order.

    Args:
        header: the receive on the host transport.
        expected: number of the next device message per source.
    """

    def __init__(self, header: PendingHeader, expected: dict[int, int]) -> None:
        self.inner, self._expected = header, expected
        self.on_device, self.nbytes = False, 0
        self.source, self.header = -1, b""
        self._number = -1

    def test(self) -> bool:
        if self.source < 0:
            if not self.inner.test():
                return False
            self.on_device, self._number, self.nbytes = PREFIX.unpack_from(self.inner.header)
            self.source, self.header = self.inner.source, self.inner.header[PREFIX.size :]
        return not self.on_device or self._expected[self.source] == self._number

    def cancel(self) -> None:
        self.inner.cancel()


class DeviceTransfer:
    """A header on its way over MPI while the data is on the stream."""

    def __init__(self, header: Pending, data: Enqueued) -> None:
        self._header, self._data = header, data

    def test(self) -> bool:
        return self._header.test() and self._data.test()

    def cancel(self) -> None:
        self._header.cancel()


def announced(header: PendingHeader) -> Announced:
    """`header` as one of the NCCL transport's own."""
    if not isinstance(header, Announced):
        raise TypeError(f"expected a header of the NCCL transport, got {type(header).__name__}")
    return header
