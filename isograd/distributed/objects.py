"""Collectives of Python objects, pickled. For the ranks of one job only.

Unpickling runs code, so these functions trust the other ranks as much as the program itself. Keep
to picklable objects of moderate size; arrays travel faster as tensors.
"""

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.distributed.arguments import member_of, peer_rank
from isograd.distributed.communicator import Communicator
from isograd.distributed.group import ProcessGroup

__all__ = [
    "all_gather_object",
    "broadcast_object_list",
    "gather_object",
    "recv_object_list",
    "scatter_object_list",
    "send_object_list",
]

Group = ProcessGroup | None


def all_gather_object(object_list: list[Any], obj: Any, group: Group = None) -> None:
    """Fill `object_list[r]` with rank r's `obj`. Traffic: (n-1) times its pickle."""
    pg = member_of("all_gather_object", group)
    if pg is None:
        return
    _check_list("all_gather_object", "object_list", object_list, pg.size())
    pickles = pg.communicator.exchange_bytes(pickle.dumps(obj))
    object_list[: pg.size()] = [pickle.loads(p) for p in pickles]


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Group = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """Copy the source's objects into everybody's list of the same length.

    `device` is accepted for NCCL scripts; objects travel through host memory.
    """
    pg = member_of("broadcast_object_list", group)
    if pg is None:
        return
    root = peer_rank("broadcast_object_list", pg, "src", src, group_src, default=pg.ranks[0])
    data = pickle.dumps(list(object_list)) if pg.rank() == root else b""
    received = pickle.loads(_broadcast_bytes(pg.communicator, data, root))
    _check_list("broadcast_object_list", "object_list", object_list, len(received))
    object_list[:] = received


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: Group = None,
    group_dst: int | None = None,
) -> None:
    """Fill the destination's list with everybody's `obj`. Traffic: its pickle."""
    pg = member_of("gather_object", group)
    if pg is None:
        return
    root = peer_rank("gather_object", pg, "dst", dst, group_dst, default=pg.ranks[0])
    part = np.frombuffer(pickle.dumps(obj), np.uint8)
    sizes = np.empty(pg.size(), np.int64)
    pg.communicator.all_gather(sizes, np.array([part.size], np.int64))
    at_root = pg.rank() == root
    out = np.empty(int(sizes.sum()), np.uint8) if at_root else None
    splits = [int(n) for n in sizes]
    pg.communicator.gather(part, out, root, splits)
    if out is not None:
        _check_list("gather_object", "object_gather_list", object_gather_list, pg.size())
        pieces = np.split(out, np.cumsum(sizes)[:-1])
        if object_gather_list is not None:
            object_gather_list[: pg.size()] = [pickle.loads(p.tobytes()) for p in pieces]


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: Sequence[Any] | None = None,
    src: int | None = None,
    group: Group = None,
    group_src: int | None = None,
) -> None:
    """Put object r of the source's list first into rank r's output list."""
    pg = member_of("scatter_object_list", group)
    if pg is None:
        return
    if not scatter_object_output_list:
        raise ValueError("scatter_object_list: expected an output list of at least one element")
    root = peer_rank("scatter_object_list", pg, "src", src, group_src, default=pg.ranks[0])
    sizes = np.zeros(pg.size(), np.int64)
    whole = None
    if pg.rank() == root:
        objects = scatter_object_input_list
        _check_list("scatter_object_list", "scatter_object_input_list", objects, pg.size())
        pickles = [pickle.dumps(o) for o in objects or ()]
        sizes[:] = [len(p) for p in pickles]
        whole = np.frombuffer(b"".join(pickles), np.uint8)
    pg.communicator.broadcast(sizes, root)
    out = np.empty(int(sizes[pg.rank()]), np.uint8)
    pg.communicator.scatter(out, whole, root, [int(n) for n in sizes])
    scatter_object_output_list[0] = pickle.loads(out.tobytes())


def send_object_list(
    object_list: Sequence[Any],
    dst: int | None = None,
    group: Group = None,
    device: Any = None,
    group_dst: int | None = None,
    use_batch: bool = False,
) -> None:
    """Send objects to one rank; `device` and `use_batch` are accepted, see the module."""
    pg = member_of("send_object_list", group)
    if pg is None:
        return
    peer = peer_rank("send_object_list", pg, "dst", dst, group_dst)
    data = np.frombuffer(pickle.dumps(list(object_list)), np.uint8)
    pg.communicator.send(np.array([data.size], np.int64), peer)
    pg.communicator.send(data, peer)


def recv_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Group = None,
    device: Any = None,
    group_src: int | None = None,
    use_batch: bool = False,
) -> int:
    """Receive objects into a list of the same length, from anybody when no source is given.

    Returns:
        The global rank that sent; -1 on a rank outside the group.
    """
    pg = member_of("recv_object_list", group)
    if pg is None:
        return -1
    anybody = src is None and group_src is None
    peer = None if anybody else peer_rank("recv_object_list", pg, "src", src, group_src)
    size = np.empty(1, np.int64)
    source = pg.communicator.recv(size, peer)
    data = np.empty(int(size[0]), np.uint8)
    pg.communicator.recv(data, source)
    received = pickle.loads(data.tobytes())
    _check_list("recv_object_list", "object_list", object_list, len(received))
    object_list[:] = received
    return pg.ranks[source]


def _broadcast_bytes(communicator: Communicator, data: bytes, root: int) -> bytes:
    size = np.array([len(data)], np.int64)
    communicator.broadcast(size, root)
    at_root = communicator.rank == root
    buffer = np.frombuffer(data, np.uint8) if at_root else np.empty(int(size[0]), np.uint8)
    communicator.broadcast(buffer, root)
    return buffer.tobytes()


def _check_list(name: str, role: str, objects: Sequence[Any] | None, count: int) -> None:
    if objects is None or len(objects) != count:
        got = None if objects is None else len(objects)
        raise ValueError(f"{name}: expected {role} of length {count}, got {got}")
