"""``torch.backends.cudnn``'s switches, kept as hints: convolutions here are matrix products.

* ``deterministic = True`` asks for what is so: they give the same bits in every run.
* ``benchmark = True`` asks to try several algorithms; there is one.
* ``allow_tf32`` allows what is not made use of: `isograd.backends.cuda.matmul` decides it for
  convolutions too. ``enabled`` allows cuDNN, which is not used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["allow_tf32", "benchmark", "benchmark_limit", "deterministic", "enabled", "flags",
           "is_acceptable", "is_available", "version"]  # fmt: skip

enabled = True
benchmark = False
benchmark_limit: int | None = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False: cuDNN is not used."""
    return False


def version() -> int | None:
    """None: cuDNN is not used."""
    return None


def is_acceptable(tensor: object) -> bool:
    """False: cuDNN computes nothing here."""
    return False


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int | None = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Iterator[None]:
    """Set the switches inside a ``with`` block."""
    module = sys.modules[__name__]
    wanted = {
        "enabled": enabled, "benchmark": benchmark, "benchmark_limit": benchmark_limit,
        "deterministic": deterministic, "allow_tf32": allow_tf32,
    }  # fmt: skip
    before = {name: getattr(module, name) for name in wanted}
    vars(module).update(wanted)
    try:
        yield
    finally:
        vars(module).update(before)
