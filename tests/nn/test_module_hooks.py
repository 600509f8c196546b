"""Hooks of modules.

Run: pytest tests/nn/test_module_hooks.py
"""

from __future__ import annotations

from typing import Any

import pytest

import isograd as torch
from isograd import nn


class Pair(nn.Module):
    def forward(self, x: Any, y: Any = 1.0) -> Any:
        return x * 2, x * 3 * y


def test_forward_hooks_see_and_replace() -> None:
    m = nn.Linear(2, 2)
    seen: list[str] = []
    m.register_forward_pre_hook(lambda mod, args: seen.append("pre"))
    m.register_forward_pre_hook(lambda mod, args: args[0] * 0, prepend=False)
    m.register_forward_hook(lambda mod, args, out: out + 1)
    m.register_forward_hook(lambda mod, args, out: seen.append("first"), prepend=True)
    out = m(torch.ones(1, 2))
    assert seen == ["pre", "first"]
    assert torch.equal(out, m.bias.reshape(1, 2) + 1)


def test_with_kwargs() -> None:
    m = Pair()
    m.register_forward_pre_hook(
        lambda mod, args, kwargs: (args, {"y": kwargs["y"] * 2}), with_kwargs=True
    )
    m.register_forward_hook(lambda mod, args, kwargs, out: (kwargs["y"], out[1]), with_kwargs=True)
    y, out = m(torch.ones(1), y=5.0)
    assert y == 10
    assert out.item() == 30
    m.register_forward_pre_hook(lambda mod, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple of"):
        m(torch.ones(1), y=5.0)


def test_handles() -> None:
    m = nn.ReLU()
    calls: list[int] = []
    with m.register_forward_hook(lambda *a: calls.append(1)):
        m(torch.ones(1))
    m(torch.ones(1))
    handle = m.register_forward_pre_hook(lambda *a: calls.append(2), with_kwargs=True)
    handle.remove()
    handle.remove()
    m(torch.ones(1))
    assert calls == [1]
    assert not m._forward_pre_hooks_with_kwargs


def test_always_called() -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("broken")

    m = Broken()
    calls: list[Any] = []
    m.register_forward_hook(lambda mod, args, out: calls.append(out), always_call=True)
    m.register_forward_hook(lambda mod, args, out: calls.append("never"))
    with pytest.raises(ValueError, match="broken"):
        m(torch.ones(1))
    assert calls == [None]


def test_full_backward_hook_sees_and_replaces() -> None:
    m = Pair()
    seen: list[Any] = []

    def hook(mod: Any, grad_input: Any, grad_output: Any) -> Any:
        seen.append((grad_input, grad_output))
        return (grad_input[0] * 10,)

    m.register_full_backward_hook(hook)
    x = torch.ones(2, requires_grad=True)
    a, b = m(x)
    (a + b * 2).sum().backward()
    (grad_input,), (ga, gb) = seen[0]
    assert grad_input.tolist() == [8, 8]
    assert (ga.tolist(), gb.tolist()) == ([1, 1], [2, 2])
    assert x.grad is not None
    assert x.grad.tolist() == [80, 80]


def test_full_backward_hook_without_input_gradient() -> None:
    m = nn.Linear(2, 1)
    seen: list[Any] = []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi, go[0].item())))
    m(torch.ones(1, 2)).sum().backward()
    assert seen == [((None,), 1.0)]
    with torch.no_grad():
        m(torch.ones(1, 2))
    assert len(seen) == 1


def test_full_backward_pre_hook() -> None:
    m = nn.Identity()
    m.register_full_backward_pre_hook(lambda mod, grad_output: (grad_output[0] * 3,))
    x = torch.ones(2, requires_grad=True)
    m(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3, 3]


def test_backward_hook_must_return_as_many() -> None:
    m = nn.Identity()
    m.register_full_backward_hook(lambda mod, gi, go: (gi[0], gi[0]))
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        m(x).sum().backward()
