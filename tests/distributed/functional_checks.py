"""torch.distributed's functions on tensors, against NumPy; correct for any number of ranks.

Subclasses give `run(program)`, which calls `program(rank)` on every rank of an initialized world.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import isograd.distributed as dist
from isograd.tensor.core import Tensor, wrap


def filled(shape: tuple[int, ...], value: float, dtype: Any = np.float32) -> Tensor:
    return wrap(np.full(shape, value, dtype))


def numbers(tensor: Tensor) -> list[Any]:
    return tensor._array.ravel().tolist()


class FunctionalChecks:
    """The checks; see the module."""

    def run(self, program: Callable[[int], Any]) -> Any:
        raise NotImplementedError

    def test_who_am_i(self) -> None:
        def program(rank: int) -> None:
            n = dist.get_world_size()
            world = dist.group.WORLD
            assert world is dist.GroupMember.WORLD and world is not None
            assert dist.is_initialized() and dist.get_rank() == rank == world.rank()
            assert dist.get_process_group_ranks(None) == list(range(n))
            assert dist.get_global_rank(world, n - 1) == dist.get_group_rank(world, n - 1) == n - 1
            with pytest.raises(ValueError, match="trying to initialize .* twice"):
                dist.init_process_group("gloo")

        self.run(program)

    def test_every_write_is_counted(self) -> None:
        """A collective that writes a tensor bumps its version, one that only reads does not."""

        def program(rank: int) -> None:
            n = dist.get_world_size()
            x = filled((2,), rank + 1)
            dist.all_reduce(x)
            assert x._version == 1 and numbers(x) == [n * (n + 1) / 2] * 2
            dist.broadcast(x, 0)
            assert x._version == (1 if rank == 0 else 2)
            y = filled((2,), rank)
            dist.reduce(y, dst=n - 1, op=dist.ReduceOp.MAX)
            assert numbers(y) == [max(rank, 0)] * 2 and y._version == int(rank == n - 1)
            outs = [filled((2,), -1) for _ in range(n)]
            before = y._version
            dist.all_gather(outs, y)
            assert y._version == before and all(o._version == 1 for o in outs)

        self.run(program)

    @pytest.mark.parametrize("async_op", [False, True])
    def test_lists(self, async_op: bool) -> None:
        def program(rank: int) -> None:
            n = dist.get_world_size()

            def done(work: Any) -> None:
                assert (work is not None) == async_op
                if work is not None:
                    assert work.wait() and work.is_completed()

            outs = [filled((2, 1), -1) for _ in range(n)]
            done(dist.all_gather(outs, filled((2, 1), rank), async_op=async_op))
            assert [numbers(o) for o in outs] == [[r] * 2 for r in range(n)]

            uneven = [filled((r + 1,), -1) for r in range(n)]
            done(dist.all_gather(uneven, filled((rank + 1,), rank), async_op=async_op))
            assert [numbers(o) for o in uneven] == [[r] * (r + 1) for r in range(n)]

            got = [filled((2,), -1) for _ in range(n)] if rank == 0 else None
            done(dist.gather(filled((2,), rank), got, dst=0, async_op=async_op))
            if got is not None:
                assert [numbers(o) for o in got] == [[r] * 2 for r in range(n)]

            out = filled((2,), -1)
            given = [filled((2,), 10 + r) for r in range(n)] if rank == n - 1 else None
            done(dist.scatter(out, given, src=n - 1, async_op=async_op))
            assert numbers(out) == [10 + rank] * 2

            given = [filled((2,), r + rank) for r in range(n)]
            done(dist.reduce_scatter(out, given, async_op=async_op))
            assert numbers(out) == [n * rank + n * (n - 1) / 2] * 2

            outs = [filled((r + 1,), -1) for r in range(n)]
            done(
                dist.all_to_all(
                    outs, [filled((rank + 1,), 10 * rank + s) for s in range(n)], async_op=async_op
                )
            )
            assert [numbers(o) for o in outs] == [[10 * r + rank] * (r + 1) for r in range(n)]

        self.run(program)

    def test_single_tensors(self) -> None:
        def program(rank: int) -> None:
            n = dist.get_world_size()
            for shape in ((2 * n, 3), (n, 2, 3)):  # torch takes both layouts
                out = filled(shape, -1)
                dist.all_gather_into_tensor(out, filled((2, 3), rank))
                assert numbers(out) == [r for r in range(n) for _ in range(6)]
            piece = filled((2, 3), -1)
            dist.reduce_scatter_tensor(piece, out, op=dist.ReduceOp.AVG)
            assert numbers(piece) == [rank] * 6
            out = filled((n,), -1)
            dist.all_to_all_single(out, wrap(np.arange(n, dtype=np.float32) + 10 * rank))
            assert numbers(out) == [10 * r + rank for r in range(n)]
            out = filled((sum(range(1, n + 1)),), -1)  # rank r sends r + 1 to everybody
            dist.all_to_all_single(
                out,
                filled(((rank + 1) * n,), rank),
                output_split_sizes=list(range(1, n + 1)),
                input_split_sizes=[rank + 1] * n,
            )
            assert numbers(out) == [r for r in range(n) for _ in range(r + 1)]

        self.run(program)

    def test_messages(self) -> None:
        def program(rank: int) -> None:
            n = dist.get_world_size()
            if n == 1:
                return
            right, left = (rank + 1) % n, (rank - 1) % n
            x, y = filled((3,), rank), filled((3,), -1)
            ops = [dist.P2POp(dist.irecv, y, left), dist.P2POp(dist.isend, x, right)]
            for work in dist.batch_isend_irecv(ops):
                work.wait()
            assert numbers(y) == [left] * 3 and y._version == 1
            if rank == 0:
                dist.send(x, right, tag=4)
            elif rank == 1:
                assert dist.recv(y, tag=4) == 0  # from anybody
                assert numbers(y) == [0] * 3
            with pytest.raises(ValueError, match="isend or irecv"):
                dist.P2POp(dist.send, x, right)

        self.run(program)

    def test_groups(self) -> None:
        def program(rank: int) -> None:
            n = dist.get_world_size()
            group = dist.new_group([n - 1, 0] if n > 1 else [0])
            x = filled((1,), rank)
            if rank in (0, n - 1):
                assert dist.get_process_group_ranks(group) == sorted({0, n - 1})
                dist.all_reduce(x, group=group)
                assert numbers(x) == [n - 1]
                dist.broadcast(x, src=n - 1, group=group)
                assert dist.get_group_rank(group, n - 1) == group.size() - 1
                if n > 2:
                    with pytest.raises(ValueError, match="global rank 1 is not part of group"):
                        dist.broadcast(x, src=1, group=group)
                with pytest.raises(ValueError, match="src or group_src, not both"):
                    dist.broadcast(x, src=0, group=group, group_src=0)
            else:
                assert group is dist.GroupMember.NON_GROUP_MEMBER
                assert dist.get_rank(group) == -1 == dist.get_world_size(group)
                with pytest.warns(UserWarning, match="does not belong to the given group"):
                    assert dist.all_reduce(x, group=group) is None
                assert numbers(x) == [rank]
            reversed_group = dist.new_group(list(range(n))[::-1], sort_ranks=False)
            assert dist.get_rank(reversed_group) == n - 1 - rank
            dist.destroy_process_group(reversed_group)
            dist.barrier()

        self.run(program)

    def test_two_groups_interleaved_differently(self) -> None:
        """Asynchronous operations of two groups do not wait for each other."""

        def program(rank: int) -> None:
            n = dist.get_world_size()
            one, two = dist.new_group(), dist.new_group()
            x, y = filled((4,), 1), filled((4,), 2)
            calls = [
                lambda: dist.all_reduce(x, group=one, async_op=True),
                lambda: dist.all_reduce(y, group=two, async_op=True),
            ]
            works = [call() for call in (calls if rank % 2 else calls[::-1])]
            for work in works:
                work.wait()
            assert numbers(x) == [n] * 4 and numbers(y) == [2 * n] * 4

        self.run(program)

    def test_objects(self) -> None:
        def program(rank: int) -> None:
            n = dist.get_world_size()
            outs = [None] * n
            dist.all_gather_object(outs, {"rank": rank, "pad": "x" * 100 * rank})
            assert [o["rank"] for o in outs] == list(range(n))
            shared = ["a", {"b": 1}] if rank == n - 1 else [None, None]
            dist.broadcast_object_list(shared, src=n - 1)
            assert shared == ["a", {"b": 1}]
            got = [None] * n if rank == 0 else None
            dist.gather_object("o" * rank, got, dst=0)
            assert rank != 0 or got == ["o" * r for r in range(n)]
            mine = [None]
            given = [("for", r) for r in range(n)] if rank == 0 else None
            dist.scatter_object_list(mine, given, src=0)
            assert mine == [("for", rank)]
            if n > 1 and rank == 0:
                dist.send_object_list([1, "two"], dst=1)
            elif rank == 1:
                pair = [None, None]
                assert dist.recv_object_list(pair) == 0
                assert pair == [1, "two"]

        self.run(program)

    def test_barriers(self) -> None:
        def program(rank: int) -> None:
            dist.barrier()
            work = dist.barrier(async_op=True)
            assert work is not None and work.wait()
            dist.monitored_barrier(timeout=timedelta(seconds=20))
            world = dist.group.WORLD
            assert world is not None and world.communicator.timeout != 20

        self.run(program)

    def test_wrong_arguments(self) -> None:
        def program(rank: int) -> None:
            n = dist.get_world_size()
            x = filled((2,), 0)
            for call, error, words in [
                (lambda: dist.all_reduce(np.zeros(2)), TypeError, "expected tensor to be a Tensor"),
                (lambda: dist.all_reduce(x, group="world"), TypeError, "ProcessGroup or None"),
                (lambda: dist.all_gather([x] * (n + 1), x), ValueError, "one per rank"),
                (lambda: dist.broadcast(x), ValueError, "pass src"),
                (lambda: dist.broadcast(x, n), ValueError, f"global rank {n} is not part"),
                (lambda: dist.gather(x, None, dst=rank), ValueError, "one per rank"),
                (lambda: dist.new_group([0], pg_options=1), ValueError, "not supported"),
                (lambda: dist.all_gather([filled((3,), 0)] * n, x), ValueError, "has shape"),
            ]:
                with pytest.raises(error, match=words):
                    call()

        self.run(program)
