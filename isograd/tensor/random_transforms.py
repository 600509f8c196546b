"""Uniforms in [0, 1) become scaled uniforms and normals, with PyTorch's rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["box_muller", "scaled"]


def scaled(unit: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """``low + (high - low) * unit`` rounded once, as a fused multiply-add does."""
    a, b = unit.dtype.type(low), unit.dtype.type(high)
    width = b - a
    if a == 0:
        unit *= width
        return unit
    if unit.dtype == np.float32:
        wide = unit.astype(np.float64)  # the product of two float32 is exact in float64
        wide *= float(width)
        wide += float(a)
        return wide
    return _multiply_add(unit, float(width), float(a))


def box_muller(unit: NDArray[Any], mean: float, std: float) -> NDArray[Any]:
    """Blocks of 16 uniforms, 8 for the radii then 8 for the angles, become normals in place.

    Half blocks move as single items of 8 elements, which is faster than rows of 8.
    """
    dtype = unit.dtype
    halves = unit.view(f"V{8 * dtype.itemsize}").reshape(-1, 2)
    radius = halves[:, 0].copy().view(dtype)
    cosine = halves[:, 1].copy().view(dtype)
    np.subtract(1, radius, out=radius)
    np.log(radius, out=radius)
    radius *= dtype.type(-2)
    np.sqrt(radius, out=radius)
    cosine *= dtype.type(2 * np.pi)
    sine = np.sin(cosine)
    np.cos(cosine, out=cosine)
    for column, values in enumerate((cosine, sine)):
        values *= radius
        if std != 1:
            values *= dtype.type(std)
        if mean != 0:
            values += dtype.type(mean)
        halves[:, column] = values.view(halves.dtype)
    return unit


def _multiply_add(x: NDArray[np.float64], w: float, c: float) -> NDArray[np.float64]:
    """x * w + c with the rounding errors of both steps added back (Dekker 1971, Knuth)."""
    product = x * w
    x_high, x_low = _split(x)
    w_high, w_low = _split(np.float64(w))
    error = ((x_high * w_high - product) + x_high * w_low + x_low * w_high) + x_low * w_low
    total = product + c
    back = total - product
    error += (product - (total - back)) + (c - back)
    total += error
    return total


def _split(x: Any) -> tuple[Any, Any]:
    """x as a sum of two numbers of 26 bits, whose products are exact."""
    scaled = x * 134217729.0  # 2**27 + 1
    high = scaled - (scaled - x)
    return high, x - high
