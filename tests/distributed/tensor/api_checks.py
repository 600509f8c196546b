"""What DTensors must do for any number of processes, one position each or several.

Subclasses give `ranks` and `run(program)`: `program(rank)` on every rank; the results of the ranks
this process has come back as ``[(rank, result), ...]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd import nn
from isograd.data.view import shares
from isograd.distributed.tensor import (
    DTensor,
    Partial,
    Replicate,
    Shard,
    distribute_module,
    distribute_tensor,
    init_device_mesh,
    randn,
    zeros,
)


def whole(*shape: int) -> Any:
    return torch.arange(float(np.prod(shape))).reshape(shape).clone()


def part(x: Any, rank: int, ranks: int, dim: int = 0) -> Any:
    return x.split(shares(x.shape[dim], ranks), dim)[rank]


class ApiChecks:
    ranks: int

    def run(self, program: Any) -> list[tuple[int, Any]]:
        raise NotImplementedError

    @pytest.mark.parametrize("dim", [0, 1, -1])
    def test_local_parts(self, dim: int) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks,))
            d = distribute_tensor(whole(5, 3), mesh, [Shard(dim)])
            assert isinstance(d, DTensor) and d.placements == (Shard(dim % 2),)
            assert d.shape == (5, 3) and d.device_mesh is mesh
            return d.to_local().tolist(), d.full_tensor().tolist()

        for rank, (mine, all_of_it) in self.run(program):
            assert mine == part(whole(5, 3), rank, self.ranks, dim % 2).tolist()
            assert all_of_it == whole(5, 3).tolist()

    def test_from_local_parts_of_any_length(self) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks,))
            mine = torch.full((2 * rank, 3), float(rank), requires_grad=True)
            d = DTensor.from_local(mine, mesh, [Shard(0)])
            (d * whole(*d.shape)).sum().backward()
            return d.shape, d.full_tensor()[:, 0].tolist(), mine.grad.tolist()

        n = self.ranks
        rows = n * (n - 1)
        weights = whole(rows, 3)
        for rank, (shape, column, grad) in self.run(program):
            assert shape == (rows, 3)
            assert column == [float(r) for r in range(n) for _ in range(2 * r)]
            assert grad == weights[rank * (rank - 1) : rank * (rank + 1)].tolist()

    def test_from_local_sums_and_copies(self) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks,))
            grads, values = [], []
            for placement in (Partial(), Replicate()):
                mine = torch.tensor([1.0 + rank, 2.0], requires_grad=True)
                d = DTensor.from_local(mine, mesh, [placement])
                values.append(d.redistribute(placements=[Replicate()]).to_local().tolist())
                (d * torch.tensor([3.0, 4.0])).sum().backward()
                grads.append(mine.grad.tolist())
            return values, grads

        n = self.ranks
        for rank, (values, grads) in self.run(program):
            assert values == [[n * (n + 1) / 2, 2.0 * n], [1.0 + rank, 2.0]]
            assert grads == [[3.0, 4.0]] * 2

    def test_gradients_of_local_parts(self) -> None:
        """What each process computes from its part, and from all, flows back."""

        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks,))
            d = distribute_tensor(whole(4, 2).requires_grad_(), mesh, [Shard(0)])
            (d.to_local() * (rank + 1)).sum().backward()
            first = d.grad.full_tensor()[:, 0].tolist()
            d.grad = None
            d.full_tensor(grad_placements=[Partial()]).mul(rank + 1).sum().backward()
            added = d.grad.full_tensor()[0, 0].item()
            d.grad = None
            (d.full_tensor() * whole(4, 2)).sum().backward()
            return first, added, d.grad.full_tensor().tolist()

        n = self.ranks
        lengths = shares(4, n)
        for _, (first, added, everything) in self.run(program):
            assert first == [r + 1.0 for r, k in enumerate(lengths) for _ in range(k)]
            assert added == n * (n + 1) / 2
            assert everything == whole(4, 2).tolist()

    @pytest.mark.parametrize("extra", [0, 1, 3])
    def test_gradients_through_every_redistribution(self, extra: int) -> None:
        def program(rank: int) -> list[Any]:
            mesh = init_device_mesh("cpu", (self.ranks + extra,))
            kinds = [Replicate(), Shard(0), Shard(1)]
            found = []
            for a in kinds:
                for b in [*kinds, Partial()]:
                    d = distribute_tensor(whole(5, 3).requires_grad_(), mesh, [a])
                    moved = (d * d).redistribute(mesh, [b])
                    assert moved.placements == (b,)
                    (moved * whole(5, 3)).sum().backward()
                    assert d.grad.placements == (a,)
                    found.append(d.grad.full_tensor().tolist())
            return found

        want = (2 * whole(5, 3) * whole(5, 3)).tolist()
        for _, found in self.run(program):
            assert all(grad == want for grad in found)

    def test_second_derivatives(self) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks,))
            d = distribute_tensor(whole(5).requires_grad_(), mesh, [Shard(0)])
            y = d.full_tensor() ** 3
            (g,) = torch.autograd.grad(y.sum(), d, create_graph=True)
            (g.redistribute(placements=[Replicate()]) * 2).sum().backward()
            return d.grad.full_tensor().tolist()

        for _, grad in self.run(program):
            assert grad == (12 * whole(5)).tolist()

    def test_values_of_one_rank(self) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks,))
            mine = torch.full((3,), float(rank), requires_grad=True)
            last = distribute_tensor(mine, mesh, [Shard(0)], src_data_rank=self.ranks - 1)
            first = distribute_tensor(mine, mesh)
            own = distribute_tensor(mine, mesh, src_data_rank=None)
            assert first.is_leaf and first.requires_grad and mine.grad is None
            return last.full_tensor().tolist(), first.tolist(), own.to_local().tolist()

        for rank, (last, first, own) in self.run(program):
            assert last == [self.ranks - 1.0] * 3 and first == [0.0] * 3 and own == [rank] * 3

    def test_memory_of_its_own(self) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks + 1,))
            x = whole(4)
            d = distribute_tensor(x, mesh, [Shard(0)], src_data_rank=None)
            e = distribute_tensor(x, mesh, [Replicate()], src_data_rank=None)
            f = e.redistribute(placements=[Shard(0)])
            for t in (d, f):
                t.zero_()
            return x.tolist(), e.full_tensor().tolist()

        for _, found in self.run(program):
            assert found == (whole(4).tolist(), whole(4).tolist())

    def test_gradients_of_local_tensors_do_not_share_memory(self) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks,))
            a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
            for _ in range(2):
                total = sum(DTensor.from_local(t, mesh, [Shard(0)]) for t in (a, b))
                (total * total).sum().backward()
            return a.grad.tolist(), b.grad.tolist()

        for _, found in self.run(program):
            assert found == ([8.0, 8.0], [8.0, 8.0])

    def test_a_module_split_by_columns_and_rows(self) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks,))

            def cut(name: str, module: Any, mesh: Any) -> None:
                if isinstance(module, nn.Linear):
                    dim = 0 if name == "0" else 1
                    placed = distribute_tensor(module.weight, mesh, [Shard(dim)])
                    module.register_parameter("weight", nn.Parameter(placed))

            model = network()
            made = distribute_module(
                model, mesh, cut,
                input_fn=lambda m, inputs, mesh: (inputs[0] + 1,),
                output_fn=lambda m, out, mesh: out.full_tensor(),
            )  # fmt: skip
            assert made is model
            assert model[0].weight.placements == (Shard(0),)
            assert model[2].weight.placements == (Shard(1),)
            assert model[0].bias.placements == (Replicate(),)
            out = model(whole(3, 4) / 10)
            (out**2).sum().backward()
            grads = (p.grad.full_tensor().numpy() for p in model.parameters())
            return [out.detach().numpy(), *grads]

        model = network()
        out = model(whole(3, 4) / 10 + 1)
        (out**2).sum().backward()
        want = [out.detach().numpy(), *(p.grad.numpy() for p in model.parameters())]
        for _, found in self.run(program):
            for a, b in zip(found, want, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5)

    def test_run_check(self) -> None:
        def program(rank: int) -> str:
            mesh = init_device_mesh("cpu", (self.ranks,))
            mine = torch.zeros(2, 3 + rank)
            with pytest.raises(RuntimeError) as error:
                DTensor.from_local(mine, mesh, [Shard(0)], run_check=True)
            return str(error.value)

        if self.ranks > 1:
            for _, text in self.run(program):
                assert "DTensor.from_local: the local tensor of position" in text

    def test_made_in_place(self) -> None:
        def program(rank: int) -> Any:
            mesh = init_device_mesh("cpu", (self.ranks + 1,))
            drawn = randn(4, 2, device_mesh=mesh, placements=[Shard(0)]).full_tensor()
            return drawn.tolist(), zeros(3, device_mesh=mesh).full_tensor().tolist()

        found = [made for _, made in self.run(program)]
        assert all(made == found[0] for made in found)
        assert found[0][1] == [0.0] * 3


def network() -> Any:
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.cos(whole(*p.shape)))
    return model
