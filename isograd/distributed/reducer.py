"""The reducer: gradients in buckets, averaged over the ranks while the backward pass still runs.

Parameters are put into buckets in reverse order of registration, roughly the order in which their
gradients come. When the last gradient of a bucket has come, and all earlier buckets are on their
way, the bucket's sum is started; the end of the backward pass waits for all. A bucket is one flat
array; a parameter's ``.grad`` becomes a view into it, so nothing is copied back.

Each bucket carries one extra element: how many of its gradients a rank did *not* have. Its sum
tells every rank of a gradient missing anywhere, without another collective, so that the error is
raised on all ranks and none hangs.

Source: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training",
VLDB 2020, section 3.2 (buckets, order, overlap).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.autograd.engine import queue_callback
from isograd.distributed.group import ProcessGroup
from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.work import Work
from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap

__all__ = ["Bucket", "Reducer", "plan_buckets"]

MIB = 1 << 20


def plan_buckets(params: Sequence[Tensor], first_bytes: int, cap_bytes: int) -> list[list[int]]:
    """Indices of parameters per bucket: last parameters first, one dtype and device per bucket.

    Args:
        first_bytes: limit of the first bucket, small so that communication starts early.
        cap_bytes: limit of the others; a parameter larger than that has a bucket of its own.
    """
    buckets: list[list[int]] = []
    open_ones: dict[Any, tuple[list[int], int]] = {}
    for i in reversed(range(len(params))):
        p = params[i]
        key = (p.dtype.name, str(p.device))
        members, used = open_ones.get(key, ([], 0))
        limit = cap_bytes if buckets else first_bytes
        if members and used + p.nbytes > limit:
            buckets.append(members)
            members, used = [], 0
        open_ones[key] = ([*members, i], used + p.nbytes)
    return buckets + [members for members, _ in open_ones.values()]


def _references() -> int:
    """What `sys.getrefcount` says of an object that only a list and a variable hold."""
    held = [object()]
    one = held[0]
    return sys.getrefcount(one)


_NOBODY = _references()


class Bucket:
    """Some parameters' gradients in one flat array, and how far they are.

    ``flat`` has one element more than the gradients: the count of missing ones.
    """

    def __init__(self, indices: list[int], params: Sequence[Tensor]) -> None:
        self.indices = indices
        self.params = [params[i] for i in indices]
        self._allocate()
        self.pending = set(range(len(indices)))
        self.missing: list[int] = []
        self.work: Work | None = None

    def _allocate(self) -> None:
        first = self.params[0]._array
        xp = backend_of(first).xp
        sizes = [p.numel() for p in self.params]
        self.flat = xp.zeros(sum(sizes) + 1, first.dtype)
        ends = np.cumsum(sizes)
        self.views = [
            self.flat[end - n : end].reshape(p._array.shape)
            for p, n, end in zip(self.params, sizes, ends, strict=True)
        ]

    def leave_held(self) -> None:
        """New memory, if somebody still holds the gradients of an earlier backward pass."""
        for slot, p in enumerate(self.params):
            view = self.views[slot]
            own = p._grad is not None and p._grad._array is view
            if not own and sys.getrefcount(view) > _NOBODY:
                self._allocate()
                return

    def count_missing(self) -> float:
        """After the sum: how many gradients were missing, over all ranks."""
        return float(self.flat[-1].real)

    def reset(self) -> None:
        """Ready for the next backward pass."""
        self.pending = set(range(len(self.indices)))
        self.missing = []
        self.work = None

    def take(self, slot: int, scale: float) -> None:
        """Put a parameter's gradient, times ``scale``, into its place; ``.grad`` looks into it."""
        view, grad = self.views[slot], self.params[slot]._grad
        if grad is None:
            view[...] = 0
            return
        array = grad._array
        if scale == 1.0:
            if array is not view:
                view[...] = array
        else:
            xp = backend_of(view).xp
            xp.multiply(array, view.dtype.type(scale), out=view)
        grad._array = view
        grad._share_version()
        grad._bump()


