"""CheckedCommunicator: the Communicator over any Transport.

Each collective here does four things: validate this rank's arguments, state its signature, stage
the arrays into flat buffers, and name the transport call. The rest is the `Conductor`'s.
"""

import math
from collections.abc import Sequence
from typing import Any

from isograd.distributed.errors import CollectiveMismatchError
from isograd.distributed.fingerprint import Signature, dtype_name
from isograd.distributed.point_to_point import PointToPoint
from isograd.distributed.reduce_op import ReduceOp, check_reduce
from isograd.distributed.work import Work

__all__ = ["CheckedCommunicator"]


class CheckedCommunicator(PointToPoint):
    """See `Communicator` for what each method means.

    Example:
        >>> import numpy as np
        >>> from isograd.distributed.local import run_communicators
        >>> def program(comm):
        ...     x = np.full(3, comm.rank + 1.0)
        ...     comm.all_reduce(x)
        ...     return x.tolist()
        >>> run_communicators(2, program)
        [[3.0, 3.0, 3.0], [3.0, 3.0, 3.0]]
    """

    @property
    def backend(self) -> str:
        """ "local", "mpi" or "nccl"."""
        return self._transport.backend

    def all_reduce(
        self, array: Any, op: ReduceOp = ReduceOp.SUM, async_op: bool = False
    ) -> Work | None:
        """Reduce over all ranks, in place."""
        check_reduce("all_reduce", array.dtype, op)

        def body() -> None:
            buffer = self._transport.stage(array, fill=True)
            self._transport.all_reduce(buffer, op)
            self._transport.unstage(buffer, array)

        signature = Signature("all_reduce", dtype_name(array.dtype), array.shape, op.name)
        moved = 2 * array.nbytes * (self.size - 1) // self.size
        return self._issue(signature, body, (array,), async_op, (moved, moved))

    def broadcast(self, array: Any, root: int, async_op: bool = False) -> Work | None:
        """Copy the root's array to everybody."""
        self._check_rank("broadcast", "root", root)

        def body() -> None:
            buffer = self._transport.stage(array, fill=self.rank == root)
            self._transport.broadcast(buffer, root)
            if self.rank != root:
                self._transport.unstage(buffer, array)

        signature = Signature("broadcast", dtype_name(array.dtype), array.shape, root=root)
        last = (self.rank - root) % self.size == self.size - 1
        sent = 0 if last else array.nbytes
        received = 0 if self.rank == root else array.nbytes
        return self._issue(signature, body, (array,), async_op, (sent, received))

    def reduce(
        self, array: Any, root: int, op: ReduceOp = ReduceOp.SUM, async_op: bool = False
    ) -> Work | None:
        """Reduce into the root's array."""
        self._check_rank("reduce", "root", root)
        check_reduce("reduce", array.dtype, op)

        def body() -> None:
            buffer = self._transport.stage(array, fill=True)
            self._transport.reduce(buffer, root, op)
            if self.rank == root:
                self._transport.unstage(buffer, array)

        signature = Signature("reduce", dtype_name(array.dtype), array.shape, op.name, root)
        last = (self.rank - root) % self.size == self.size - 1
        sent = 0 if self.rank == root else array.nbytes
        return self._issue(signature, body, (array,), async_op, (sent, 0 if last else array.nbytes))

    def all_gather(
        self,
        out: Any,
        part: Any,
        splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Lay everybody's part end to end in `out`."""
        counts = self._counts("all_gather", "out", out, part, splits)

        def body() -> None:
            source = self._transport.stage(part, fill=True)
            buffer = self._transport.stage(out, fill=False)
            self._transport.all_gather(buffer, source, counts)
            self._transport.unstage(buffer, out)

        signature = self._parts_signature("all_gather", part, splits)
        traffic = ((self.size - 1) * part.nbytes, out.nbytes - part.nbytes)
        return self._issue(signature, body, (out, part), async_op, traffic)

    def gather(
        self,
        part: Any,
        out: Any | None,
        root: int,
        splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Lay everybody's part end to end in the root's `out`."""
        self._check_rank("gather", "root", root)
        at_root = self.rank == root
        self._check_root_only("gather", "out", out, at_root, root)
        counts = self._counts("gather", "out", out, part, splits)

        def body() -> None:
            source = self._transport.stage(part, fill=True)
            buffer = None if out is None else self._transport.stage(out, fill=False)
            self._transport.gather(source, buffer, counts, root)
            if out is not None:
                self._transport.unstage(buffer, out)

        signature = self._parts_signature("gather", part, splits, root)
        traffic = (0, out.nbytes - part.nbytes) if out is not None else (part.nbytes, 0)
        arrays = (part,) if out is None else (part, out)
        return self._issue(signature, body, arrays, async_op, traffic)

    def scatter(
        self,
        out: Any,
        parts: Any | None,
        root: int,
        splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Hand piece r of the root's `parts` to rank r."""
        self._check_rank("scatter", "root", root)
        at_root = self.rank == root
        self._check_root_only("scatter", "parts", parts, at_root, root)
        counts = self._counts("scatter", "parts", parts, out, splits)

        def body() -> None:
            source = None if parts is None else self._transport.stage(parts, fill=True)
            buffer = self._transport.stage(out, fill=False)
            self._transport.scatter(buffer, source, counts, root)
            self._transport.unstage(buffer, out)

        signature = self._parts_signature("scatter", out, splits, root)
        traffic = (parts.nbytes - out.nbytes, 0) if parts is not None else (0, out.nbytes)
        arrays = (out,) if parts is None else (out, parts)
        return self._issue(signature, body, arrays, async_op, traffic)

    def reduce_scatter(
        self,
        out: Any,
        parts: Any,
        op: ReduceOp = ReduceOp.SUM,
        splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Reduce `parts` over all ranks and keep piece r on rank r."""
        check_reduce("reduce_scatter", out.dtype, op)
        counts = self._counts("reduce_scatter", "parts", parts, out, splits)

        def body() -> None:
            source = self._transport.stage(parts, fill=True)
            buffer = self._transport.stage(out, fill=False)
            self._transport.reduce_scatter(buffer, source, counts, op)
            self._transport.unstage(buffer, out)

        signature = self._parts_signature("reduce_scatter", out, splits, reduce=op.name)
        traffic = (parts.nbytes - out.nbytes, (self.size - 1) * out.nbytes)
        return self._issue(signature, body, (out, parts), async_op, traffic)

    def all_to_all(
        self,
        out: Any,
        parts: Any,
        out_splits: Sequence[int] | None = None,
        in_splits: Sequence[int] | None = None,
        async_op: bool = False,
    ) -> Work | None:
        """Send piece s of `parts` to rank s; piece r of `out` comes from rank r."""
        self._check_same_dtype("all_to_all", out, parts)
        equal = out_splits is None and in_splits is None
        in_counts = self._side_counts("all_to_all", "parts", parts, in_splits)
        out_counts = self._side_counts("all_to_all", "out", out, out_splits)

        def body() -> None:
            largest = parts.size if equal else self._agree_on_splits(out_counts, in_counts)
            source = self._transport.stage(parts, fill=True)
            buffer = self._transport.stage(out, fill=False)
            self._transport.all_to_all(buffer, source, out_counts, in_counts, equal, largest)
            self._transport.unstage(buffer, out)

        shape = parts.shape if equal else parts.shape[1:]
        detail = "" if equal else "uneven"
        signature = Signature("all_to_all", dtype_name(parts.dtype), shape, detail=detail)
        width, me = parts.itemsize, self.rank
        traffic = (
            parts.nbytes - in_counts[me] * width,
            out.nbytes - out_counts[me] * width,
        )
        return self._issue(signature, body, (out, parts), async_op, traffic)

    def barrier(self, async_op: bool = False) -> Work | None:
        """Return when every rank has called it."""

        def body() -> None:
            if not self._checking and self.size > 1:  # comparing fingerprints is a barrier
                self._transport.exchange_bytes(b"")

        return self._issue(Signature("barrier"), body, (), async_op)

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """All-gather byte strings of any length."""
        answers: list[bytes] = []

        def body() -> None:
            answers.extend(self._transport.exchange_bytes(data) if self.size > 1 else [data])

        self._issue(Signature("exchange_bytes"), body)
        return answers

    def split(self, ranks: Sequence[int], name: str) -> "CheckedCommunicator | None":
        """A communicator over `ranks` of this group."""
        for rank in ranks:
            self._check_rank("split", "ranks", rank)
        if len(set(ranks)) != len(ranks) or not ranks:
            raise ValueError(f"split: expected distinct ranks, at least one, got {list(ranks)}")
        made: list[Any] = []

        def body() -> None:
            made.append(self._transport.split(ranks, name))

        self._issue(Signature("new_group", detail=f"ranks={list(ranks)}, name={name!r}"), body)
        if made[0] is None:
            return None
        global_ranks = [self._ranks[r] for r in ranks]
        child = type(self)(made[0], global_ranks, self.timeout)
        child.tracing = self.tracing
        return child

    # validation

    def _check_same_dtype(self, name: str, whole: Any, part: Any) -> None:
        if whole.dtype != part.dtype:
            raise TypeError(
                f"{name}: input and output must have one dtype, got {part.dtype} and {whole.dtype}"
            )

    def _check_root_only(
        self, name: str, role: str, array: Any | None, at_root: bool, root: int
    ) -> None:
        if at_root == (array is None):
            need = "an array" if at_root else "None"
            raise ValueError(
                f"{name}: rank {self.rank} expects {need} as {role}; only root {root} has one"
            )

    def _counts(
        self, name: str, role: str, whole: Any | None, part: Any, splits: Sequence[int] | None
    ) -> list[int]:
        """Elements per rank of the array that is laid out by rank, checked against this part."""
        if whole is not None:
            self._check_same_dtype(name, whole, part)
        if splits is None:
            counts = [int(part.size)] * self.size
        else:
            row = math.prod(part.shape[1:])
            counts = [int(s) * row for s in splits]
        if len(counts) != self.size or counts[self.rank] != part.size:
            raise ValueError(
                f"{name}: splits {splits} do not fit a part of shape {tuple(part.shape)} on rank "
                f"{self.rank} of {self.size}"
            )
        if whole is not None and whole.size != sum(counts):
            raise ValueError(
                f"{name}: {role} of group {self.name!r} expects {sum(counts)} elements "
                f"({self.size} parts), got shape {tuple(whole.shape)}"
            )
        return counts

    def _side_counts(
        self, name: str, role: str, array: Any, splits: Sequence[int] | None
    ) -> list[int]:
        if splits is not None:
            if len(splits) != self.size or sum(splits) != array.shape[0] or min(splits) < 0:
                raise ValueError(
                    f"{name}: expected {self.size} splits of {role} adding up to dimension 0 of "
                    f"{tuple(array.shape)}, got {list(splits)}"
                )
            row = math.prod(array.shape[1:])
            return [int(s) * row for s in splits]
        length = array.shape[0] if array.ndim else 0
        if length % self.size:
            raise ValueError(
                f"{name}: dimension 0 of {role} {tuple(array.shape)} is not divisible by "
                f"{self.size} ranks; give split sizes"
            )
        return [int(array.size) // self.size] * self.size

    def _parts_signature(
        self,
        op: str,
        part: Any,
        splits: Sequence[int] | None,
        root: int = -1,
        reduce: str = "",
    ) -> Signature:
        if splits is None:
            return Signature(op, dtype_name(part.dtype), part.shape, reduce, root)
        detail = f"splits={list(splits)}"
        return Signature(op, dtype_name(part.dtype), part.shape[1:], reduce, root, detail)

    def _agree_on_splits(self, out_counts: Sequence[int], in_counts: Sequence[int]) -> int:
        """Compare what each rank sends with what its receiver expects; raises on all ranks.

        Returns:
            The number of elements of the longest buffer on any rank.
        """
        mine = ",".join(map(str, in_counts)) + ";" + ",".join(map(str, out_counts))
        sides = [
            [[int(c) for c in side.split(",")] for side in answer.decode().split(";")]
            for answer in self._transport.exchange_bytes(mine.encode())
        ]
        for sender, (sends, _) in enumerate(sides):
            for receiver, (_, expects) in enumerate(sides):
                if sends[receiver] != expects[sender]:
                    raise CollectiveMismatchError(
                        f"all_to_all: in group {self.name!r} rank {self._ranks[sender]} sends "
                        f"{sends[receiver]} elements to rank {self._ranks[receiver]}, which "
                        f"expects {expects[sender]}; no data was moved"
                    )
        return max(sum(counts) for side in sides for counts in side)
