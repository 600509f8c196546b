"""Bessel functions J, Y and K of orders 0 and 1, and Airy's Ai.

Small arguments: the power series, as long as its terms do not cancel; large ones: the asymptotic
series; K in between: the trapezoidal rule on its integral, which converges exponentially.
Accuracy: 1e-11 of the amplitude. Sources: DLMF 10.2.2, 10.8, 10.17.3, 10.31, 10.32.9, 10.40.2,
9.4.1, 9.6.2, 9.7.9.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from isograd.tensor.numerics.evaluation import blocked, horner, in_float64

__all__ = ["airy_ai", "j0", "j1", "k0", "k0e", "k1", "k1e", "y0", "y1"]

_EULER = 0.57721566490153286061
_EDGE = 14.0  # power series below, asymptotic series above
_TERMS = 50


@cache
def _hankel(order: float, count: int) -> tuple[float, ...]:
    """The coefficients a_k of the asymptotic series in 1/x."""
    terms = [1.0]
    for k in range(1, count):
        terms.append(terms[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8 * k))
    return tuple(terms)


@cache
def _power(order: int, sign: int) -> tuple[float, ...]:
    return tuple(
        float(sign) ** k / (math.factorial(k) * math.factorial(k + order)) for k in range(_TERMS)
    )


def _harmonic(k: int) -> float:
    return math.fsum(1 / i for i in range(1, k + 1))


@cache
def _weighted(order: int, sign: int) -> tuple[float, ...]:
    """The power series with psi(k + 1) + psi(k + 1 + order) in each term."""
    return tuple(
        c * (_harmonic(k) + _harmonic(k + order) - 2 * _EULER)
        for k, c in enumerate(_power(order, sign))
    )


def _far(x: Any, order: int) -> tuple[Any, Any]:
    """J and Y by the asymptotic series."""
    a = _hankel(order, 26)
    inverse = 1 / x
    t = inverse * inverse
    p = horner(t, tuple((-1.0) ** k * a[2 * k] for k in range(13)))
    q = horner(t, tuple((-1.0) ** k * a[2 * k + 1] for k in range(13))) * inverse
    turn = x - (0.5 * order + 0.25) * math.pi
    size = np.sqrt(2 / (math.pi * x))
    sine, cosine = np.sin(turn), np.cos(turn)
    return size * (p * cosine - q * sine), size * (p * sine + q * cosine)


def _j(x: Any, order: int) -> Any:
    size = np.abs(x)
    near = np.minimum(size, _EDGE)
    value = horner(near * near / 4, _power(order, -1)) * (near / 2) ** order
    if np.any(size > _EDGE):
        value = np.where(size > _EDGE, _far(np.maximum(size, _EDGE), order)[0], value)
    return np.copysign(1.0, x) * value if order else value


def _y(x: Any, order: int) -> Any:
    near = np.clip(x, 1e-308, _EDGE)
    t = near * near / 4
    value = 2 / math.pi * np.log(near / 2) * _j(near, order)
    value -= horner(t, _weighted(order, -1)) * (near / 2) ** order / math.pi
    if order:
        value -= 2 / (math.pi * near)
    if np.any(x > _EDGE):
        value = np.where(x > _EDGE, _far(np.maximum(x, _EDGE), order)[1], value)
    return np.where(x > 0, value, np.where(x == 0, -np.inf, np.nan))


def _k_integral(x: Any, order: float) -> Any:
    """exp(x) K(x) for 1 <= x <= 30: the integral of exp(-x (cosh t - 1)) cosh(order t), t > 0."""
    step = 0.0625
    total = 0.5 * np.ones_like(x)
    for n in range(1, 80):
        t = n * step
        total += np.exp(-x * (math.cosh(t) - 1)) * math.cosh(order * t)
    return total * step


def _k_middle_and_far(x: Any, order: float) -> Any:
    """exp(x) K(x) for x >= 1."""
    value = _k_integral(np.clip(x, 1.0, 30.0), order)
    if np.any(x > 30):
        far = np.maximum(x, 30.0)
        series = horner(1 / far, _hankel(order, 16)) * np.sqrt(math.pi / (2 * far))
        value = np.where(x > 30, series, value)
    return value


def _k_scaled(x: Any, order: int) -> Any:
    near = np.clip(x, 1e-308, 1.0)
    t = near * near / 4
    first = horner(t, _power(order, 1)) * (near / 2) ** order
    sign = 1.0 if order else -1.0
    value = sign * np.log(near / 2) * first
    value -= sign * 0.5 * horner(t, _weighted(order, 1)) * (near / 2) ** order
    if order:
        value += 1 / near
    value *= np.exp(near)
    value = np.where(x > 1, _k_middle_and_far(np.maximum(x, 1.0), order), value)
    return np.where(x > 0, value, np.where(x == 0, np.inf, np.nan))


@blocked
@in_float64
def j0(x: Any) -> Any:
    """Bessel function of the first kind of order 0."""
    return _j(x, 0)


@blocked
@in_float64
def j1(x: Any) -> Any:
    """Bessel function of the first kind of order 1."""
    return _j(x, 1)


@blocked
@in_float64
def y0(x: Any) -> Any:
    """Bessel function of the second kind of order 0; nan below 0."""
    return _y(x, 0)


@blocked
@in_float64
def y1(x: Any) -> Any:
    """Bessel function of the second kind of order 1; nan below 0."""
    return _y(x, 1)


@blocked
@in_float64
def k0(x: Any) -> Any:
    """Modified Bessel function of the second kind of order 0; nan below 0."""
    return _k_scaled(x, 0) * np.exp(-x)


@blocked
@in_float64
def k1(x: Any) -> Any:
    """Modified Bessel function of the second kind of order 1; nan below 0."""
    return _k_scaled(x, 1) * np.exp(-x)


@blocked
@in_float64
def k0e(x: Any) -> Any:
    """``exp(x) * k0(x)``."""
    return _k_scaled(x, 0)


@blocked
@in_float64
def k1e(x: Any) -> Any:
    """``exp(x) * k1(x)``."""
    return _k_scaled(x, 1)


# -- Airy's function

_AIRY_FAR = tuple(  # u_k of DLMF 9.7.2
    math.exp(math.lgamma(3 * k + 0.5) - math.lgamma(k + 0.5) - math.lgamma(k + 1.0)) / 54.0**k
    for k in range(20)
)


@cache
def _airy_power(offset: int) -> tuple[float, ...]:
    terms = [1.0]
    for k in range(1, _TERMS):
        terms.append(terms[-1] / ((3 * k - 1 + offset) * (3 * k + offset)))
    return tuple(terms)


def _airy_series(x: Any) -> Any:
    cube = x * x * x
    at_zero = 3 ** (-2 / 3) / math.gamma(2 / 3)
    slope = 3 ** (-1 / 3) / math.gamma(1 / 3)
    return at_zero * horner(cube, _airy_power(0)) - slope * x * horner(cube, _airy_power(1))


@blocked
@in_float64
def airy_ai(x: Any) -> Any:
    """Airy's function Ai."""
    value = _airy_series(np.clip(x, -7.5, 2.0))
    if np.any(x > 2):
        right = np.maximum(x, 2.0)
        z = right * np.sqrt(right) * 2 / 3
        decaying = np.sqrt(right / 3) / math.pi * _k_middle_and_far(z, 1 / 3) * np.exp(-z)
        value = np.where(x > 2, decaying, value)
    if np.any(x < -7.5):
        left = np.maximum(-x, 7.5)
        z = left * np.sqrt(left) * 2 / 3
        t = 1 / (z * z)
        even = horner(t, tuple((-1.0) ** k * _AIRY_FAR[2 * k] for k in range(10)))
        odd = horner(t, tuple((-1.0) ** k * _AIRY_FAR[2 * k + 1] for k in range(10))) / z
        turn = z - math.pi / 4
        wave = (np.cos(turn) * even + np.sin(turn) * odd) / (math.sqrt(math.pi) * left**0.25)
        value = np.where(x < -7.5, wave, value)
    return np.where(np.isfinite(x), value, np.nan)
