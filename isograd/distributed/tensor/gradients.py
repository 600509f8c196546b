"""Gradients of replicated parameters: parts of sums, reduced in buckets, awaited when read.

The gradient of a parameter that every process holds comes as a part of a sum over the positions.
It stays one until somebody reads ``.grad``, so that gradients of several backward passes add up
without traffic. Which backward pass is the last before a read, or whether there will be none (the
discriminator's gradients while a generator learns), is learnt from what came before: after the
first rounds, a reduction starts as soon as a parameter's last gradient has come, bucket by bucket,
while the backward pass still runs. If the guess was wrong the parts are still there, and the sum is
taken again: a wrong guess costs traffic, never a bit of the result.

Source of the buckets: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel
Training", VLDB 2020, section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from weakref import ref

from isograd.autograd.engine import queue_callback
from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.tensor import sharded
from isograd.distributed.tensor.mesh import DeviceMesh
from isograd.distributed.tensor.sameness import Sameness
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.distributed.tree import tree_all_reduce, tree_fold

__all__ = ["GradientReducer", "next_fate", "reducer_of"]

_KIB = 1024
_REMEMBERED = 16  # fates of gradients
_PATIENCE = 4  # rounds that a gradient is waited with
_SMALLEST, _LARGEST = 64 * _KIB, 8192 * _KIB  # bytes of a bucket


class _Share:
    """Where a gradient's sum lies in its bucket."""

    __slots__ = ("bucket", "shape", "start")

    def __init__(self, bucket: _Bucket, start: int, shape: tuple[int, ...]) -> None:
        self.bucket, self.start, self.shape = bucket, start, shape

    def wait(self) -> Any:
        """The complete gradient, a view into the bucket."""
        total = self.bucket.total()
        return total[self.start : self.start + math.prod(self.shape)].reshape(self.shape)


class _Bucket:
    """Gradients whose sums travel as one array."""

    def __init__(self, mesh: DeviceMesh, arrays: list[ShardedArray]) -> None:
        xp = arrays[0].backend.xp
        flat = [
            xp.concatenate([a.pieces[k].reshape(-1) for a in arrays]) for k in range(mesh.count)
        ]
        comm = mesh.communicator
        start = 0
        for a in arrays:
            a.pending = _Share(self, start, a.shape)
            start += a.size
        self._flat: Any = None
        self._work: Any = None
        if comm is None:
            self._flat = tree_fold(flat)
        elif mesh.reproducible or mesh.positions != comm.size:
            self._work = tree_all_reduce(comm, flat, mesh.positions, async_op=True, out=flat[0])
        else:
            self._flat = flat[0]
            self._work = comm.all_reduce(self._flat, ReduceOp.SUM, async_op=True)

    def total(self) -> Any:
        """The sums, once they have come."""
        if self._work is not None:
            made = self._work.wait()
            if self._flat is None:
                self._flat = made
            self._work = None
        return self._flat


class _Habit:
    """How one parameter's gradient is used: its backward passes so far, and what to expect.

    Its fates are how many passes gradients before it had until they were read; less than 0 if they
    were set aside unread. The parameter is held while a gradient of it waits, so that which ones
    wait depends on what the script does alone, not on when memory is cleaned up; if others are read
    several times meanwhile, it is let go of.
    """

    __slots__ = ("array", "came", "fates", "known", "leaf", "offered", "passes", "round", "usual")

    def __init__(self, known: ref[Any]) -> None:
        self.known = known
        self.leaf: Any = None
        self.array: ShardedArray | None = None  # the one that is waiting for its reduction
        self.passes = 0
        self.fates: list[int] = []
        self.usual: int | None = None  # the fate to expect
        self.round = 0  # in which it was read last
        self.came = 0  # in which it came last
        self.offered = False  # reduced before anybody had ever asked for it

    def forget(self) -> None:
        self.array = self.leaf = None

    def end(self, was_read: bool) -> None:
        """The gradient is read, or gone; another one begins."""
        if self.passes:
            self.fates = [*self.fates[1 - _REMEMBERED :], self.passes if was_read else -self.passes]
            self.usual, self.passes = next_fate(self.fates), 0


def next_fate(fates: list[int]) -> int:
    """What came after the last time that the last few were as they are now; as many as can be."""
    last = len(fates) - 1
    if fates.count(fates[-1]) == len(fates):
        return fates[-1]
    alike = [0] * len(fates)  # how many fates up to each one are as the last ones
    for i in range(last):
        while alike[i] <= i and fates[i - alike[i]] == fates[last - alike[i]]:
            alike[i] += 1
    best = max(range(last), key=lambda i: (alike[i], i))
    return fates[best + 1] if alike[best] else fates[-1]


