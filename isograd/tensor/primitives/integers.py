"""Greatest common divisor and least common multiple."""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.primitive import Sample
from isograd.tensor.primitives.elementwise import binary

__all__ = ["gcd", "lcm"]


def _whole(name: str) -> Any:
    def forward(xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind not in "iu":
            raise RuntimeError(f"\"{name}_cpu\" not implemented for '{x.dtype}': integers only")
        return getattr(xp, name)(x, y)

    return forward


def _samples(make: Any) -> list[Sample]:
    return [((np.array([4, 6, 0]), np.array([6, 9, 5])), {})]


gcd = binary("gcd", _whole("gcd"), None, "Greatest common divisor of integers.", numbers="none",
             samples=_samples)  # fmt: skip
lcm = binary("lcm", _whole("lcm"), None, "Least common multiple of integers.", numbers="none",
             samples=_samples)  # fmt: skip
