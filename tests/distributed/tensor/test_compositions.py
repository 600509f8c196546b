"""Operations over a cut dimension that are made of others: where their results lie, and odd values.

The values on small inputs are checked by test_records.py; here is what it does not see: that
nothing is gathered, ties, nan, low precision, empty parts. Reference: the same operation on plain
tensors. Run: pytest tests/distributed/tensor/test_compositions.py
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.distributed.tensor import Partial, Shard, distribute_tensor, init_device_mesh
from tests.distributed.tensor.watch import nothing_gathered, values

POSITIONS = (2, 3, 5)


def placed(x: Any, dim: int, positions: int) -> Any:
    return distribute_tensor(x, init_device_mesh("cpu", (positions,)), [Shard(dim)])


def same(got: Any, want: Any, rtol: float = 1e-6) -> None:
    a, b = values(got), want.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol, rtol)


@pytest.fixture
def _nothing_gathered() -> Iterator[None]:
    with nothing_gathered(16):
        yield


@pytest.mark.usefixtures("_nothing_gathered")
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("dim", [0, None])
def test_the_first_of_equal_extremes(positions: int, dim: int | None) -> None:
    x = torch.tensor([[2.0, 7, 1, 9, 0], [5, 7, 3, 9, 0], [5, 1, 3, 2, 0], [1, 7, 3, 2, 0]])
    x = torch.cat([x, x * 0.5])
    for name in ("argmax", "argmin"):
        got, want = (getattr(t, name)(dim) for t in (placed(x, 0, positions), x))
        same(got, want)


def test_nan_is_the_extreme() -> None:
    x = torch.tensor([1.0, float("nan"), 3.0, float("nan"), 5.0])
    d = placed(x, 0, 3)
    assert int(d.argmax()) == int(x.argmax()) == 1
    values, places = d.max(0)
    assert math.isnan(values.item()) and int(places) == 1


@pytest.mark.usefixtures("_nothing_gathered")
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("p", [0, 1, 2, 3.5, math.inf, -math.inf])
def test_norms_over_the_cut_dimension(positions: int, p: float) -> None:
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
    d = placed(x, 0, positions)
    same(torch.linalg.vector_norm(d, p), torch.linalg.vector_norm(x, p))
    same(torch.linalg.vector_norm(d, p, 0), torch.linalg.vector_norm(x, p, 0))


def test_a_norm_of_bfloat16_is_taken_in_float32() -> None:
    x = torch.full((600,), 1.0, dtype=torch.bfloat16)
    got = torch.linalg.vector_norm(placed(x, 0, 3))
    assert got.dtype is torch.bfloat16
    same(got, torch.linalg.vector_norm(x))


@pytest.mark.usefixtures("_nothing_gathered")
@pytest.mark.parametrize("positions", POSITIONS)
def test_elements_picked_out_of_other_parts(positions: int) -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(9, 5, generator=generator)
    index = torch.randint(0, 9, (2, 5), generator=generator)
    a, b = placed(x, 0, positions).requires_grad_(), x.clone().requires_grad_()
    got, want = a.gather(0, index), b.gather(0, index)
    assert got._array.layout.placements == (Partial("sum"),)
    same(got, want)
    (got * got).sum().backward()
    (want * want).sum().backward()
    same(a.grad, b.grad)


def test_an_index_beyond_all_parts_is_refused() -> None:
    with pytest.raises(RuntimeError, match="out of bounds for dimension 0 with size 4"):
        placed(torch.ones(4, 2), 0, 2).gather(0, torch.tensor([[4, 0]]))


@pytest.mark.usefixtures("_nothing_gathered")
@pytest.mark.parametrize("positions", POSITIONS)
def test_running_sums_go_on_from_part_to_part(positions: int) -> None:
    x = torch.arange(24.0).reshape(8, 3)
    got = placed(x, 0, positions).cumsum(0)
    assert got._array.layout.placements == (Shard(0),)
    same(got, x.cumsum(0))


@pytest.mark.usefixtures("_nothing_gathered")
@pytest.mark.parametrize("positions", POSITIONS)
def test_counts_and_sums_by_number(positions: int) -> None:
    numbers = torch.tensor([3, 0, 3, 1, 6, 3, 3, 0, 0, 1, 2, 5, 5, 5, 5, 4, 4, 0])
    weights = torch.arange(18.0)
    d, w = placed(numbers, 0, positions), placed(weights, 0, positions)
    for got, want in (
        (d.bincount(), numbers.bincount()),
        (d.bincount(minlength=9), numbers.bincount(minlength=9)),
        (d.bincount(w), numbers.bincount(weights)),
        (d[d > 9].bincount(), numbers[numbers > 9].bincount()),
        (d[d > 9].bincount(minlength=2), numbers[numbers > 9].bincount(minlength=2)),
        (torch.ones(7).scatter_add(0, d, w), torch.ones(7).scatter_add(0, numbers, weights)),
    ):
        assert got._array.layout.placements == (Partial("sum"),)
        same(got, want)


@pytest.mark.parametrize("positions", POSITIONS)
def test_places_of_what_is_not_zero(positions: int) -> None:
    x = torch.tensor([[0, 1, 0], [0, 0, 0], [2, 0, 3], [0, 4, 0], [5, 0, 0], [0, 0, 6]])
    d = placed(x, 0, positions)
    same(d.nonzero(), x.nonzero())
    for got, want in zip(d.nonzero(as_tuple=True), x.nonzero(as_tuple=True), strict=True):
        assert got._array.layout.placements == (Shard(0),)
        same(got, want)


def test_numbers_looked_at_before_they_are_used() -> None:
    """one_hot, histc and bincount look for the smallest and largest of all parts."""
    x = torch.tensor([2, 0, 1, 4])
    one_hot = torch.nn.functional.one_hot
    same(one_hot(placed(x, 0, 3)), one_hot(x))
    values = torch.tensor([0.5, -1.0, 4.0, 2.0, 2.5])
    same(torch.histc(placed(values, 0, 2), 4), torch.histc(values, 4))
    with pytest.raises(RuntimeError, match="non-negative"):
        placed(x - 1, 0, 2).bincount()
