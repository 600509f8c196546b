"""What every communicator must do, against NumPy on the same data; correct for any number of ranks.

Subclasses give `run(program)`, which calls `program(communicator)` on every rank and raises what
a rank raised. See test_local.py (threads) and test_mpi.py (processes).
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from isograd.distributed import CollectiveMismatchError, ReduceOp, fingerprint

DTYPES = [
    np.float16,
    ml_dtypes.bfloat16,
    np.float32,
    np.float64,
    np.int8,
    np.int16,
    np.int32,
    np.int64,
    np.uint8,
    np.bool_,
    np.complex64,
    np.complex128,
]


def values(rank: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Small whole numbers (exact in every dtype), different on each rank."""
    n = int(np.prod(shape))
    numbers = (np.arange(n) * 3 + rank * 5) % 7 - (0 if np.dtype(dtype).kind in "ub" else 2)
    if np.dtype(dtype).kind == "b":
        return ((numbers + rank) % 3 == 0).reshape(shape)
    return numbers.astype(dtype).reshape(shape)


def expected(op: ReduceOp, parts: list[np.ndarray]) -> np.ndarray:
    stack = np.stack([p.astype(np.float32) if p.dtype.kind == "V" else p for p in parts])
    dtype = parts[0].dtype
    if dtype.kind == "b":
        if op is ReduceOp.BXOR:
            return np.logical_xor.reduce(stack)
        return stack.any(0) if op in (ReduceOp.SUM, ReduceOp.MAX, ReduceOp.BOR) else stack.all(0)
    functions: dict[ReduceOp, Callable[[Any], Any]] = {
        ReduceOp.SUM: lambda s: s.sum(0),
        ReduceOp.AVG: lambda s: s.sum(0) / len(parts),
        ReduceOp.PRODUCT: lambda s: s.prod(0),
        ReduceOp.MIN: lambda s: s.min(0),
        ReduceOp.MAX: lambda s: s.max(0),
        ReduceOp.BAND: np.bitwise_and.reduce,
        ReduceOp.BOR: np.bitwise_or.reduce,
        ReduceOp.BXOR: np.bitwise_xor.reduce,
    }
    return functions[op](stack).astype(dtype)


def allowed(op: ReduceOp, dtype: Any) -> bool:
    kind = np.dtype(dtype).kind
    if op in (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR):
        return kind in "iub"
    if op in (ReduceOp.MIN, ReduceOp.MAX):
        return kind != "c"
    return op is not ReduceOp.AVG or kind not in "iub"


def caught(call: Callable[[], Any]) -> CollectiveMismatchError:
    with pytest.raises(CollectiveMismatchError) as info:
        call()
    return info.value


