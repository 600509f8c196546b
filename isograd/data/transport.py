"""How batches travel from a worker to the main process: through memory that both map.

A worker writes the arrays of a batch into a *slot*, a file that has no name (``memfd``, or a
temporary file already deleted), and sends its descriptor along the socket the first time the slot
is used. What arrives on the other side are tensors over that very memory: nothing is copied. When
the last of them is gone the slot goes back to the worker and is written again. Memory without a
name cannot be left behind: the kernel frees it with the last process that maps it, however that
one ends.

Pickle's protocol 5 (PEP 574) takes the arrays out of the message; small messages need no slot.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor, wrap

__all__ = ["Inbox", "Outbox"]

_ALIGN = 64  # bytes; where arrays start in a slot
_SMALL = 4096  # bytes; up to here a message goes through the socket alone
_LEASES = 24  # slots of one worker that the main process may hold, before it copies instead


class _Pickler(pickle.Pickler):
    """Tensors without history as what they hold; everything else as usual."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor:
            return NotImplemented
        if value._node is not None:
            raise RuntimeError(
                "Cowardly refusing to serialize non-leaf tensor which requires_grad, since "
                "autograd does not support crossing process boundaries. If you just want to "
                "transfer the data, call detach() on the tensor before it leaves the worker."
            )
        if value._array.__class__ is not np.ndarray:
            return NotImplemented  # comes from a device: the tensor's own way, by host memory
        array = np.ascontiguousarray(value._array).reshape(value._array.shape)
        flat: Any = array.reshape(-1).view(np.uint8)
        return _tensor_over, (
            pickle.PickleBuffer(flat),
            array.dtype,
            array.shape,
            value._requires_grad,
        )


def _tensor_over(buffer: Any, dtype: Any, shape: tuple[int, ...], requires_grad: bool) -> Tensor:
    out = wrap(np.frombuffer(buffer, np.uint8).view(dtype).reshape(shape))
    if requires_grad:
        out.requires_grad_(True)
    return out


class Outbox:
    """The worker's end.

    Args:
        channel: a socket connection (``multiprocessing.Pipe(duplex=True)``).
    """

    def __init__(self, channel: Connection[Any, Any]) -> None:
        self._channel = channel
        self._free: list[int] = []
        self._slots: dict[int, tuple[int, mmap.mmap]] = {}  # number -> descriptor, memory
        self._made = 0

    def give_back(self, slots: Sequence[int]) -> None:
        """Take back the slots that the main process is done with."""
        self._free.extend(slots)

    def send(self, message: Any) -> None:
        """Send ``message``; its arrays may change again afterwards.

        Raises:
            BrokenPipeError: when the main process is gone.
        """
        buffers: list[pickle.PickleBuffer] = []
        body = io.BytesIO()
        _Pickler(body, protocol=5, buffer_callback=buffers.append).dump(message)
        parts = [body.getbuffer(), *(buffer.raw() for buffer in buffers)]
        if sum(part.nbytes for part in parts) <= _SMALL:
            content = [bytearray(part) for part in parts]
            self._channel.send_bytes(pickle.dumps((None, content, ()), protocol=5))
            return
        ends = _lay_out([part.nbytes for part in parts])
        slot, is_new, retired = self._slot(ends[-1])
        descriptor, memory = self._slots[slot]
        with memoryview(memory) as view:
            for part, end in zip(parts, ends):
                view[end - part.nbytes : end] = part
        spans = [(end - part.nbytes, part.nbytes) for part, end in zip(parts, ends)]
        size = len(memory) if is_new else 0
        self._channel.send_bytes(pickle.dumps(((slot, size), spans, retired), protocol=5))
        if is_new:
            with socket.socket(fileno=os.dup(self._channel.fileno())) as line:
                socket.send_fds(line, [b"f"], [descriptor])

    def _slot(self, size: int) -> tuple[int, bool, list[int]]:
        """A slot of at least ``size`` bytes; whether it is new; the one it replaces, if any."""
        for slot in self._free:
            if len(self._slots[slot][1]) >= size:
                self._free.remove(slot)
                return slot, False, []
        retired = [self._free.pop()] if self._free else []
        for slot in retired:
            descriptor, memory = self._slots.pop(slot)
            memory.close()
            os.close(descriptor)
        self._made += 1
        size += size // 8  # batches differ in size: room to grow
        descriptor = _nameless_file(-(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
        self._slots[self._made] = descriptor, mmap.mmap(descriptor, 0)
        return self._made, True, retired


class Inbox:
    """The main process's end."""

    def __init__(self, channel: Connection[Any, Any]) -> None:
        self._channel = channel
        self._memory: dict[int, mmap.mmap] = {}
        self._released: deque[int] = deque()  # filled by finalizers: at any time, by any thread
        self._leased: set[int] = set()

    def released(self) -> list[int]:
        """The slots that nobody uses any more, to be told to `Outbox.give_back`."""
        out = []
        while self._released:
            out.append(self._released.popleft())
        return out

    def receive(self) -> Any:
        """The next message; waits for it.

        Raises:
            EOFError, OSError: when the worker is gone.
        """
        place, parts, retired = pickle.loads(self._channel.recv_bytes())
        if place is None:
            return pickle.loads(parts[0], buffers=parts[1:])
        for slot in retired:
            self._memory.pop(slot, None)
        slot, size = place
        if size:
            self._memory[slot] = self._new_memory(size)
        whole = self._open(slot)
        views = [memoryview(whole)[start : start + n] for start, n in parts]
        return pickle.loads(views[0], buffers=views[1:])

    def _new_memory(self, size: int) -> mmap.mmap:
        with socket.socket(fileno=os.dup(self._channel.fileno())) as line:
            _, descriptors, _, _ = socket.recv_fds(line, 1, 1)
        if not descriptors:
            raise EOFError
        try:
            return mmap.mmap(descriptors[0], size)
        finally:
            os.close(descriptors[0])

    def _open(self, slot: int) -> Any:
        """The slot's bytes, as an array whose end of life releases the slot."""
        whole = np.frombuffer(self._memory[slot], np.uint8)
        if (
            len(self._leased) >= _LEASES
        ):  # the user keeps the batches: descriptors are not unlimited
            self._released.append(slot)
            return whole.copy()
        self._leased.add(slot)
        weakref.finalize(whole, _release, weakref.ref(self), slot).atexit = False
        return whole


def _release(owner: Callable[[], Inbox | None], slot: int) -> None:
    inbox = owner()
    if inbox is not None:
        inbox._leased.discard(slot)
        inbox._released.append(slot)


def _lay_out(sizes: Sequence[int]) -> list[int]:
    """Where each part ends when all start at aligned places, one after the other."""
    ends, at = [], 0
    for size in sizes:
        at = -(-at // _ALIGN) * _ALIGN + size
        ends.append(at)
    return ends


def _nameless_file(size: int) -> int:
    """The descriptor of a file in memory that no directory knows."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("isograd-batch", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
