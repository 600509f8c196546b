"""What a reduction along the fixed tree must do: the bits of one process, on any number of ranks.

Subclasses give `run(program)` as in communicator_checks.py; see test_tree.py.
"""

import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from isograd.data.view import shares
from isograd.distributed import CollectiveMismatchError, ReduceOp, tree_plan
from isograd.distributed.tree import tree_all_reduce, tree_fold
from tests.distributed.communicator_checks import DTYPES, allowed

POSITIONS = [8, 11]  # every W of the tests owns runs of one node, and of several
SIZES = [1, 100, 1025, 70_001]  # gathered whole, and in slices; more than one block


def read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


@cache
def normal(position: int, n: int, dtype: Any = np.float32) -> np.ndarray:
    return read_only(np.random.default_rng(position).standard_normal(n).astype(dtype))


@cache
def special(position: int, n: int, dtype: Any) -> np.ndarray:
    """Values of any dtype whose sums round, with zeros of both signs, infinities and NaNs."""
    rng = np.random.default_rng(position)
    kind = np.dtype(dtype).kind
    if kind in "iub":
        return read_only(rng.integers(-100, 100, n).astype(dtype))
    values = rng.standard_normal(n) * 10.0 ** rng.integers(-3, 3, n)
    values[rng.random(n) < 0.2] *= 0.0
    values[rng.random(n) < 0.05] = np.nan
    values[rng.random(n) < 0.05] = np.inf
    if kind == "c":
        pairs = np.stack([values, rng.permutation(values)], -1)
        values = pairs.view(np.complex128).reshape(-1)
    return read_only(values.astype(dtype))


def own(values: Sequence[Any], comm: Any) -> list[Any]:
    """This rank's part of V values."""
    lengths = shares(len(values), comm.size)
    first = sum(lengths[: comm.rank])
    return list(values[first : first + lengths[comm.rank]])


