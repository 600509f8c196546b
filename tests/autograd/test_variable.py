"""Variable, torch's former name for tensors with history.

Run: pytest tests/autograd/test_variable.py
"""

from __future__ import annotations

import pytest

import isograd as torch
from isograd.autograd import Variable
from isograd.autograd.graph import saved_tensors_hooks


def test_a_variable_is_a_tensor_over_the_same_memory() -> None:
    data = torch.zeros(2)
    x = Variable(data, requires_grad=True)
    assert isinstance(x, torch.Tensor)
    assert isinstance(data, Variable)
    assert not isinstance([1.0], Variable)
    data[0] = 3
    (x * 2).sum().backward()
    assert x.tolist() == [3, 0]
    assert x.grad.tolist() == [2, 2]
    assert torch.autograd.variable.Variable is Variable


def test_nonsense() -> None:
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got list"):
        Variable([1.0])  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="volatile was removed"):
        Variable(torch.ones(1), volatile=True)


def test_saved_tensors_pass_through_hooks() -> None:
    seen = []

    def pack(t: torch.Tensor) -> torch.Tensor:
        seen.append(t.shape)
        return t

    x = torch.ones(3, requires_grad=True)
    with saved_tensors_hooks(pack, lambda t: t):
        y = (x * 0).exp()
    y.sum().backward()
    assert (3,) in seen
    assert x.grad.tolist() == [0, 0, 0]
