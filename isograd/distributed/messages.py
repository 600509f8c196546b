"""torch.distributed's point-to-point functions on tensors. Traffic: the tensor's bytes, once."""

from collections.abc import Callable, Sequence
from typing import Any

from isograd.distributed.arguments import array_of, member_of, peer_rank, written
from isograd.distributed.group import ProcessGroup, resolve_group
from isograd.distributed.work import Work
from isograd.tensor.core import Tensor

__all__ = ["P2POp", "batch_isend_irecv", "irecv", "isend", "recv", "send"]

Group = ProcessGroup | None


def send(
    tensor: Tensor,
    dst: int | None = None,
    group: Group = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> None:
    """Send `tensor`; returns when it may be changed.

    Args:
        tensor: any dtype and strides.
        dst: global rank of the receiver, or `group_dst` its rank in the group.
        group: default the world.
        tag: 0 <= tag < 32768; matches the receiver's.

    Raises:
        CollectiveTimeoutError: nobody received within the group's timeout.
    """
    pg = member_of("send", group)
    if pg is not None:
        peer = peer_rank("send", pg, "dst", dst, group_dst)
        pg.communicator.send(array_of("send", tensor), peer, tag)


def recv(
    tensor: Tensor,
    src: int | None = None,
    group: Group = None,
    tag: int = 0,
    group_src: int | None = None,
) -> int:
    """Receive into `tensor` from `src`, or from anybody when no source is given.

    Returns:
        The global rank that sent; -1 on a rank outside the group.

    Raises:
        CollectiveMismatchError: the message has another dtype or number of elements.
    """
    pg = member_of("recv", group)
    if pg is None:
        return -1
    peer = _source("recv", pg, src, group_src)
    source = pg.communicator.recv(array_of("recv", tensor), peer, tag)
    written(tensor)
    return pg.ranks[source]


def isend(
    tensor: Tensor,
    dst: int | None = None,
    group: Group = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> Work | None:
    """Start sending; leave `tensor` alone until the Work is done."""
    pg = member_of("isend", group)
    if pg is None:
        return None
    peer = peer_rank("isend", pg, "dst", dst, group_dst)
    return pg.communicator.isend(array_of("isend", tensor), peer, tag)


def irecv(
    tensor: Tensor,
    src: int | None = None,
    group: Group = None,
    tag: int = 0,
    group_src: int | None = None,
) -> Work | None:
    """Start receiving, from anybody when no source is given; see `Work.source_rank`."""
    pg = member_of("irecv", group)
    if pg is None:
        return None
    peer = _source("irecv", pg, src, group_src)
    work = pg.communicator.irecv(array_of("irecv", tensor), peer, tag)
    written(tensor)
    return work


class P2POp:
    """One transfer of a batch.

    Args:
        op: `isend` or `irecv`.
        tensor: what to send, or where to receive.
        peer: global rank of the other side, or `group_peer` its rank in the group.
        group: default the world.
        tag: matches the other side's.
    """

    def __init__(
        self,
        op: Callable[..., Any],
        tensor: Tensor,
        peer: int | None = None,
        group: Group = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if op not in (isend, irecv):
            raise ValueError(f"P2POp: expected op to be isend or irecv, got {op!r}")
        pg = resolve_group("P2POp", group)
        if pg is None:
            raise ValueError("P2POp: this rank is not a member of the given group")
        self.op, self.tensor, self.group, self.tag = op, tensor, pg, tag
        self.group_peer = peer_rank("P2POp", pg, "peer", peer, group_peer)
        self.peer = pg.ranks[self.group_peer]


def batch_isend_irecv(p2p_op_list: Sequence[P2POp]) -> list[Work]:
    """Start several transfers of one group as one, in any order on any rank.

    Example:
        A ring: `batch_isend_irecv([P2POp(isend, x, right), P2POp(irecv, y, left)])`.
    """
    if not p2p_op_list or not all(isinstance(op, P2POp) for op in p2p_op_list):
        raise ValueError("batch_isend_irecv: expected a non-empty list of P2POp")
    pg = p2p_op_list[0].group
    if any(op.group is not pg for op in p2p_op_list):
        raise ValueError("batch_isend_irecv: all operations must use one group")
    calls = []
    for op in p2p_op_list:
        kind = "send" if op.op is isend else "recv"
        calls.append((kind, array_of("batch_isend_irecv", op.tensor), op.group_peer, op.tag))
        if kind == "recv":
            written(op.tensor)
    return pg.communicator.batch(calls)


def _source(name: str, pg: ProcessGroup, src: int | None, group_src: int | None) -> int | None:
    if src is None and group_src is None:
        return None
    return peer_rank(name, pg, "src", src, group_src)
