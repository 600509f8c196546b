"""Rows by number along a cut dimension: values, where they lie, gradients, and what travels.

Reference: the same operations on plain tensors.
Run: pytest tests/distributed/tensor/test_picking.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
from isograd.distributed.tensor import Shard, distribute_tensor, init_device_mesh, rows
from tests.distributed.tensor.watch import nothing_gathered, values

B = 7


def numbers(*shape: int, high: int = B, seed: int = 0) -> Any:
    return torch.randint(-high, high, shape, generator=torch.Generator().manual_seed(seed))


LAST = numbers(B, high=5, seed=3)
PICKS: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("last steps", lambda x, cut: x[torch.arange(B), LAST]),
    ("last steps, cut alike", lambda x, cut: x[torch.arange(B), cut(LAST)]),
    ("rows and places", lambda x, cut: x[torch.arange(B)[:, None], cut(numbers(B, 2, high=5))]),
    ("a permutation", lambda x, cut: x[torch.randperm(B)]),
    ("some rows", lambda x, cut: x[torch.tensor([6, 0, 6, -1, 3])]),
    ("none", lambda x, cut: x[torch.zeros(0, dtype=torch.int64)]),
    ("neighbours", lambda x, cut: x[cut(numbers(B, 3))].mean(1)),
    ("beside a slice", lambda x, cut: x[numbers(4), 1:, numbers(4, high=3)]),
    ("behind", lambda x, cut: x.transpose(0, 1)[:, numbers(9)]),
    ("index_select", lambda x, cut: x.index_select(0, cut(numbers(B) % B))),
    ("mask of all", lambda x, cut: x[torch.arange(B) % 2 == 0] * 2),
    ("mask of elements", lambda x, cut: x[torch.ones(B, 5).tril().bool()]),
    ("flip", lambda x, cut: x.flip(0, 2) + x.flip((0,))),
    ("roll", lambda x, cut: x.roll((3, 1), (0, 1)) - x.roll(-1, 0)),
]


def outcome(x: Any, cut: Callable[[Any], Any], fn: Callable[[Any, Any], Any]) -> list[Any]:
    """A result, its gradient, and the gradient of that."""
    torch.manual_seed(5)
    y = fn(x, cut)
    (g,) = torch.autograd.grad((y * y * y).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad((g * g).sum(), x)
    return [y, g, h]


def both(fn: Callable[[Any, Any], Any], positions: int) -> Any:
    """Pairs of results in parts and of plain ones."""
    mesh = init_device_mesh("cpu", (positions,))

    def cut(t: Any) -> Any:
        return distribute_tensor(t, mesh, [Shard(0)])

    x = torch.randn(B, 5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = outcome(cut(x).requires_grad_(), cut, fn)
    wanted = outcome(x.clone().requires_grad_(), lambda t: t, fn)
    assert all(p.is_shard() for p in found[0]._array.layout.placements)
    assert found[1]._array.layout.placements == (Shard(0),)
    return zip(found, wanted, strict=True)


@pytest.mark.parametrize("positions", [2, 3, 5, 9])
@pytest.mark.parametrize(("name", "fn"), PICKS, ids=[name for name, _ in PICKS])
def test_picks(name: str, fn: Callable[[Any, Any], Any], positions: int) -> None:
    with nothing_gathered(3 * B):  # the numbers
        pairs = both(fn, positions)
    for a, b in pairs:
        np.testing.assert_allclose(values(a), b.detach().numpy(), 1e-9)


def test_over_processes() -> None:
    """Rows travel between processes that own several positions each."""

    def program(rank: int) -> None:
        for _, fn in PICKS:
            for a, b in both(fn, 5):
                np.testing.assert_allclose(a.full_tensor().detach().numpy(), b.detach().numpy())

    dist.run_local(3, program)


def test_rows_that_are_there_do_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def travel(mesh: Any, like: Any, chunk: Any, count: Any) -> Any:
        every = range(mesh.positions)
        sent.append(sum(count(s, t) for s in every for t in every if s != t))
        return chunk

    monkeypatch.setattr(rows, "_travel", travel)
    both(PICKS[0][1], 3)
    both(PICKS[1][1], 3)
    assert sent and not any(sent)


def test_a_number_out_of_bounds_is_refused() -> None:
    x = distribute_tensor(torch.ones(4, 2), init_device_mesh("cpu", (2,)), [Shard(0)])
    with pytest.raises(IndexError, match="index 4 is out of bounds for dimension 0 with size 4"):
        x[torch.tensor([0, 4])]


WRITES: list[tuple[str, Callable[[Any, Any, Any], Any]]] = [
    ("a number", lambda x, v, cut: x.__setitem__((torch.arange(B), LAST), 3.0)),
    ("less a margin", lambda x, v, cut: x.__setitem__(
        (torch.arange(B), cut(LAST)), x[torch.arange(B), cut(LAST)] - 0.5)),
    ("values of others", lambda x, v, cut: x.__setitem__(torch.tensor([5, 0, 3]), v[:3])),
    ("the last of equal ones", lambda x, v, cut: x.__setitem__(torch.tensor([1, 6, 1, 1]), v[:4])),
    ("added", lambda x, v, cut: x.index_put_((torch.tensor([1, 6, 1]),), v[2:5], accumulate=True)),
    ("one for all", lambda x, v, cut: x.__setitem__(torch.tensor([1, 6]), v[0, 0])),
]  # fmt: skip


@pytest.mark.parametrize("positions", [3, 5])
@pytest.mark.parametrize(("name", "fn"), WRITES, ids=[name for name, _ in WRITES])
def test_writes(name: str, fn: Callable[[Any, Any, Any], Any], positions: int) -> None:
    mesh = init_device_mesh("cpu", (positions,))
    generator = torch.Generator().manual_seed(2)
    x0, v0 = (torch.randn(B, 5, 3, generator=generator) for _ in range(2))
    made = []
    for place in (lambda t: t, lambda t: distribute_tensor(t, mesh, [Shard(0)])):
        x, v = (place(t.clone()).requires_grad_() for t in (x0, v0))
        y = x * 2
        fn(y, v, place)
        (y * y).sum().backward()
        made.append([y, x.grad, v.grad])
    for a, b in zip(made[1], made[0], strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(values(a), b.detach().numpy(), 1e-5, 1e-6)


def test_what_is_added_to_a_whole_is_a_part_of_a_sum() -> None:
    mesh = init_device_mesh("cpu", (3,))
    x, at = torch.randn(B, 2), torch.tensor([0, 2, 2, 1, 0, 2, 2])
    cut = distribute_tensor(x, mesh, [Shard(0)])
    found = torch.zeros(3, 2).index_add(0, distribute_tensor(at, mesh, [Shard(0)]), cut)
    assert found._array.layout.placements[0].is_partial("sum")
    np.testing.assert_allclose(values(found), torch.zeros(3, 2).index_add(0, at, x), 1e-6, 1e-6)


def test_a_plain_tensor_is_cut_as_what_is_written_to_it() -> None:
    mesh = init_device_mesh("cpu", (3,))
    mesh.implicit = True
    x = torch.randn(B, 2, generator=torch.Generator().manual_seed(4))
    cut = distribute_tensor(x, mesh, [Shard(0)])
    labels = distribute_tensor(LAST % 2, mesh, [Shard(0)])
    mask = distribute_tensor(torch.arange(B) > 2, mesh, [Shard(0)])
    with nothing_gathered(0):
        steps, hot, some = torch.zeros(4, B, 2), torch.zeros(B, 2), torch.ones(B, 2)
        for t in range(4):
            steps[t] = cut * t
        hot.scatter_(1, labels.unsqueeze(1), 1.0)
        some[mask] = cut[mask]
    assert [t._array.layout.placements[0] for t in (steps, hot, some)] == [
        Shard(1), Shard(0), Shard(0),
    ]  # fmt: skip
    np.testing.assert_array_equal(values(steps), np.stack([x.numpy() * t for t in range(4)]))
    np.testing.assert_array_equal(values(hot).argmax(1), (LAST % 2).numpy())
    np.testing.assert_array_equal(values(some)[3:], x.numpy()[3:])


def test_a_plain_tensor_that_others_see_stays_plain() -> None:
    mesh = init_device_mesh("cpu", (3,))
    mesh.implicit = True
    x = torch.randn(B, 2, generator=torch.Generator().manual_seed(4))
    cut = distribute_tensor(x, mesh, [Shard(0)])
    whole = torch.zeros(B, 2)
    seen, row = whole.numpy(), whole[0]
    whole.copy_(cut)
    np.testing.assert_array_equal(seen, x.numpy())
    np.testing.assert_array_equal(row.numpy(), x[0].numpy())
