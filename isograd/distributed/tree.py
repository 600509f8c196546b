"""Reductions over V mesh positions along one fixed binary tree: the same bits on any W processes.

The tree depends on V alone: the node over the positions [lo, hi) is the reduction of its two
halves, cut at lo + the largest power of two below hi - lo. A rank owns a contiguous run of
positions. It reduces the few maximal nodes that lie in its run by itself; then the ranks exchange
slices of these nodes, each reduces its own slice up to the root, and the slices are gathered; large
arrays go chunk by chunk. So the order of additions never depends on who owns what. When V and W
are powers of two, and whenever V = W, a rank has one node and moves the bytes of a ring all-reduce.

float16 and bfloat16 are reduced in float32 and rounded once at the root. Slices begin at multiples
of 64 elements, because NumPy's vector loop and its remainder differ in which NaN of two they keep.

Source: Thakur, Rabenseifner & Gropp, "Optimization of Collective Communication Operations in
MPICH", 2005, section 4.5 (reduce-scatter, then all-gather).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from isograd.data.view import shares
from isograd.distributed.communicator import Communicator
from isograd.distributed.fingerprint import Signature, dtype_name
from isograd.distributed.reduce_op import ReduceOp, check_reduce
from isograd.distributed.staging import is_device
from isograd.distributed.transport import Transport
from isograd.distributed.tree_plan import Array, fold_root, plan_for, xp_of
from isograd.distributed.work import Work

__all__ = ["TreeWork", "tree_all_reduce", "tree_fold"]


class TreeWork:
    """The handle of a `tree_all_reduce` that may still be running."""

    def __init__(self, total: Array, work: Work | None = None) -> None:
        self._total = total
        self._work = work

    def wait(self, timeout: timedelta | float | None = None) -> Array:
        """Block until done; the total, the same array at every call.

        Raises:
            CollectiveTimeoutError: after `timeout`.
            DistError: whatever the operation raised.
        """
        if self._work is not None:
            self._work.wait(timeout)
            self._work = None  # lets go of what was sent
        return self._total

    def is_completed(self) -> bool:
        """True when `wait` would not block."""
        return self._work is None or self._work.is_completed()


def tree_fold(
    values: Sequence[Array], op: ReduceOp = ReduceOp.SUM, out: Array | None = None
) -> Array:
    """Reduce V arrays of one process along the fixed tree.

    Args:
        values: arrays of one shape and dtype, at least one; left as they are.
        op: the reduction; AVG divides by V at the end.
        out: a contiguous array for the result, new without; may be one of `values`.

    Returns:
        `out`, or a new array of that shape and dtype.

    Example:
        >>> tree_fold([np.full(2, float(v)) for v in range(4)])
        array([6., 6.])
    """
    _check_parts("tree_fold", values, len(values), op)
    total = _room("tree_fold", values[0], out)
    with _device(total):
        flats = {(v, v + 1): value.reshape(-1) for v, value in enumerate(values)}
        fold_root(total.reshape(-1), flats, len(values), op)
    return total


def tree_all_reduce(
    comm: Communicator,
    parts: Sequence[Array],
    positions: int,
    op: ReduceOp = ReduceOp.SUM,
    async_op: bool = False,
    out: Array | None = None,
) -> TreeWork:
    """Reduce one array per mesh position over all positions of all ranks.

    One collective of the group, with one fingerprint: it takes its place among the group's other
    calls when it is issued, and runs in the group's progress thread when asynchronous. Leave
    `parts` alone until `TreeWork.wait()`. Traffic with one node a rank: 2(W-1)/W of an array's
    bytes per rank. Memory beside the total: slices of at most `HOST_SLICE` bytes.

    Args:
        parts: the arrays of this rank's positions, of one shape and dtype on all ranks; this rank
            owns the run of positions that `shares(positions, comm.size)` gives. Left as they are.
        positions: V, at least the number of ranks W.
        op: the reduction; AVG divides by V at the end.
        async_op: return before the others have come.
        out: a contiguous array for the total, new without; may be one of `parts`. Memory that is
            used again is much faster than new memory.

    Returns:
        A work whose `wait()` gives the total: `out` or a new array, with the bits of `tree_fold`
        over all V arrays.

    Raises:
        ValueError: fewer positions than ranks, or parts that are not this rank's.
        CollectiveMismatchError: on all ranks, when they disagree on the call.
    """
    name = "tree_all_reduce"
    if positions < comm.size:
        raise ValueError(
            f"{name}: expected at least one position for each of the {comm.size} ranks of group "
            f"{comm.name!r}, got positions={positions}; use more positions or fewer ranks"
        )
    _check_parts(name, parts, shares(positions, comm.size)[comm.rank], op)
    if comm.size == 1:
        return TreeWork(tree_fold(parts, op, out))
    total = _room(name, parts[0], out)
    plan = plan_for(positions, comm.size, total)

    def body(transport: Transport) -> None:
        plan.exchange(transport, parts, total, op)

    detail = f"positions={positions}" + (" on a device" if is_device(total) else "")
    signature = Signature(name, dtype_name(total.dtype), total.shape, op.name, detail=detail)
    work = comm.compose(signature, body, (*parts, total), async_op, plan.traffic(comm.rank))
    return TreeWork(total, work)


def _room(name: str, like: Array, out: Array | None) -> Array:
    """Where the result goes."""
    if out is None:
        with _device(like):
            return xp_of(like).empty(like.shape, like.dtype)
    if out.shape != like.shape or out.dtype != like.dtype or not out.flags.c_contiguous:
        raise ValueError(
            f"{name}: expected out to be a contiguous array of {like.dtype} {tuple(like.shape)}, "
            f"got {out.dtype} {tuple(out.shape)} with strides {tuple(out.strides)}"
        )
    return out


def _device(array: Array) -> AbstractContextManager[Any]:
    """Makes the device of `array` the current one."""
    where: AbstractContextManager[Any] = array.device if is_device(array) else nullcontext()
    return where


def _check_parts(name: str, parts: Sequence[Array], count: int, op: ReduceOp) -> None:
    if len(parts) != count or count == 0:
        raise ValueError(
            f"{name}: expected {max(count, 1)} arrays, one per position, got {len(parts)}"
        )
    first = parts[0]
    check_reduce(name, first.dtype, op)
    for part in parts:
        if part.shape != first.shape or part.dtype != first.dtype:
            raise ValueError(
                f"{name}: expected arrays of one shape and dtype, got {first.dtype} "
                f"{tuple(first.shape)} and {part.dtype} {tuple(part.shape)}"
            )
