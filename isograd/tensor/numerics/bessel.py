"""Modified Bessel functions of the first kind, orders 0 and 1.

The power series has only positive terms, so it is exact to rounding; beyond 20 the asymptotic
series is. Source: DLMF 10.25.2 and 10.40.1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isograd.tensor.numerics.evaluation import blocked, horner, in_float64

__all__ = ["i0", "i0e", "i1", "i1e"]

_EDGE = 20.0


def _power_series(order: int) -> tuple[float, ...]:
    return tuple(1.0 / (math.factorial(k) * math.factorial(k + order)) for k in range(60))


def _asymptotic_series(order: int) -> tuple[float, ...]:
    terms = [1.0]
    for k in range(1, 26):
        terms.append(-terms[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8 * k))
    return tuple(terms)


_POWER = (_power_series(0), _power_series(1))
_ASYMPTOTIC = (_asymptotic_series(0), _asymptotic_series(1))


def _scaled(x: Any, order: int) -> Any:
    """``exp(-x)`` times the function, for x >= 0."""
    near = np.minimum(x, _EDGE)
    value = horner(near * near / 4, _POWER[order]) * np.exp(-near)
    if order:
        value = value * near / 2
    if not np.any(x > _EDGE):
        return value
    far = np.maximum(x, _EDGE)
    return np.where(
        x > _EDGE, horner(1 / far, _ASYMPTOTIC[order]) / np.sqrt(2 * math.pi * far), value
    )


@blocked
@in_float64
def i0e(x: Any) -> Any:
    """``exp(-|x|) * i0(x)``."""
    return _scaled(np.abs(x), 0)


@blocked
@in_float64
def i1e(x: Any) -> Any:
    """``exp(-|x|) * i1(x)``."""
    return np.copysign(_scaled(np.abs(x), 1), x)


@blocked
@in_float64
def i0(x: Any) -> Any:
    """Modified Bessel function of the first kind of order 0."""
    size = np.abs(x)
    half = np.exp(0.5 * size)  # in two steps: exp(size) overflows before the product does
    return np.where(np.isinf(size), np.inf, _scaled(size, 0) * half * half)


@blocked
@in_float64
def i1(x: Any) -> Any:
    """Modified Bessel function of the first kind of order 1."""
    size = np.abs(x)
    half = np.exp(0.5 * size)
    return np.copysign(np.where(np.isinf(size), np.inf, _scaled(size, 1) * half * half), x)