class GradientReducer:
    """Reduces the gradients of the parameters that a mesh's processes hold whole.

    Traffic: what one all-reduce of every gradient takes, once per read.
    """

    def __init__(self, mesh: DeviceMesh) -> None:
        self.mesh = mesh
        self._habits: dict[int, _Habit] = {}
        self._queue: list[ShardedArray] = []
        self._queued = 0  # bytes
        self._sent = 0  # bytes started in this backward pass
        self._limit = _SMALLEST
        self._armed = False
        self._round = 0  # reads of the same gradients
        self.sameness = Sameness(mesh)

    def landed(self, array: ShardedArray, leaf: Any) -> None:
        """A backward pass has added to the gradient of ``leaf``, which is ``array`` now."""
        habit = self._habits.get(id(leaf))
        if habit is None or habit.known() is not leaf:
            habit = self._habits[id(leaf)] = _Habit(ref(leaf, self._gone(id(leaf))))
        if habit.array is not array:
            habit.end(was_read=False)
        habit.passes += 1
        habit.array, habit.leaf, habit.came = array, leaf, self._round
        array.habit = habit
        if habit.passes != habit.usual:
            return
        if not self._armed:
            self._armed, self._sent = True, 0
            queue_callback(self._end_of_pass)
        if self._queue and self._queue[0].dtype != array.dtype:
            self._send()
        self._queue.append(array)
        self._queued += array.nbytes
        if self._queued >= self._limit:
            self._send()

    def _gone(self, key: int) -> Callable[[Any], None]:
        def forget(dead: Any) -> None:
            habit = self._habits.get(key)
            if habit is not None and habit.known is dead:
                del self._habits[key]

        return forget

    def read(self, array: ShardedArray) -> Any:
        """The complete gradient; what else waits to be read starts on its way, too."""
        habit: _Habit | None = array.habit
        if habit is None or habit.array is not array:
            return array.whole()
        if array.pending is None:
            self._send_waiting(habit)
        total = array.whole() if array.pending is None else array.pending.wait()
        if habit.round == self._round:  # the next time around
            self._round += 1
            waiting = [h for h in self._habits.values() if h.array is not None]
            if self.mesh.implicit:
                self.sameness.gradients_read([h.leaf for h in waiting])
            for old in waiting:
                if old.came < self._round - _PATIENCE and old is not habit:
                    old.forget()
        habit.round, habit.offered = self._round, False
        habit.end(was_read=True)
        habit.forget()
        array.habit = None
        return total

    def _send_waiting(self, wanted: _Habit) -> None:
        """Start what is likely to be read along with ``wanted``.

        A gradient that nobody has ever read is sent along once.
        """
        self._armed = False  # also after a backward pass that has failed
        self._send()
        for habit in list(self._habits.values()):
            array = habit.array
            if array is None:
                continue
            held = habit.leaf._grad
            if held is None or held._array is not array:
                habit.forget()
                continue
            if array.pending is not None or not array.layout.partial:
                continue
            unknown = habit.usual is None and not habit.offered
            if habit is wanted or unknown or habit.usual == habit.passes:
                habit.offered = True
                if self._queue and self._queue[0].dtype != array.dtype:
                    self._send()
                self._queue.append(array)
        self._send()

    def _send(self) -> None:
        if self._queue:
            self._sent += self._queued
            queue, self._queue, self._queued = self._queue, [], 0
            _Bucket(self.mesh, queue)

    def _end_of_pass(self) -> None:
        self._armed = False
        self._send()
        self._limit = min(_LARGEST, max(_SMALLEST, self._sent // 8))


def reducer_of(mesh: DeviceMesh) -> GradientReducer:
    """The mesh's reducer, made at first use."""
    if mesh.reducer is None:
        mesh.reducer = GradientReducer(mesh)
    found: GradientReducer = mesh.reducer
    return found


def _landed(array: ShardedArray, leaf: Any) -> None:
    mesh = array.layout.mesh
    if mesh.ndim == 1 and not isinstance(leaf._array, ShardedArray):
        reducer_of(mesh).landed(array, leaf)


def _read(array: ShardedArray) -> Any:
    mesh = array.layout.mesh
    return array.whole() if mesh.ndim > 1 else reducer_of(mesh).read(array)


sharded._landing[:] = [_landed, _read]
