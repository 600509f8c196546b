"""torch.distributed's collectives on tensors.

Every function works in place on plain tensors of any dtype and strides, host or device, takes a
`group` (default: the world) and returns None, or a `Work` when `async_op` is true. Ranks outside
the group get a warning and None. Roots are global ranks; `group_src` and `group_dst` are ranks of
the group. Traffic is given per rank, for n ranks and B bytes in the named tensor.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from isograd.distributed.arguments import array_of, arrays_of, member_of, peer_rank, written
from isograd.distributed.errors import CollectiveTimeoutError
from isograd.distributed.group import ProcessGroup
from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.staging import cupy, is_device
from isograd.distributed.work import ListWork, Work
from isograd.tensor.core import Tensor

__all__ = [
    "all_gather",
    "all_gather_into_tensor",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "broadcast",
    "gather",
    "monitored_barrier",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
]

Group = ProcessGroup | None


def all_reduce(
    tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Group = None, async_op: bool = False
) -> Work | None:
    """Reduce `tensor` over all ranks, in place. Traffic: 2 (n-1)/n B.

    float16 and bfloat16 host tensors are reduced in float32 and rounded once.

    Example:
        >>> from isograd.distributed import run_local
        >>> from isograd.tensor.core import Tensor
        >>> def program(rank):
        ...     t = Tensor([1.0, 2.0])
        ...     all_reduce(t)
        ...     return t.tolist()
        >>> run_local(2, program)
        [[2.0, 4.0], [2.0, 4.0]]
    """
    pg = member_of("all_reduce", group)
    if pg is None:
        return None
    work = pg.communicator.all_reduce(array_of("all_reduce", tensor), op, async_op)
    written(tensor)
    return work


def broadcast(
    tensor: Tensor,
    src: int | None = None,
    group: Group = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Copy the source's `tensor` to all ranks, in place. Traffic: B."""
    pg = member_of("broadcast", group)
    if pg is None:
        return None
    root = peer_rank("broadcast", pg, "src", src, group_src)
    work = pg.communicator.broadcast(array_of("broadcast", tensor), root, async_op)
    if pg.rank() != root:
        written(tensor)
    return work


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: ReduceOp = ReduceOp.SUM,
    group: Group = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Reduce into the destination's `tensor`; the others' keep their values. Traffic: B."""
    pg = member_of("reduce", group)
    if pg is None:
        return None
    root = peer_rank("reduce", pg, "dst", dst, group_dst)
    work = pg.communicator.reduce(array_of("reduce", tensor), root, op, async_op)
    if pg.rank() == root:
        written(tensor)
    return work


def all_gather(
    tensor_list: Sequence[Tensor], tensor: Tensor, group: Group = None, async_op: bool = False
) -> Work | None:
    """Fill `tensor_list[r]` with rank r's `tensor`. Traffic: (n-1) B.

    The tensors may differ in shape between ranks when each list says so.
    """
    pg = member_of("all_gather", group)
    if pg is None:
        return None
    part = array_of("all_gather", tensor)
    parts = arrays_of("all_gather", tensor_list, "tensor_list", pg.size())
    own = parts[pg.rank()].shape
    if own != part.shape:
        raise ValueError(
            f"all_gather: tensor_list[{pg.rank()}] has shape {tuple(own)}, but this rank's "
            f"tensor has {tuple(part.shape)}"
        )
    out = _empty(part, sum(int(p.size) for p in parts))
    splits = None if all(p.size == part.size for p in parts) else [int(p.size) for p in parts]
    work = pg.communicator.all_gather(out, _flat(part), splits, async_op)
    written(*tensor_list)
    return _then(work, lambda: _deal_out(out, parts))


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Group = None, async_op: bool = False
) -> Work | None:
    """Lay everybody's `input_tensor` end to end in `output_tensor`. Traffic: (n-1) B.

    Shape: input (s, ...), output (n s, ...) or (n, s, ...).
    """
    pg = member_of("all_gather_into_tensor", group)
    if pg is None:
        return None
    out = array_of("all_gather_into_tensor", output_tensor, "output_tensor")
    part = array_of("all_gather_into_tensor", input_tensor, "input_tensor")
    work = pg.communicator.all_gather(out, part, None, async_op)
    written(output_tensor)
    return work


def gather(
    tensor: Tensor,
    gather_list: Sequence[Tensor] | None = None,
    dst: int | None = None,
    group: Group = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Fill the destination's `gather_list[r]` with rank r's `tensor`. Traffic: B."""
    pg = member_of("gather", group)
    if pg is None:
        return None
    root = peer_rank("gather", pg, "dst", dst, group_dst, default=pg.ranks[0])
    part = array_of("gather", tensor)
    if pg.rank() != root:
        if gather_list:
            raise ValueError("gather: gather_list must be None on ranks other than dst")
        return pg.communicator.gather(part, None, root, None, async_op)
    parts = arrays_of("gather", gather_list or [], "gather_list", pg.size())
    out = _empty(part, part.size * pg.size())
    work = pg.communicator.gather(part, out, root, None, async_op)
    written(*(gather_list or []))
    return _then(work, lambda: _deal_out(out, parts))


