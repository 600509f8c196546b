"""Polynomials on arrays, and evaluation in blocks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

__all__ = ["blocked", "horner", "in_float64"]

_BLOCK = 32768  # elements: a few float64 buffers of this size fit into a core's cache

Function = Callable[..., Any]


def horner(t: Any, coefficients: Sequence[float]) -> Any:
    """``c[0] + c[1] t + c[2] t**2 + ...`` in t's dtype."""
    number = t.dtype.type
    result = t * number(coefficients[-1])
    for c in coefficients[-2:0:-1]:
        result += number(c)
        result *= t
    result += number(coefficients[0])
    return result


def blocked(fn: Function) -> Function:
    """Evaluate a function of one array block by block."""

    @wraps(fn)
    def evaluate(x: Any) -> Any:
        if x.size <= _BLOCK:
            return fn(x)
        flat = np.ascontiguousarray(x).reshape(-1)
        out = np.empty_like(flat)
        for start in range(0, flat.size, _BLOCK):
            out[start : start + _BLOCK] = fn(flat[start : start + _BLOCK])
        return out.reshape(x.shape)

    return evaluate


def in_float64(fn: Function) -> Function:
    """Compute a function of arrays in float64 and round once to the (common) input dtype."""

    @wraps(fn)
    def evaluate(*arrays: Any) -> Any:
        wide = [np.asarray(a, np.float64) for a in arrays]
        with np.errstate(all="ignore"):
            result = fn(*wide)
            return np.asarray(result).astype(np.result_type(*arrays), copy=False)

    return evaluate
