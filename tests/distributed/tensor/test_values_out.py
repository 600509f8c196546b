"""Where the values of a tensor in parts are looked at: draws, error checks, gradients added up.

Reference: the same on plain tensors. pytest tests/distributed/tensor/test_values_out.py
"""

from __future__ import annotations

import pytest

import isograd as torch
from isograd.distributed.tensor import Shard, distribute_tensor, init_device_mesh
from isograd.distributions import Categorical


@pytest.fixture(params=[1, 3, 4])
def mesh(request: pytest.FixtureRequest) -> torch.distributed.DeviceMesh:
    mesh = init_device_mesh("cpu", (request.param,))
    mesh.implicit = True
    return mesh


def parts(t: torch.Tensor, mesh: torch.distributed.DeviceMesh) -> torch.Tensor:
    return distribute_tensor(t, mesh, [Shard(0)])


@pytest.mark.parametrize(
    "draw",
    [
        lambda p: torch.multinomial(p, 2),
        lambda p: torch.bernoulli(p),
        lambda p: Categorical(p).sample(),
        lambda p: torch.zeros(5, 4).bernoulli_(p),
        lambda p: torch.randn_like(p),
        lambda p: torch.normal(p, 2 * p),
        lambda p: torch.dropout(p, 0.5, True),
    ],
)
@pytest.mark.filterwarnings("ignore:.*cannot be computed in parts")
def test_draws_do_not_depend_on_the_parts(draw, mesh) -> None:
    chances = torch.rand(5, 4)
    torch.manual_seed(3)
    expected = draw(chances)
    torch.manual_seed(3)
    assert torch.equal(draw(parts(chances, mesh)).full_tensor(), expected)


def test_a_gradient_of_parts_is_added_to_one_that_is_whole(mesh) -> None:
    x = torch.randn(5, 3)
    grads = []
    for data in (x, parts(x, mesh)):
        w = torch.ones(3, requires_grad=True)
        (w * w).sum().backward()
        (data @ w).exp().mean().backward()
        (w * 2).sum().backward()
        grads.append(w.grad.full_tensor())
    assert torch.allclose(grads[0], grads[1])