def scatter(
    tensor: Tensor,
    scatter_list: Sequence[Tensor] | None = None,
    src: int | None = None,
    group: Group = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Give `scatter_list[r]` of the source to rank r's `tensor`. Traffic: (n-1) B from src."""
    pg = member_of("scatter", group)
    if pg is None:
        return None
    root = peer_rank("scatter", pg, "src", src, group_src, default=pg.ranks[0])
    out = array_of("scatter", tensor)
    whole = None
    if pg.rank() == root:
        whole = _concatenated(arrays_of("scatter", scatter_list or [], "scatter_list", pg.size()))
    elif scatter_list:
        raise ValueError("scatter: scatter_list must be None on ranks other than src")
    work = pg.communicator.scatter(out, whole, root, None, async_op)
    written(tensor)
    return work


def reduce_scatter(
    output: Tensor,
    input_list: Sequence[Tensor],
    op: ReduceOp = ReduceOp.SUM,
    group: Group = None,
    async_op: bool = False,
) -> Work | None:
    """Reduce `input_list[r]` of all ranks into rank r's `output`. Traffic: (n-1) B of output.

    The list's tensors may differ in shape, alike on all ranks.
    """
    pg = member_of("reduce_scatter", group)
    if pg is None:
        return None
    out = array_of("reduce_scatter", output, "output")
    parts = arrays_of("reduce_scatter", input_list, "input_list", pg.size())
    equal = all(p.size == out.size for p in parts)
    splits = None if equal else [int(p.size) for p in parts]
    flat = out if equal else _flat_view("reduce_scatter", out)
    work = pg.communicator.reduce_scatter(flat, _concatenated(parts), op, splits, async_op)
    written(output)
    return work


def reduce_scatter_tensor(
    output: Tensor,
    input: Tensor,
    op: ReduceOp = ReduceOp.SUM,
    group: Group = None,
    async_op: bool = False,
) -> Work | None:
    """Reduce `input` over all ranks and keep piece r on rank r. Traffic: (n-1)/n B of input.

    Shape: output (s, ...), input (n s, ...) or (n, s, ...).
    """
    pg = member_of("reduce_scatter_tensor", group)
    if pg is None:
        return None
    out = array_of("reduce_scatter_tensor", output, "output")
    whole = array_of("reduce_scatter_tensor", input, "input")
    work = pg.communicator.reduce_scatter(out, whole, op, None, async_op)
    written(output)
    return work


def all_to_all(
    output_tensor_list: Sequence[Tensor],
    input_tensor_list: Sequence[Tensor],
    group: Group = None,
    async_op: bool = False,
) -> Work | None:
    """Send `input_tensor_list[s]` to rank s, into its `output_tensor_list[own rank]`.

    Traffic: the bytes that go to others.
    """
    pg = member_of("all_to_all", group)
    if pg is None:
        return None
    outs = arrays_of("all_to_all", output_tensor_list, "output_tensor_list", pg.size())
    parts = arrays_of("all_to_all", input_tensor_list, "input_tensor_list", pg.size())
    out = _empty(outs[0], sum(int(p.size) for p in outs))
    out_splits, in_splits = [int(p.size) for p in outs], [int(p.size) for p in parts]
    work = pg.communicator.all_to_all(out, _concatenated(parts), out_splits, in_splits, async_op)
    written(*output_tensor_list)
    return _then(work, lambda: _deal_out(out, outs))


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: Group = None,
    async_op: bool = False,
) -> Work | None:
    """Cut `input` along dimension 0 and send piece s to rank s.

    Split sizes default to equal pieces. Traffic: the bytes that go to others.
    """
    pg = member_of("all_to_all_single", group)
    if pg is None:
        return None
    out = array_of("all_to_all_single", output, "output")
    whole = array_of("all_to_all_single", input, "input")
    work = pg.communicator.all_to_all(
        out, whole, output_split_sizes or None, input_split_sizes or None, async_op
    )
    written(output)
    return work