class Reducer:
    """Averages the gradients of ``params`` over ``group`` during each backward pass.

    Args:
        names: the parameters' names, for messages.
        allow_unused: parameters that took no part in the loss keep their gradient if no rank used
            them, and count as zero on the ranks that did not.
        keep_views: ``.grad`` stays a view into the bucket; otherwise it gets memory of its own.
    """

    def __init__(
        self,
        params: Sequence[Tensor],
        names: Sequence[str],
        group: ProcessGroup,
        *,
        bucket_cap_mb: float = 25.0,
        first_bucket_mb: float = 1.0,
        allow_unused: bool = False,
        keep_views: bool = True,
    ) -> None:
        self.params, self.names, self.group = list(params), list(names), group
        self.allow_unused, self.keep_views = allow_unused, keep_views
        self.enabled = True
        self.divisor = float(group.size())
        first = min(first_bucket_mb, bucket_cap_mb)
        plan = plan_buckets(self.params, int(first * MIB), int(bucket_cap_mb * MIB))
        self.buckets = [Bucket(indices, self.params) for indices in plan]
        self._slot = {
            i: (bucket, slot) for bucket in self.buckets for slot, i in enumerate(bucket.indices)
        }
        self._next = 0  # the first bucket that is not on its way
        self._running = False
        self._unused: set[int] | None = None  # by every forward pass since the last backward
        self._handles = [
            p.register_post_accumulate_grad_hook(self._hook(i)) for i, p in enumerate(self.params)
        ]

    def _hook(self, index: int) -> Any:
        def ready(param: Tensor) -> None:
            if self.enabled:
                self._ready(index)

        return ready

    def _ready(self, index: int) -> None:
        if not self._running:
            self._begin()
        bucket, slot = self._slot[index]
        if slot not in bucket.pending:
            raise RuntimeError(
                f"DistributedDataParallel: the gradient of parameter {self.names[index]!r} came "
                "twice in one backward pass (rank "
                f"{self.group.rank()}). A parameter used in several re-entrant backward passes, "
                "such as reentrant checkpoints, is not supported: use "
                "checkpoint(..., use_reentrant=False)"
            )
        bucket.take(slot, 1.0 / self.divisor)
        bucket.pending.discard(slot)
        self._launch_ready()

    def _begin(self) -> None:
        """At the first gradient of a backward pass."""
        self._running = True
        queue_callback(self._finish)
        for bucket in self.buckets:
            bucket.leave_held()
        for i in sorted(self._unused or ()):
            self._take_missing(*self._slot[i])

    def mark_unused(self, indices: Sequence[int]) -> None:
        """After a forward pass: these parameters took no part in it.

        What no forward pass since the last backward pass used will get no gradient; it counts as
        missing as soon as the next one begins.
        """
        self._unused = set(indices) if self._unused is None else self._unused & set(indices)

    def _take_missing(self, bucket: Bucket, slot: int) -> None:
        if slot in bucket.pending:
            bucket.pending.discard(slot)
            bucket.missing.append(slot)
            bucket.take(slot, 1.0 / self.divisor)

    def _launch_ready(self) -> None:
        """Start buckets in their order, which is the same on all ranks."""
        while self._next < len(self.buckets) and not self.buckets[self._next].pending:
            self.launch(self.buckets[self._next])
            self._next += 1

    def launch(self, bucket: Bucket) -> None:
        """Start the sum of one bucket."""
        bucket.flat[-1] = len(bucket.missing)
        bucket.work = self.group.communicator.all_reduce(bucket.flat, ReduceOp.SUM, async_op=True)

    def _finish(self) -> None:
        """At the end of the backward pass: start what is left, wait for all."""
        try:
            for bucket in self.buckets:
                for slot in sorted(bucket.pending):
                    self._take_missing(bucket, slot)
            self._launch_ready()
            used = self._used_anywhere() if self.allow_unused else None
            for bucket in self.buckets:
                if bucket.work is not None:
                    bucket.work.wait()
            absent = [b for b in self.buckets if b.count_missing() > 0]
            if absent and used is None:
                raise RuntimeError(self._missing_message(absent))
            self._hand_out(used)
        finally:
            self.reset()

    def reset(self) -> None:
        """Forget a backward pass, also one that failed half way."""
        for bucket in self.buckets:
            bucket.reset()
        self._next = 0
        self._running = False
        self._unused = None

    def abandon(self) -> None:
        """Before a forward pass: if the last backward pass failed, wait for what it started."""
        if self._running:
            try:
                for bucket in self.buckets:
                    if bucket.work is not None:
                        bucket.work.wait()
            finally:
                self.reset()

    def _used_anywhere(self) -> Any:
        """Per parameter, on how many ranks it got a gradient. Traffic: 2 (n-1)/n * 4 bytes each."""
        flags = np.ones(len(self.params), np.int32)
        for bucket in self.buckets:
            for slot in bucket.missing:
                flags[bucket.indices[slot]] = 0
        self.group.communicator.all_reduce(flags, ReduceOp.SUM)
        return flags

    def _hand_out(self, used: Any) -> None:
        for bucket in self.buckets:
            for slot, (i, p) in enumerate(zip(bucket.indices, bucket.params, strict=True)):
                if used is not None and not used[i]:
                    if p._grad is not None and p._grad._array is bucket.views[slot]:
                        p._grad._array = bucket.views[slot] * bucket.flat.dtype.type(
                            self.divisor / self.group.size()
                        )
                    continue
                view = bucket.views[slot]
                if p._grad is None:
                    p._grad = wrap(view)
                    p._grad._share_version()
                if not self.keep_views:
                    p._grad._array = view.copy()
                p._grad._bump()

    def _missing_message(self, absent: list[Bucket]) -> str:
        mine = [self.names[b.indices[s]] for b in absent for s in b.missing]
        here = f"on this rank: {', '.join(mine)}" if mine else "on another rank, not on this one"
        return (
            f"DistributedDataParallel (rank {self.group.rank()}, group {self.group.group_name}): "
            f"some parameters got no gradient in this backward pass, {here}. If parameters may be "
            "unused, pass find_unused_parameters=True; if that is not meant, make every output of "
            "forward() take part in the loss."
        )

    # -- for ranks that have run out of inputs

    def shadow(self) -> None:
        """Take part in the sums of one backward pass of the others with zeros."""
        for bucket in self.buckets:
            bucket.leave_held()
            bucket.flat[...] = 0
            bucket.work = self.group.communicator.all_reduce(
                bucket.flat, ReduceOp.SUM, async_op=True
            )
        if self.allow_unused:
            flags = np.zeros(len(self.params), np.int32)
            self.group.communicator.all_reduce(flags, ReduceOp.SUM)
        for bucket in self.buckets:
            if bucket.work is not None:
                bucket.work.wait()
        self._hand_out(None)
        self.reset()
