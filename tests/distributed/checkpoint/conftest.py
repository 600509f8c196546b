"""A model with an optimizer that has taken steps, for the tests of checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import isograd as torch
from isograd import nn


def make(seed: int, steps: int = 2) -> dict[str, Any]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(5, 4)).square().mean().backward()
        optimizer.step()
    return {"model": model, "optimizer": optimizer}


def same(a: Any, b: Any) -> bool:
    """Whether two nestings hold the same values, tensors to the bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and bool(torch.equal(a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "state_dict"):
        return same(a.state_dict(), b.state_dict())
    return bool(a == b)


@pytest.fixture
def trained() -> Callable[..., dict[str, Any]]:
    return make


@pytest.fixture
def equal() -> Callable[[Any, Any], bool]:
    return same