class CommunicatorChecks:
    """The checks; see the module."""

    large = 100_000  # elements: above what MPI sends eagerly
    receive_order = (3, 2)  # of tags, against the order sent
    site = "communicator_checks.py:"  # where calls seem to come from

    def run(self, program: Callable[[Any], Any]) -> Any:
        raise NotImplementedError

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
    def test_reductions_of_every_dtype(self, dtype: Any) -> None:
        def program(comm: Any) -> None:
            for op in ReduceOp:
                if not allowed(op, dtype):
                    with pytest.raises(TypeError, match=op.name):
                        comm.all_reduce(np.zeros(2, dtype), op)
                    continue
                parts = [values(r, (2, 3), dtype) for r in range(comm.size)]
                want = expected(op, parts)
                array = parts[comm.rank].copy()
                comm.all_reduce(array, op)
                np.testing.assert_array_equal(array, want, err_msg=str(op))

                root = comm.size - 1
                array = parts[comm.rank].copy()
                comm.reduce(array, root, op)
                kept = want if comm.rank == root else parts[comm.rank]
                np.testing.assert_array_equal(array, kept, err_msg=str(op))

                wide = [values(r, (2 * comm.size, 3), dtype) for r in range(comm.size)]
                piece = np.zeros((2, 3), dtype)
                comm.reduce_scatter(piece, wide[comm.rank].copy(), op)
                lo = 2 * comm.rank
                np.testing.assert_array_equal(piece, expected(op, wide)[lo : lo + 2])

        self.run(program)

    def test_half_precision_rounds_once(self) -> None:
        """1 + n small parts that would each be lost in float16 arithmetic, but not their sum."""

        def program(comm: Any) -> None:
            tiny = np.float16(2**-11 / max(comm.size - 1, 1)) * np.float16(1.5)
            array = np.array([1.0 if comm.rank == 0 else tiny], np.float16)
            parts = [np.float32(1.0)] + [np.float32(tiny)] * (comm.size - 1)
            comm.all_reduce(array)
            assert array[0] == np.float16(sum(parts))

        self.run(program)

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
    def test_movement_of_every_dtype(self, dtype: Any) -> None:
        def program(comm: Any) -> None:
            n, me = comm.size, comm.rank
            parts = [values(r, (2, 3), dtype) for r in range(n)]
            whole = np.concatenate(parts)
            for root in range(n):
                array = parts[me].copy()
                comm.broadcast(array, root)
                np.testing.assert_array_equal(array, parts[root])

                out = np.zeros((2 * n, 3), dtype) if me == root else None
                comm.gather(parts[me], out, root)
                if out is not None:
                    np.testing.assert_array_equal(out, whole)

                out = np.zeros((2, 3), dtype)
                comm.scatter(out, whole if me == root else None, root)
                np.testing.assert_array_equal(out, parts[me])
            out = np.zeros((2 * n, 3), dtype)
            comm.all_gather(out, parts[me])
            np.testing.assert_array_equal(out, whole)

            sent = [values(r, (n, 2), dtype) for r in range(n)]
            out = np.zeros((n, 2), dtype)
            comm.all_to_all(out, sent[me])
            np.testing.assert_array_equal(out, np.stack([sent[r][me] for r in range(n)]))

        self.run(program)

    def test_strided_arrays(self) -> None:
        def program(comm: Any) -> None:
            array = values(comm.rank, (3, 4), np.float32).copy().T[::2]
            want = sum(values(r, (3, 4), np.float32).T[::2] for r in range(comm.size))
            comm.all_reduce(array)
            np.testing.assert_array_equal(array, want)
            out = np.zeros((3, 2 * comm.size), np.float32).T
            comm.all_gather(out, array)
            np.testing.assert_array_equal(out, np.concatenate([want] * comm.size))

        self.run(program)

    def test_empty_and_zero_dimensional_arrays(self) -> None:
        def program(comm: Any) -> None:
            scalar = np.array(comm.rank + 1.0)
            comm.all_reduce(scalar)
            assert scalar == comm.size * (comm.size + 1) / 2
            out = np.zeros(comm.size)
            comm.all_gather(out, np.array(float(comm.rank)))
            np.testing.assert_array_equal(out, np.arange(comm.size))
            empty = np.zeros((0, 3), np.float32)
            comm.all_reduce(empty)
            comm.broadcast(empty, 0)

        self.run(program)

    def test_uneven_parts(self) -> None:
        def program(comm: Any) -> None:
            n, me = comm.size, comm.rank
            splits = [r + (r != 1) for r in range(n)]  # 1, 1, 3, 4
            parts = [values(r, (splits[r], 2), np.float64) for r in range(n)]
            whole = np.concatenate(parts)
            out = np.zeros_like(whole)
            comm.all_gather(out, parts[me], splits)
            np.testing.assert_array_equal(out, whole)

            out = np.zeros_like(whole) if me == 0 else None
            comm.gather(parts[me], out, 0, splits)
            if out is not None:
                np.testing.assert_array_equal(out, whole)

            piece = np.zeros_like(parts[me])
            comm.scatter(piece, whole if me == 0 else None, 0, splits)
            np.testing.assert_array_equal(piece, parts[me])
            comm.reduce_scatter(piece, whole, ReduceOp.SUM, splits)
            np.testing.assert_array_equal(piece, n * parts[me])

            # rank r sends s + r rows to rank s
            sends = [np.full((s + me, 2), 10.0 * me + s) for s in range(n)]
            wants = [np.full((me + r, 2), 10.0 * r + me) for r in range(n)]
            out = np.zeros((sum(len(w) for w in wants), 2))
            in_splits, out_splits = [len(s) for s in sends], [len(w) for w in wants]
            comm.all_to_all(out, np.concatenate(sends), out_splits, in_splits)
            np.testing.assert_array_equal(out, np.concatenate(wants))

        self.run(program)

    def test_messages_round_a_ring(self) -> None:
        def program(comm: Any) -> None:
            n, me = comm.size, comm.rank
            if n == 1:
                return
            right, left = (me + 1) % n, (me - 1) % n
            for size in (3, self.large):
                out, into = np.full(size, float(me)), np.zeros(size)
                receiving = comm.irecv(into, left, tag=7)  # all receive before they send
                sending = comm.isend(out, right, tag=7)
                assert sending.wait() and receiving.wait()
                assert receiving.source_rank() == left
                np.testing.assert_array_equal(into, np.full(size, float(left)))
            into = np.zeros(2, ml_dtypes.bfloat16)
            calls = [
                ("recv", into, left, 0),
                ("send", np.full(2, me, ml_dtypes.bfloat16), right, 0),
            ]
            for work in comm.batch(calls):
                work.wait()
            np.testing.assert_array_equal(into, np.full(2, left, ml_dtypes.bfloat16))

        self.run(program)

    def test_receive_from_anybody_and_by_tag(self) -> None:
        def program(comm: Any) -> None:
            if comm.rank == 0:
                seen = set()
                for _ in range(comm.size - 1):
                    got = np.zeros(2)
                    source = comm.recv(got, None, tag=1)
                    assert got[0] == source
                    seen.add(source)
                assert seen == set(range(1, comm.size))
                for source in range(1, comm.size):
                    got = {2: np.zeros(1), 3: np.zeros(1)}
                    for tag in self.receive_order:
                        comm.recv(got[tag], source, tag)
                    assert (got[2][0], got[3][0]) == (2.0, 3.0)
            else:
                comm.send(np.full(2, float(comm.rank)), 0, tag=1)
                comm.send(np.array([2.0]), 0, tag=2)
                comm.send(np.array([3.0]), 0, tag=3)

        self.run(program)

    def test_message_that_does_not_fit(self) -> None:
        def program(comm: Any) -> None:
            if comm.rank == 1:
                comm.send(np.zeros(self.large, np.int32), 0)
                comm.send(np.ones(2), 0)
            elif comm.rank == 0 and comm.size > 1:
                error = caught(lambda: comm.recv(np.zeros(4), 1))
                assert f"rank 1 sent int32 ({self.large},)" in str(error)
                assert "rank 0 expects float64 (4,)" in str(error)
                assert str(error).count(self.site) == 2
                fits = np.zeros(2)
                comm.recv(fits, 1)
                assert fits.tolist() == [1.0, 1.0]

        self.run(program)

    def test_asynchronous_operations_keep_their_order(self) -> None:
        def program(comm: Any) -> None:
            arrays = [np.full(5, float(i)) for i in range(6)]
            works = [comm.all_reduce(a, async_op=True) for a in arrays[:4]]
            comm.all_reduce(arrays[4])  # queues behind them
            assert all(w.is_completed() for w in works)
            works.append(comm.broadcast(arrays[5], 0, async_op=True))
            for work in works:
                assert work.wait(timeout=30) and work.is_success() and work.exception() is None
            for i, array in enumerate(arrays):
                np.testing.assert_array_equal(array, np.full(5, i * (comm.size if i < 5 else 1)))
            future = comm.all_reduce(arrays[1], async_op=True).get_future()
            assert future.then(lambda f: f.value()[0].sum()).wait() == 5.0 * comm.size**2

        self.run(program)

    def test_progress_while_the_main_thread_computes(self) -> None:
        """The operation finishes without anybody waiting for it or calling in."""

        def program(comm: Any) -> None:
            if comm.size == 1:
                return
            comm.barrier()
            work = comm.all_reduce(np.ones(self.large, np.float32), async_op=True)
            end = time.monotonic() + 20
            while not work._done.is_set() and time.monotonic() < end:
                np.dot(np.ones((50, 50)), np.ones((50, 50)))
            assert work._done.is_set()
            comm.barrier()

        self.run(program)

    def test_trace_and_traffic(self) -> None:
        def program(comm: Any) -> None:
            n = comm.size
            comm.traffic.reset()
            comm.trace.clear()
            comm.tracing = True
            try:
                comm.all_reduce(np.zeros(1000, np.float32))
                work = comm.all_reduce(np.zeros(1000, np.float32), async_op=True)
                work.wait()
                comm.all_gather(np.zeros(1000 * n, np.int8), np.zeros(1000, np.int8))
            finally:
                comm.tracing = False
            totals = comm.traffic.by_op()
            assert totals["all_reduce"].calls == 2
            assert totals["all_reduce"].sent == 2 * (2 * 4000 * (n - 1) // n)
            assert totals["all_gather"].sent == 1000 * (n - 1)
            assert [e.op for e in comm.trace] == ["all_reduce", "all_reduce", "all_gather"]
            assert [e.asynchronous for e in comm.trace] == [False, True, False]
            for event in comm.trace:
                assert event.issued <= event.started <= event.finished
                assert self.site in event.site

        self.run(program)

    def test_bytes_and_groups(self) -> None:
        def program(comm: Any) -> None:
            n, me = comm.size, comm.rank
            mine = bytes([me]) * (me * 10)
            assert comm.exchange_bytes(mine) == [bytes([r]) * (r * 10) for r in range(n)]
            evens = [r for r in range(n) if r % 2 == 0]
            group = comm.split(evens[::-1], "evens")
            assert (group is not None) == (me % 2 == 0)
            if group is not None:
                assert group.ranks == tuple(evens[::-1])
                assert evens[::-1][group.rank] == me
                array = np.array([float(me)])
                group.all_reduce(array)
                assert array[0] == sum(evens)
                group.broadcast(array, 0)
                group.close()
            comm.barrier()

        self.run(program)

    # planted faults: every rank raises, every rank's line is named, and the group goes on

    def test_swapped_collectives(self) -> None:
        def program(comm: Any) -> None:
            if comm.size == 1:
                return
            data, label = np.full(3, 2.0), np.full(3, 5, np.int32)

            def first() -> None:
                comm.all_reduce(data)

            def second() -> None:
                comm.broadcast(label, 0)

            order = (first, second) if comm.rank == 0 else (second, first)
            for call in order:
                text = str(caught(call))
                assert "all_reduce(SUM) float64 (3,)" in text
                assert "broadcast(root=0) int32 (3,)" in text
                assert text.count(self.site) == comm.size
                assert all(f"rank {r}:" in text for r in range(comm.size))
            assert data.tolist() == [2.0] * 3 and label.tolist() == [5] * 3
            comm.all_reduce(data)
            assert data.tolist() == [2.0 * comm.size] * 3

        self.run(program)

    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_wrong_dtype_shape_root_and_operator(self, asynchronous: bool) -> None:
        def program(comm: Any) -> None:
            if comm.size == 1:
                return
            last = comm.rank == comm.size - 1
            f32, f64 = np.zeros(3, np.float32), np.zeros(3)

            def check(call: Callable[..., Any], *words: str) -> None:
                def complete() -> None:
                    work = call(async_op=asynchronous)
                    if asynchronous:
                        work.wait()

                text = str(caught(complete))
                assert all(word in text for word in words), text

            check(lambda **k: comm.all_reduce(f32 if last else f64, **k), "float32", "float64")
            odd = np.zeros((3, 1))
            check(lambda **k: comm.all_reduce(odd if last else f64, **k), "(3, 1)", "(3,)")
            check(lambda **k: comm.broadcast(f64, int(last), **k), "root=0", "root=1")
            op = ReduceOp.MAX if last else ReduceOp.SUM
            check(lambda **k: comm.all_reduce(f64, op, **k), "SUM", "MAX")

        self.run(program)

    def test_splits_that_do_not_fit(self) -> None:
        def program(comm: Any) -> None:
            n = comm.size
            if n == 1:
                return
            rows = n + 1 if comm.rank == 0 else n  # one more for the last rank
            in_splits = [1] * n if comm.rank else [1] * (n - 1) + [2]
            with pytest.raises(CollectiveMismatchError, match="rank 0 sends 2 elements"):
                comm.all_to_all(np.zeros(n), np.zeros(rows), [1] * n, in_splits)
            comm.barrier()

        self.run(program)

    def test_planted_wrong_fingerprint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The comparison itself works: one wrong bit on one rank fails an otherwise equal call."""
        honest = fingerprint.encode

        def program(comm: Any) -> None:
            if comm.size == 1:
                return
            liars.discard(None)
            if comm.rank == 0:
                liars.add(threading.get_ident())
            array = np.ones(3)
            caught(lambda: comm.all_reduce(array))
            assert array.tolist() == [1.0] * 3
            liars.discard(threading.get_ident())
            comm.all_reduce(array)

        def lying(signature: Any, sequence: int, site: str = "") -> bytes:
            record = honest(signature, sequence, site)
            if threading.get_ident() in liars:
                return record[:-1] + bytes([record[-1] ^ 1])
            return record

        liars: set[int | None] = set()
        monkeypatch.setattr(fingerprint, "encode", lying)
        self.run(program)

    def test_arguments_are_checked_before_anything_is_said(self) -> None:
        def program(comm: Any) -> None:
            n, array = comm.size, np.zeros(4)
            for call, error, words in [
                (lambda: comm.broadcast(array, n), ValueError, "root in"),
                (lambda: comm.all_reduce(array, "sum"), TypeError, "ReduceOp"),
                (lambda: comm.all_gather(np.zeros(4 * n + 1), array), ValueError, "elements"),
                (lambda: comm.all_gather(np.zeros(4 * n, np.int8), array), TypeError, "one dtype"),
                (lambda: comm.gather(array, None, comm.rank), ValueError, "only root"),
                (lambda: comm.send(array, comm.rank), ValueError, "this rank itself"),
                (lambda: comm.recv(array, n), ValueError, "src in"),
                (lambda: comm.all_to_all(array, array, [1], [1]), ValueError, "splits"),
                (lambda: comm.split([0, 0], "twice"), ValueError, "distinct"),
            ]:
                with pytest.raises(error, match=words):
                    call()
            comm.barrier()

        self.run(program)
