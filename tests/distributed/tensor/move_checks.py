"""What redistribution must do for any number of processes that share a mesh's positions.

Subclasses give `ranks` and `run(program)`: `program(rank)` on every rank; the results of the ranks
this process has come back as a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from isograd.distributed.tensor import Partial, Replicate, Shard, init_device_mesh, moves
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.mesh import DeviceMesh
from isograd.distributed.tensor.sharded import ShardedArray

KINDS = [Replicate(), Shard(0), Shard(1), Partial(), Partial("max"), Partial("product")]


def values(*shape: int) -> np.ndarray:
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape)


def held(x: np.ndarray, layout: Layout) -> ShardedArray:
    """``x`` as a layout says; where it has sums, with parts that differ by position."""
    mesh, made = layout.mesh, {}
    pieces = []
    for position in range(mesh.first, mesh.first + mesh.count):
        twin = layout.twins[position]
        if twin not in made:
            made[twin] = part_of(x, layout, position)
        pieces.append(made[twin])
    return ShardedArray(layout, pieces)


def part_of(x: np.ndarray, layout: Layout, position: int) -> np.ndarray:
    starts, lengths = layout.boxes[position]
    box = tuple(slice(s, s + n) for s, n in zip(starts, lengths, strict=True))
    piece = np.array(x[box])
    where = layout.mesh.coordinates(position)
    for m in layout.partial:
        piece = _share(piece, layout.placements[m].reduce_op, where[m], layout.mesh.shape[m])
    return piece


def _share(x: np.ndarray, op: str, c: int, n: int) -> np.ndarray:
    """The part at coordinate ``c`` of ``n`` whose reduction is ``x``."""
    if op == "sum":
        return np.asarray(x * (c + 1) if c < n - 1 else x * (1 - n * (n - 1) // 2))
    mine = np.arange(x.size).reshape(x.shape) % n == c
    return np.where(mine, x, x - 1 if op == "max" else 1.0)


def layouts(mesh: DeviceMesh, shape: tuple[int, ...], kinds: Any) -> Iterator[Layout]:
    """All placements, with balanced and with lopsided parts."""
    for placements in product(kinds, repeat=mesh.ndim):
        if len({p.reduce_op for p in placements if isinstance(p, Partial)}) > 1:
            continue  # a maximum of sums is no sum of maxima
        balanced = Layout(mesh, shape, placements)
        yield balanced
        if balanced.lengths and mesh.ndim < 3:
            yield Layout(
                mesh, shape, placements,
                {d: (0,) * (len(n) - 1) + (shape[d],) for d, n in balanced.lengths},
            )  # fmt: skip


def check_moves(mesh: DeviceMesh, shape: tuple[int, ...], kinds: Any) -> int:
    """Every pair of layouts; returns how many were tried."""
    x = values(*shape)
    all_layouts = list(layouts(mesh, shape, kinds))
    pairs = list(product(all_layouts, all_layouts))
    pairs = pairs[:: 1 + len(pairs) // 256] if mesh.ndim > 1 else pairs
    for now, target in pairs:
        what = f"{now} to {target}"
        source = held(x, now)
        got = moves.placed(source, target)
        assert got.layout == target, what
        for k, piece in enumerate(got.pieces):
            assert piece.shape == target.boxes[mesh.first + k][1], what
        if not target.partial:
            for piece, want in zip(got.pieces, held(x, target).pieces, strict=True):
                np.testing.assert_array_equal(piece, want, err_msg=what)
        np.testing.assert_array_equal(moves.completed(got).pieces[0], x, err_msg=what)
        for piece, want in zip(source.pieces, held(x, now).pieces, strict=True):
            np.testing.assert_array_equal(piece, want, err_msg=f"{what} changed its source")
    return len(pairs)


class MoveChecks:
    ranks: int

    def run(self, program: Any) -> list[Any]:
        raise NotImplementedError

    @pytest.mark.parametrize("extra", [0, 1, 4])
    def test_all_pairs_of_placements(self, extra: int) -> None:
        def program(rank: int) -> int:
            return check_moves(init_device_mesh("cpu", (self.ranks + extra,)), (5, 3), KINDS)

        assert all(n > 60 for n in self.run(program))

    @pytest.mark.parametrize("times", [1, 2])
    def test_two_mesh_dimensions(self, times: int) -> None:
        """Also both cutting the same dimension of the tensor."""

        def program(rank: int) -> int:
            mesh = init_device_mesh("cpu", (times, self.ranks))
            other = init_device_mesh("cpu", (self.ranks, 2))
            few = [Replicate(), Shard(0), Shard(1), Partial()]
            return check_moves(mesh, (5, 2), few) + check_moves(other, (3, 4), few)

        assert all(n > 250 for n in self.run(program))

    def test_numbers_and_empty_tensors(self) -> None:
        def program(rank: int) -> int:
            mesh = init_device_mesh("cpu", (self.ranks + 1,))
            number = check_moves(mesh, (), [Replicate(), Partial(), Partial("max")])
            return number + check_moves(mesh, (0, 2), [Replicate(), Shard(0), Shard(1), Partial()])

        assert all(n > 20 for n in self.run(program))

    def test_extremes_of_nan(self) -> None:
        """Wherever it stands, also where reductions are the transport's."""

        def program(rank: int) -> list[bool]:
            mesh = DeviceMesh("cpu", np.arange(self.ranks), reproducible=False)
            found = []
            for at in range(self.ranks):
                x = np.arange(float(self.ranks))
                x[at] = np.nan
                cut = held(x, Layout(mesh, x.shape, (Shard(0),)))
                found += [bool(np.isnan(cut.max())), bool(np.isnan(cut.min()))]
            return found

        assert all(all(found) for found in self.run(program))

    def test_what_everybody_holds_moves_nothing(self) -> None:
        def program(rank: int) -> int:
            mesh = init_device_mesh("cpu", (self.ranks,))
            whole = Layout(mesh, (6, 3), (Replicate(),))
            comm = mesh.communicator
            before = 0 if comm is None else comm.traffic.sent
            for placement in KINDS:
                moves.placed(held(values(6, 3), whole), Layout(mesh, (6, 3), (placement,)))
            return 0 if comm is None else comm.traffic.sent - before

        assert set(self.run(program)) == {0}

    def test_bytes_moved(self) -> None:
        """An all-gather, an all-to-all and an all-reduce move what they must."""

        def program(rank: int) -> list[int]:
            n = self.ranks
            mesh = init_device_mesh("cpu", (n,))
            x = values(2 * n, 128 * n)
            comm = mesh.communicator
            if comm is None:
                return [0, 0, 0]
            sent = []
            for a, b in [(Shard(0), Replicate()), (Shard(0), Shard(1)), (Partial(), Replicate())]:
                now = held(x, Layout(mesh, x.shape, (a,)))
                before = comm.traffic.sent
                moves.placed(now, Layout(mesh, x.shape, (b,)))
                sent.append(comm.traffic.sent - before)
            return sent

        n = self.ranks
        size = 2 * n * 128 * n * 8
        for gathered, exchanged, reduced in self.run(program):
            assert gathered <= (n - 1) * size // n
            assert exchanged <= (n - 1) * size // n**2
            assert reduced <= 2 * (n - 1) * size // n
