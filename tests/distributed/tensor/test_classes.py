"""Softmax and cross-entropy over a cut dimension: as on whole tensors, and nothing gathered.

Reference: the same operations on plain tensors, in float64.
Run: pytest tests/distributed/tensor/test_classes.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.nn.functional as F
from isograd.distributed.tensor import Shard, distribute_tensor, init_device_mesh
from tests.distributed.tensor.watch import nothing_gathered, values

ROWS, CLASSES = 6, 50


@pytest.fixture(autouse=True)
def _nothing_gathered() -> Iterator[None]:
    with nothing_gathered(ROWS):
        yield


def scores(dtype: Any = torch.float64) -> Any:
    return (8 * torch.randn(ROWS, CLASSES, generator=torch.Generator().manual_seed(3))).to(dtype)


def both(positions: tuple[int, ...], placements: list[Any], dtype: Any = torch.float64) -> Any:
    plain = scores(dtype)
    cut = distribute_tensor(plain, init_device_mesh("cpu", positions), placements)
    return cut.requires_grad_(), plain.requires_grad_()


MESHES = [((2,), [Shard(1)]), ((3,), [Shard(1)]), ((2, 3), [Shard(0), Shard(1)])]


@pytest.mark.parametrize(("positions", "placements"), MESHES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_over_the_cut_dimension(positions: Any, placements: Any, name: str) -> None:
    cut, plain = both(positions, placements)
    got, want = getattr(cut, name)(1), getattr(plain, name)(1)
    np.testing.assert_allclose(values(got), want.detach().numpy(), 1e-12)
    weight = torch.arange(float(want.numel()), dtype=torch.float64).reshape(want.shape)
    (got * weight).sum().backward()
    (want * weight).sum().backward()
    assert cut.grad._array.layout.placements == cut._array.layout.placements
    np.testing.assert_allclose(values(cut.grad), plain.grad.numpy(), 1e-9, 1e-12)


@pytest.mark.parametrize(("positions", "placements"), MESHES)
@pytest.mark.parametrize(
    "options", [{}, {"ignore_index": 7}, {"label_smoothing": 0.1}, {"reduction": "none"}], ids=str
)
def test_cross_entropy(positions: Any, placements: Any, options: Any) -> None:
    cut, plain = both(positions, placements)
    target = torch.tensor([0, 7, 49, 24, 25, 7])
    got, want = F.cross_entropy(cut, target, **options), F.cross_entropy(plain, target, **options)
    np.testing.assert_allclose(values(got), want.detach().numpy(), 1e-12)
    got.sum().backward()
    want.sum().backward()
    np.testing.assert_allclose(values(cut.grad), plain.grad.numpy(), 1e-9, 1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("positions", "placements"), MESHES)
def test_scores_that_are_not_finite(positions: Any, placements: Any) -> None:
    inf = torch.inf
    plain = scores()[:, :5].clone()
    plain[1, 3], plain[2, 3], plain[4, :], plain[5, 0] = inf, -inf, -inf, torch.nan
    plain[3, 1:3] = inf
    cut = distribute_tensor(plain, init_device_mesh("cpu", positions), placements)
    target = torch.tensor([0, 1, 2, 3, 4, 4])
    for fn in (
        lambda x: x.softmax(1), lambda x: x.log_softmax(1), lambda x: x.logsumexp(1),
        lambda x: F.cross_entropy(x, target, reduction="none"),
    ):  # fmt: skip
        np.testing.assert_allclose(values(fn(cut)), fn(plain).numpy(), 1e-12)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_nothing(name: str) -> None:
    plain = torch.zeros(0, 3)
    cut = distribute_tensor(plain, init_device_mesh("cpu", (2,)), [Shard(0)])
    assert getattr(cut, name)(0).full_tensor().tolist() == getattr(plain, name)(0).tolist()


def test_low_precision_is_computed_in_float32() -> None:
    cut, plain = both((3,), [Shard(1)], torch.bfloat16)
    for name in ("softmax", "log_softmax", "logsumexp"):
        got, want = getattr(cut, name)(1), getattr(plain, name)(1)
        assert got.dtype is torch.bfloat16
        np.testing.assert_allclose(
            values(got).astype(np.float32), want.detach().float().numpy(), 1e-2, 1e-6
        )


def test_infinite_scores() -> None:
    plain = torch.full((2, 6), -float("inf"))
    plain[0, 4] = 1.0
    cut = distribute_tensor(plain, init_device_mesh("cpu", (3,)), [Shard(1)])
    np.testing.assert_array_equal(values(cut.logsumexp(1)), np.array([1.0, -np.inf], np.float32))
    np.testing.assert_array_equal(values(cut[:1].softmax(1)), plain[:1].softmax(1).numpy())


def test_a_class_that_does_not_exist() -> None:
    cut, _ = both((2,), [Shard(1)])
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        F.cross_entropy(cut, torch.tensor([0, 1, 2, 3, 4, CLASSES]))