class TreeChecks:
    """The checks; see the module."""

    @pytest.fixture(autouse=True)
    def _small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tree_plan, "HOST_SLICE", 16_000)
        monkeypatch.setattr(tree_plan, "DEVICE_SLICE", 20_000)

    def run(self, program: Callable[[Any], Any]) -> Any:
        raise NotImplementedError

    def put(self, array: np.ndarray) -> Any:
        """The array as the communicator under test takes it."""
        return array

    def host(self, array: Any) -> np.ndarray:
        """Back from `put`."""
        return array

    def reduced(self, comm: Any, values: Sequence[np.ndarray], *args: Any, **kwargs: Any) -> Any:
        """The total on this rank, after checking that it is no input's memory."""
        parts = own(values, comm)
        before = [p.tobytes() for p in parts]
        given = [self.put(p) for p in parts]
        total = self.host(
            tree_all_reduce(comm, given, len(values), *args, **kwargs).wait(timeout=30)
        )
        assert [self.host(g).tobytes() for g in given] == before
        assert not any(np.shares_memory(total, self.host(g)) for g in given)
        return total

    @pytest.mark.parametrize("positions", POSITIONS)
    def test_bits_of_one_process(self, positions: int) -> None:
        def program(comm: Any) -> None:
            for n in SIZES:
                values = [normal(v, n) for v in range(positions)]
                total = self.reduced(comm, values)
                assert total.tobytes() == tree_fold(values).tobytes(), n

        self.run(program)

    def test_into_given_memory(self) -> None:
        """`out` may be one of the parts."""

        def program(comm: Any) -> None:
            for positions in (8, comm.size):
                for n in (100, 70_001):
                    values = [normal(v, n) for v in range(positions)]
                    want = tree_fold(values).tobytes()
                    given = [self.put(v.copy()) for v in own(values, comm)]
                    for out in (self.put(np.zeros(n, np.float32)), given[-1]):
                        work = tree_all_reduce(comm, given, positions, out=out, async_op=True)
                        assert work.wait() is out
                        assert self.host(out).tobytes() == want

        self.run(program)

    def test_one_position_a_rank(self) -> None:
        def program(comm: Any) -> None:
            for dtype in (np.float32, np.float16, ml_dtypes.bfloat16):
                values = [normal(v, 5000, dtype) for v in range(comm.size)]
                total = self.reduced(comm, values)
                assert total.tobytes() == tree_fold(values).tobytes()

        self.run(program)

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
    def test_every_dtype_and_operation(self, dtype: Any) -> None:
        def program(comm: Any) -> None:
            for n in (37, 5003):
                values = [special(v, n, dtype) for v in range(8)]
                for op in ReduceOp:
                    if not allowed(op, dtype):
                        with pytest.raises(TypeError, match=f"tree_all_reduce.*{op.name}"):
                            self.reduced(comm, values, op)
                        continue
                    total = self.reduced(comm, values, op)
                    assert total.dtype == dtype
                    assert total.tobytes() == tree_fold(values, op).tobytes(), (n, op)

        self.run(program)

    def test_any_shape_and_stride(self) -> None:
        def program(comm: Any) -> None:
            for shape in [(), (0,), (0, 3), (7, 5), (60, 50)]:
                values = [normal(v, max(np.prod(shape, dtype=int), 1)) for v in range(8)]
                values = [v[: np.prod(shape, dtype=int)].reshape(shape) for v in values]
                total = self.reduced(comm, values)
                assert total.shape == shape
                assert total.tobytes() == tree_fold(values).tobytes()
            for n in (4, 100):
                values = [normal(v, n * 2 * n).reshape(n, 2 * n).T[::2] for v in range(8)]
                total = self.reduced(comm, values)
                want = tree_fold([np.ascontiguousarray(v) for v in values])
                np.testing.assert_array_equal(total, want)

        self.run(program)

    def test_traffic_is_that_of_a_ring_for_powers_of_two(self) -> None:
        def program(comm: Any) -> None:
            if comm.size not in (1, 2, 4, 8):
                return
            array = self.put(normal(0, 64 * 64))
            for positions in (8, comm.size):
                count = positions // comm.size
                comm.traffic.reset()
                tree_all_reduce(comm, [array] * count, positions)
                totals = comm.traffic.by_op()
                if comm.size == 1:
                    assert not totals
                    continue
                ring = 2 * array.nbytes * (comm.size - 1) // comm.size
                assert list(totals) == ["tree_all_reduce"]
                assert totals["tree_all_reduce"].calls == 1
                assert totals["tree_all_reduce"].sent == ring
                assert totals["tree_all_reduce"].received == ring

        self.run(program)

    def test_what_all_send_is_what_all_receive(self) -> None:
        def program(comm: Any) -> None:
            for n in (10, 5003):
                comm.traffic.reset()
                values = [normal(v, n, np.float16) for v in range(11)]
                tree_all_reduce(comm, [self.put(p) for p in own(values, comm)], 11)
                sent, received = comm.traffic.sent, comm.traffic.received
                told = comm.exchange_bytes(np.array([sent, received]).tobytes())
                table = np.array([np.frombuffer(t, np.int64) for t in told])
                assert table[:, 0].sum() == table[:, 1].sum()
                assert (table.sum() > 0) == (comm.size > 1)

        self.run(program)

    def test_asynchronous(self) -> None:
        """Returns before the others have come, ends without a wait, keeps the group's order."""

        def program(comm: Any) -> None:
            values = [[normal(v + 10 * i, 5000) for v in range(8)] for i in range(3)]
            given = [[self.put(p) for p in own(v, comm)] for v in values]
            comm.barrier()
            if comm.rank:
                time.sleep(0.3)
            works = [tree_all_reduce(comm, parts, 8, async_op=True) for parts in given]
            if comm.rank == 0 and comm.size > 1:
                assert not works[0].is_completed()
            counter = self.put(np.ones(3))
            comm.all_reduce(counter)  # behind them
            assert all(work.is_completed() for work in works)
            for work, parts in zip(works, values, strict=True):
                assert self.host(work.wait()).tobytes() == tree_fold(parts).tobytes()
                assert work.wait() is work.wait()
            assert self.host(counter).tolist() == [comm.size] * 3

            work = tree_all_reduce(comm, given[0], 8, async_op=True)
            end = time.monotonic() + 20
            while not work.is_completed() and time.monotonic() < end:
                np.dot(np.ones((50, 50)), np.ones((50, 50)))
            assert work.is_completed()
            comm.barrier()

        self.run(program)

    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_mismatched_calls_raise_everywhere(self, asynchronous: bool) -> None:
        def program(comm: Any) -> None:
            if comm.size == 1:
                return
            last = comm.rank == comm.size - 1
            f32, f64 = self.put(np.zeros(8, np.float32)), self.put(np.zeros(8))
            odd = self.put(np.zeros((8, 1)))

            def check(words: Sequence[str], array: Any, positions: int = 8, op: Any = None) -> None:
                count = shares(positions, comm.size)[comm.rank]
                with pytest.raises(CollectiveMismatchError) as info:
                    tree_all_reduce(
                        comm, [array] * count, positions, op or ReduceOp.SUM, asynchronous
                    ).wait()
                text = str(info.value)
                assert all(word in text for word in words), text
                assert text.count("tree_checks.py:") == comm.size

            check(["tree_all_reduce(SUM", "float32", "float64"], f32 if last else f64)
            check(["(8, 1)", "(8,)"], odd if last else f64)
            check(["positions=8", "positions=9"], f64, 9 if last else 8)
            check(["SUM", "MAX"], f64, op=ReduceOp.MAX if last else ReduceOp.SUM)
            with pytest.raises(CollectiveMismatchError, match="all_reduce"):
                if last:
                    comm.all_reduce(f64)
                else:
                    tree_all_reduce(comm, [f64] * shares(8, comm.size)[comm.rank], 8)
            ones = [np.ones(3, np.float32)] * 8
            assert self.reduced(comm, ones).tolist() == [8.0] * 3  # the group goes on

        self.run(program)

    def test_arguments(self) -> None:
        def program(comm: Any) -> None:
            parts = [np.zeros(3)] * shares(8, comm.size)[comm.rank]
            odd = [*parts[1:], np.zeros(4)]
            with pytest.raises(ValueError, match=f"each of the {comm.size} ranks.*positions=0"):
                tree_all_reduce(comm, [], 0)
            with pytest.raises(ValueError, match=rf"{len(parts)} arrays.*got {len(parts) + 1}"):
                tree_all_reduce(comm, [*parts, np.zeros(3)], 8)
            if len(parts) > 1:
                with pytest.raises(ValueError, match=r"one shape and dtype.*\(3,\).*\(4,\)"):
                    tree_all_reduce(comm, odd, 8)
            comm.barrier()

        self.run(program)

    def test_overflow_is_no_warning(self) -> None:
        def program(comm: Any) -> None:
            values = [np.full(2000, 3e38, np.float32)] * 8
            assert np.isinf(self.reduced(comm, values, async_op=True)).all()

        self.run(program)

    def test_runs_in_the_group_s_own_thread(self) -> None:
        def program(comm: Any) -> None:
            comm.barrier()
            work = comm.barrier(async_op=True)  # starts the thread
            work.wait()
            comm.barrier()
            before = threading.active_count()
            values = [normal(v, 5000) for v in range(8)]
            self.reduced(comm, values, async_op=True)
            comm.barrier()
            assert threading.active_count() <= before

        self.run(program)
