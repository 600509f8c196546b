"""Layouts: every element has its place, whatever cuts it.

Reference: counts of the elements that the parts' boxes cover, and lengths written out by hand.
pytest tests/distributed/tensor/test_layout.py
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from isograd.distributed.tensor import Partial, Replicate, Shard, init_device_mesh
from isograd.distributed.tensor.layout import Layout, layout_of


@pytest.mark.parametrize("shape", [(1,), (5,), (8,), (2, 3), (2, 2, 2)])
def test_the_parts_cover_everything(shape: tuple[int, ...]) -> None:
    """Along a cut once; as often as there are copies, or parts of sums, along others."""
    mesh = init_device_mesh("cpu", shape)
    for placements in product([Replicate(), Shard(0), Shard(1), Partial()], repeat=mesh.ndim):
        layout = Layout(mesh, (7, 2), placements)
        seen = np.zeros((7, 2), int)
        for starts, lengths in layout.boxes:
            seen[tuple(slice(s, s + n) for s, n in zip(starts, lengths, strict=True))] += 1
        copies = [n for n, p in zip(shape, placements, strict=True) if not isinstance(p, Shard)]
        assert (seen == np.prod(copies, dtype=int)).all()
        own = [box for box, first in zip(layout.boxes, layout.writers, strict=True) if first]
        parts = [n for n, p in zip(shape, placements, strict=True) if p.is_partial()]
        assert sum(np.prod(b[1]) for b in own) == 14 * np.prod(parts, dtype=int)


def test_lengths() -> None:
    mesh = init_device_mesh("cpu", (4,))
    assert Layout(mesh, (6,), (Shard(0),)).lengths == ((0, (2, 2, 1, 1)),)
    assert Layout(mesh, (2,), (Shard(0),)).lengths == ((0, (1, 1, 0, 0)),)
    uneven = Layout(mesh, (6, 3), (Shard(0),), {0: (0, 5, 0, 1)})
    assert uneven.lengths_of(0) == (0, 5, 0, 1) and uneven.lengths_of(1) is None
    assert uneven.boxes[3] == ((5, 0), (1, 3))


def test_two_mesh_dimensions_cut_one() -> None:
    layout = Layout(init_device_mesh("cpu", (2, 3)), (8,), (Shard(0), Shard(0)))
    assert layout.cutters(0) == (0, 1)
    assert layout.lengths_of(0) == (2, 2, 1, 1, 1, 1)
    assert [box[0][0] for box in layout.boxes] == [0, 2, 4, 5, 6, 7]


def test_copies() -> None:
    layout = Layout(init_device_mesh("cpu", (2, 3)), (8,), (Replicate(), Shard(0)))
    assert layout.twins == (0, 1, 2, 0, 1, 2)
    assert layout.writers == (True, True, True, False, False, False)
    sums = Layout(init_device_mesh("cpu", (2, 2)), (8,), (Partial(), Replicate()))
    assert sums.twins == (0, 0, 2, 2)
    assert sums.partial == (0,) and not sums.replicated


def test_cuts_that_stay_keep_their_lengths() -> None:
    layout = Layout(init_device_mesh("cpu", (2, 2)), (8, 4), (Shard(0), Shard(1)), {0: (7, 1)})
    assert layout.with_placements([Shard(0), Replicate()]).lengths == ((0, (7, 1)),)
    assert layout.with_placements([Shard(0), Shard(0)]).lengths == ((0, (2, 2, 2, 2)),)
    assert layout.with_placements([Shard(0), Shard(1)]) == layout
    assert hash(layout.with_placements([Shard(0), Shard(1)])) == hash(layout)
    assert layout != Layout(layout.mesh, (8, 4), (Shard(0), Shard(1)))


def test_checked_placements() -> None:
    mesh = init_device_mesh("cpu", (2,))
    assert layout_of("f", mesh, (3, 4), [Shard(-1)]).placements == (Shard(1),)
    assert layout_of("f", mesh, (3, 4), None).replicated
    with pytest.raises(ValueError, match=r"f: expected one placement per mesh dimension \(1\)"):
        layout_of("f", mesh, (3,), [Shard(0), Shard(0)])
    with pytest.raises(IndexError, match=r"f: Shard\(2\) of a tensor of shape \(3, 4\)"):
        layout_of("f", mesh, (3, 4), [Shard(2)])
    with pytest.raises(IndexError, match=r"Shard\(0\) of a tensor of shape \(\)"):
        layout_of("f", mesh, (), [Shard(0)])
    with pytest.raises(TypeError, match="expected Shard, Replicate or Partial, got 0"):
        layout_of("f", mesh, (3,), [0])  # type: ignore[list-item]
