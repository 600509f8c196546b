"""A pretend `cupy` and `cupy.cuda.nccl` over host memory, to run the NCCL transport without a GPU.

Device arrays are a class of their own around NumPy arrays; the communicator works on raw pointers,
as NCCL does, and moves bytes between threads through a `Hub`. It checks what NCCL would punish:
unbalanced groups, calls from a destroyed communicator, unknown types.
"""

import ctypes
import itertools
import queue
import threading
import types
from typing import Any

import ml_dtypes
import numpy as np

from isograd.distributed.local import Hub, LocalRegistry
from isograd.distributed.reduce_op import ReduceOp, tree_reduce

TYPES = [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.float16, np.float32]
TYPES += [np.float64, ml_dtypes.bfloat16]
OPS = [ReduceOp.SUM, ReduceOp.PRODUCT, ReduceOp.MAX, ReduceOp.MIN, ReduceOp.AVG]


class Context:
    """A device or stream that can be entered and waited for."""

    id, ptr, done = 0, 77, True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> "Context":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def record(self, stream: Any = None) -> None:
        pass

    def wait_event(self, event: Any) -> None:
        pass

    def synchronize(self) -> None:
        pass


class DeviceArray:
    """The part of cupy.ndarray that the transports use."""

    device = Context()

    def __init__(self, array: np.ndarray) -> None:
        self.host = array

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)  # shape, dtype, size, nbytes, ndim, flags, itemsize

    @property
    def data(self) -> Any:
        return types.SimpleNamespace(ptr=self.host.ctypes.data)

    def __getitem__(self, key: Any) -> "DeviceArray":
        return DeviceArray(self.host[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.host[key] = value.host if isinstance(value, DeviceArray) else value

    def reshape(self, *shape: Any) -> "DeviceArray":
        return DeviceArray(self.host.reshape(*shape))

    def view(self, dtype: Any) -> "DeviceArray":
        return DeviceArray(self.host.view(dtype))

    def astype(self, dtype: Any, copy: bool = True) -> "DeviceArray":
        return DeviceArray(self.host.astype(dtype, copy=copy))

    def __truediv__(self, divisor: int) -> "DeviceArray":
        return DeviceArray(self.host / divisor)

    def get(self, out: Any = None) -> np.ndarray:
        if out is None:
            return self.host.copy()
        out[...] = self.host
        return out

    def set(self, value: np.ndarray) -> None:
        self.host[...] = value


def elementwise(ufunc: Any) -> Any:
    """A NumPy function as CuPy's: device arrays in, a device array out."""

    def function(x: DeviceArray, y: DeviceArray, out: DeviceArray | None = None) -> DeviceArray:
        if out is None:
            return DeviceArray(ufunc(x.host, y.host))
        ufunc(x.host, y.host, out=out.host)
        return out

    return function


def memory(pointer: int, count: int, kind: int) -> np.ndarray:
    dtype = np.dtype(TYPES[kind])
    raw = (ctypes.c_byte * (count * dtype.itemsize)).from_address(pointer)
    return np.frombuffer(raw, np.uint8).view(dtype)


class Nccl(types.ModuleType):
    """cupy.cuda.nccl."""

    available = True
    NcclError = RuntimeError

    def __init__(self) -> None:
        super().__init__("cupy.cuda.nccl")
        self.worlds: dict[tuple[int, ...], tuple[Hub, Any]] = {}
        self.identifiers = 0
        self.lock = threading.Lock()
        self.local = threading.local()
        module = self

        class NcclCommunicator(Communicator):
            nccl = module

        self.NcclCommunicator = NcclCommunicator

    def get_unique_id(self) -> tuple[int, ...]:
        with self.lock:
            self.identifiers += 1
            return tuple(-self.identifiers for _ in range(128))

    def groupStart(self) -> None:
        self.local.group = []

    def groupEnd(self) -> None:
        pending, self.local.group = self.local.group, None
        for late in (False, True):  # sends before receives
            for action, is_receive in pending:
                if is_receive == late:
                    action()


class Communicator:
    """cupy.cuda.nccl.NcclCommunicator."""

    nccl: Nccl

    def __init__(self, size: int, unique_id: tuple[int, ...], rank: int) -> None:
        with self.nccl.lock:
            if unique_id not in self.nccl.worlds:
                hub = Hub(LocalRegistry(size), range(size))
                pairs = itertools.product(range(size), range(size))
                self.nccl.worlds[unique_id] = hub, {pair: queue.Queue() for pair in pairs}
            self.hub, self.mail = self.nccl.worlds[unique_id]
        self.rank, self.size, self.alive = rank, size, True

    def _do(self, action: Any, is_receive: bool = False) -> None:
        assert self.alive
        group = getattr(self.nccl.local, "group", None)
        if group is None:
            action()
        else:
            group.append((action, is_receive))

    def _reduce(self, source: int, count: int, kind: int, op: int) -> np.ndarray:
        mine = memory(source, count, kind).copy()
        _, total = self.hub.meet(self.rank, mine, lambda all_: tree_reduce(all_, OPS[op]))
        return total

    def allReduce(self, send, recv, count, kind, op, stream) -> None:  # type: ignore[no-untyped-def]
        def action() -> None:
            memory(recv, count, kind)[...] = self._reduce(send, count, kind, op)

        self._do(action)

    def reduce(self, send, recv, count, kind, op, root, stream) -> None:  # type: ignore[no-untyped-def]
        def action() -> None:
            total = self._reduce(send, count, kind, op)
            if self.rank == root:
                memory(recv, count, kind)[...] = total

        self._do(action)

    def reduceScatter(self, send, recv, count, kind, op, stream) -> None:  # type: ignore[no-untyped-def]
        def action() -> None:
            total = self._reduce(send, count * self.size, kind, op)
            memory(recv, count, kind)[...] = total[self.rank * count : (self.rank + 1) * count]

        self._do(action)

    def broadcast(self, send, recv, count, kind, root, stream) -> None:  # type: ignore[no-untyped-def]
        def action() -> None:
            mine = memory(send, count, kind).copy()
            _, value = self.hub.meet(self.rank, mine, lambda all_: all_[root])
            memory(recv, count, kind)[...] = value

        self._do(action)

    def allGather(self, send, recv, count, kind, stream) -> None:  # type: ignore[no-untyped-def]
        def action() -> None:
            mine = memory(send, count, kind).copy()
            _, whole = self.hub.meet(self.rank, mine, np.concatenate)
            memory(recv, count * self.size, kind)[...] = whole

        self._do(action)

    def send(self, pointer, count, kind, peer, stream) -> None:  # type: ignore[no-untyped-def]
        def action() -> None:
            self.mail[self.rank, peer].put(memory(pointer, count, kind).copy())

        self._do(action)

    def recv(self, pointer, count, kind, peer, stream) -> None:  # type: ignore[no-untyped-def]
        def action() -> None:
            memory(pointer, count, kind)[...] = self.mail[peer, self.rank].get(timeout=20)

        self._do(action, is_receive=True)

    def destroy(self) -> None:
        self.alive = False

    abort = destroy


def fake_modules() -> dict[str, Any]:
    """`sys.modules` entries."""
    cupy, cuda, nccl = types.ModuleType("cupy"), types.ModuleType("cupy.cuda"), Nccl()
    cuda.Device = cuda.Stream = cuda.Event = Context  # type: ignore[attr-defined]
    cuda.get_current_stream = Context  # type: ignore[attr-defined]
    cuda.nccl = nccl  # type: ignore[attr-defined]
    cuda.runtime = types.SimpleNamespace(getDeviceCount=lambda: 1)  # type: ignore[attr-defined]
    cupy.cuda = cuda  # type: ignore[attr-defined]
    cupy.ascontiguousarray = lambda a: DeviceArray(np.ascontiguousarray(a.host))  # type: ignore[attr-defined]
    cupy.asarray = lambda a: DeviceArray(a)  # type: ignore[attr-defined]
    cupy.empty = lambda n, dtype: DeviceArray(np.empty(n, dtype))  # type: ignore[attr-defined]
    cupy.concatenate = lambda arrays: DeviceArray(np.concatenate([a.host for a in arrays]))  # type: ignore[attr-defined]
    for name in ("add", "multiply", "minimum", "maximum"):
        setattr(cupy, name, elementwise(getattr(np, name)))
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        setattr(cupy, name, elementwise(getattr(np, name)))
    cupyx = types.ModuleType("cupyx")
    cupyx.empty_pinned = lambda n, dtype: np.empty(n, dtype)  # type: ignore[attr-defined]
    return {"cupy": cupy, "cupy.cuda": cuda, "cupy.cuda.nccl": nccl, "cupyx": cupyx}
