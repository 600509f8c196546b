"""``torch.random``: forked draws leave the later ones alone. Run: pytest tests/test_random.py"""

from __future__ import annotations

import isograd as torch


def test_fork_restores_the_state() -> None:
    torch.random.manual_seed(5)
    want = torch.rand(4)
    torch.random.manual_seed(5)
    with torch.random.fork_rng():
        torch.manual_seed(77)
        torch.randn(100)
    assert (torch.rand(4) == want).all()
    assert torch.random.initial_seed() == 5


def test_a_disabled_fork_does_nothing() -> None:
    torch.manual_seed(5)
    want = torch.rand(4)
    torch.manual_seed(5)
    with torch.random.fork_rng(devices=[0], enabled=False):
        first = torch.rand(2)
    assert (torch.cat([first, torch.rand(2)]) == want).all()
