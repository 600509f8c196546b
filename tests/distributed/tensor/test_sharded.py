"""The face of an array in pieces: what everything else asks of an array.

Reference: the whole NumPy array. pytest tests/distributed/tensor/test_sharded.py
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
from isograd.distributed.tensor import Partial, Replicate, Shard, init_device_mesh
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import wrap
from tests.distributed.tensor.move_checks import held, values

PLACEMENTS = [Replicate(), Shard(0), Shard(1), Partial()]


def array(*placements: Any, shape: tuple[int, ...] = (4, 3), mesh: Any = (3,)) -> ShardedArray:
    layout = Layout(init_device_mesh("cpu", mesh), shape, placements)
    return held(values(*shape), layout)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_shape_and_type(placement: Any) -> None:
    a, x = array(placement), values(4, 3)
    assert (a.shape, a.ndim, a.size, a.nbytes) == (x.shape, x.ndim, x.size, x.nbytes)
    assert a.dtype == x.dtype and a.strides == x.strides and a.flags.c_contiguous
    np.testing.assert_array_equal(np.asarray(a), x)
    assert np.asarray(a, np.float32).dtype == np.float32


def test_strides_of_empty_parts() -> None:
    """NumPy gives arrays without elements any strides; they say nothing of the whole."""
    t = wrap(array(Shard(0), shape=(2, 3), mesh=(4,))) * 2
    assert t.stride() == (3, 1) and t.is_contiguous()
    t.mul_(2)
    assert t.full_tensor().tolist() == (4 * values(2, 3)).tolist()
    assert wrap(array(Shard(0), shape=(8, 3))).mT.stride() == (1, 3)
    assert wrap(array(Shard(0), shape=(0, 3))).stride() == (3, 1)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_numbers_out(placement: Any) -> None:
    a = array(placement)
    assert (a.sum(), a.min(), a.max(), a.all(), a.any()) == (78, 1, 12, True, True)
    assert len(a.nonzero()[0]) == 12
    number = held(values(), Layout(init_device_mesh("cpu", (3,)), (), (Partial(),)))
    assert (number.item(), float(number), int(number), bool(number)) == (1.0, 1.0, 1, True)
    assert operator.index(number.astype(np.int64)) == 1


def test_sums_are_completed_once() -> None:
    a = array(Partial())
    a.whole()
    assert a.layout.replicated and a.pieces[0] is a.pieces[2]
    assert not array(Shard(0)).layout.replicated


def test_types_of_parts_of_sums() -> None:
    """Rounded parts would not add up to the rounded sum."""
    layout = Layout(init_device_mesh("cpu", (2,)), (2,), (Partial(),))
    halves = ShardedArray(layout, [np.array([0.5, 1.5])] * 2)
    assert halves.astype(np.int64).whole().tolist() == [1, 3]
    halves = ShardedArray(layout, [np.array([0.5, 1.5])] * 2)
    assert halves.astype(np.float32).layout.partial
    assert not halves.astype(np.float16).layout.partial
    assert halves.astype(np.float64, copy=False) is halves


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_writes(placement: Any) -> None:
    other = values(4, 3)[::-1] * 10
    for given in (other, held(other, array(Shard(1)).layout), np.float64(7), values(3)):
        a = array(placement)
        a[...] = given
        want = np.broadcast_to(np.asarray(given), (4, 3))
        np.testing.assert_array_equal(np.asarray(a), want)
        assert a.layout.placements == (placement,) or a.layout.replicated
    a.fill(3)
    assert np.asarray(a).tolist() == np.full((4, 3), 3.0).tolist()
    with pytest.raises(TypeError, match=r"expected assignment to \[...\]"):
        a[0] = 1


@pytest.mark.parametrize("a", PLACEMENTS)
@pytest.mark.parametrize("b", PLACEMENTS)
def test_adding_in_place(a: Any, b: Any) -> None:
    left, right = array(a), array(b)
    left += right
    np.testing.assert_array_equal(np.asarray(left), 2 * values(4, 3))
    np.testing.assert_array_equal(np.asarray(right), values(4, 3))


def test_copies_stay_one() -> None:
    """What positions share is copied and written once."""
    a = array(Replicate(), Shard(0), mesh=(2, 3))
    assert a.pieces[0] is a.pieces[3]
    copied = a.copy()
    assert copied.pieces[0] is copied.pieces[3] is not a.pieces[0]
    a += copied
    np.testing.assert_array_equal(np.asarray(a), 2 * values(4, 3))


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_full(placement: Any) -> None:
    made = array(placement).full(2, np.dtype(np.int64))
    assert made.dtype == np.int64 and np.asarray(made).tolist() == np.full((4, 3), 2).tolist()


def test_views_of_parts_of_a_sum_stay_its_views() -> None:
    """Though one of the two is looked at, and so completed, before the other is written to."""
    t = wrap(array(Partial()))
    view = t.view(12)
    assert t.sum().item() == 78
    t.add_(1)
    assert view.full_tensor().tolist() == (values(12) + 1).tolist()
    view.mul_(2)
    assert t.full_tensor().tolist() == (2 * values(4, 3) + 2).tolist()


def test_parts_for_files() -> None:
    def program(rank: int) -> list[tuple[tuple[int, ...], list[Any]]]:
        layout = Layout(init_device_mesh("cpu", (2, 2)), (4, 2), (Replicate(), Shard(0)))
        return [(at, part.tolist()) for at, part in held(values(4, 2), layout).own_parts()]

    assert sum(dist.run_local(2, program), []) == [
        ((0, 0), [[1.0, 2.0], [3.0, 4.0]]), ((2, 0), [[5.0, 6.0], [7.0, 8.0]]),
    ]  # fmt: skip
    a = array(Shard(1))
    a.fill_from(lambda at, n: 5 * values(4, 3)[:, at[1] : at[1] + n[1]])
    assert np.asarray(a).tolist() == (5 * values(4, 3)).tolist()
    with pytest.raises(RuntimeError, match="cannot be read from a file"):
        array(Partial()).fill_from(lambda at, n: np.zeros(n))


def test_printing() -> None:
    assert repr(wrap(array(Shard(0), shape=(2, 2)))) == repr(torch.tensor(values(2, 2)))