def barrier(
    group: Group = None,
    async_op: bool = False,
    device_ids: Sequence[int] | None = None,
    timeout: timedelta | None = None,
) -> Work | None:
    """Return when every rank has called it. Traffic: a fingerprint.

    Args:
        group: default the world.
        async_op: return a Work.
        device_ids: accepted for NCCL scripts; the barrier is on the host.
        timeout: for this barrier alone.
    """
    pg = member_of("barrier", group)
    if pg is None:
        return None
    if timeout is None:
        return pg.communicator.barrier(async_op)
    if async_op:
        raise ValueError("barrier: timeout with async_op is not supported; pass it to Work.wait")
    usual, pg.communicator.timeout = pg.communicator.timeout, timeout.total_seconds()
    try:
        return pg.communicator.barrier()
    finally:
        pg.communicator.timeout = usual


def monitored_barrier(
    group: Group = None, timeout: timedelta | None = None, wait_all_ranks: bool = False
) -> None:
    """A barrier that names the ranks that did not come, as every collective here does.

    Args:
        group: default the world.
        timeout: default the group's.
        wait_all_ranks: accepted; all missing ranks are always named.

    Raises:
        RuntimeError: (CollectiveTimeoutError) on every rank that came.
    """
    try:
        barrier(group, timeout=timeout)
    except CollectiveTimeoutError as error:
        raise CollectiveTimeoutError(f"monitored_barrier: {error}") from None


def _empty(like: Any, size: int) -> Any:
    """A flat array of `like`'s dtype on its device."""
    if is_device(like):
        with like.device:
            return cupy().empty(size, like.dtype)
    return np.empty(size, like.dtype)


def _flat(array: Any) -> Any:
    return array.reshape(-1)


def _flat_view(name: str, array: Any) -> Any:
    """A flat view; a copy would lose the result."""
    if not array.flags.c_contiguous:
        raise ValueError(f"{name}: pieces of unequal size expect a contiguous output tensor")
    return array.reshape(-1)


def _concatenated(parts: Sequence[Any]) -> Any:
    dtypes = {str(p.dtype) for p in parts}
    if len(dtypes) > 1:
        raise TypeError(f"expected tensors of one dtype in the list, got {sorted(dtypes)}")
    xp = cupy() if is_device(parts[0]) else np
    return xp.concatenate([p.reshape(-1) for p in parts])


def _deal_out(whole: Any, parts: Sequence[Any]) -> None:
    """Copy consecutive pieces of `whole` into `parts`."""
    start = 0
    for part in parts:
        part[...] = whole[start : start + part.size].reshape(part.shape)
        start += part.size


def _then(work: Work | None, finish: Any) -> Work | None:
    """Run `finish` after a synchronous operation, or when an asynchronous one is waited for."""
    if work is None:
        finish()
        return None
    return ListWork(work, finish)
