"""``torch.backends.cudnn`` and ``mps``: hints that are kept. Run: pytest tests/backends"""

from __future__ import annotations

import isograd as torch


def test_flags_are_kept_and_restored() -> None:
    cudnn = torch.backends.cudnn
    assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, False, False)
    with cudnn.flags(enabled=True, benchmark=True, deterministic=True, allow_tf32=False):
        assert (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (True, True, False)
    assert (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (False, False, True)


def test_libraries_that_are_not_used_say_so() -> None:
    assert not torch.backends.cudnn.is_available()
    assert torch.backends.cudnn.version() is None
    assert not torch.backends.cudnn.is_acceptable(torch.ones(1))
    assert not torch.backends.mps.is_available()
    assert not torch.backends.mps.is_built()
