"""The logarithm of the gamma function, its derivatives, zeta, and the incomplete gamma functions.

Large arguments use asymptotic (Stirling) series, others are moved there, or to the Taylor series
around 2, by the recurrences; negative ones by reflection. Sources: Abramowitz and Stegun,
"Handbook of Mathematical Functions", 6.1.33, 6.1.40, 6.3.18; Hurwitz zeta by Euler-Maclaurin
summation, DLMF 25.11; incomplete gamma by series and continued fraction, DLMF 8.11.4, 8.9.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isograd.tensor.numerics.evaluation import blocked, horner, in_float64

__all__ = ["digamma", "gammainc", "gammaincc", "lgamma", "polygamma", "zeta"]

_EULER = 0.57721566490153286061
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330, 854513 / 138, -236364091 / 2730,
)  # fmt: skip
_STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI[:9], 1))
_DIGAMMA = tuple(-b / (2 * k) for k, b in enumerate(_BERNOULLI[:9], 1))


def _zeta_minus_one(n: int) -> float:
    """The Riemann zeta function at an integer n >= 2, less 1."""
    start = 100.0  # the sum beyond it by Euler-Maclaurin
    head = math.fsum(k**-n for k in range(2, 100))
    tail = start ** (1 - n) / (n - 1) + 0.5 * start**-n + n * start ** (-n - 1) / 12
    tail -= n * (n + 1) * (n + 2) * start ** (-n - 3) / 720
    return head + tail


# log gamma(2 + z) = z (1 - euler) + sum over n >= 2 of (-1)^n (zeta(n) - 1) z^n / n
_AROUND_TWO = (
    0.0, 1 - _EULER, *((-1.0) ** n * _zeta_minus_one(n) / n for n in range(2, 30)),
)  # fmt: skip


def _lgamma_positive(x: Any) -> Any:
    """For x > 0."""
    large = np.maximum(x, 8.0)
    inverse = 1.0 / large
    stirling = (large - 0.5) * (np.log(large) - 1.0) + (0.5 * math.log(2 * math.pi) - 0.5)
    stirling += inverse * horner(inverse * inverse, _STIRLING)
    if not np.any(x < 8):
        return stirling
    small = np.minimum(x, 8.0)
    steps = np.floor(small - 0.5) - 1.0  # moves small to [1.5, 2.5), or up by one or two
    product = np.ones_like(small)
    for k in range(1, 7):
        product *= np.where(steps >= k, small - k, 1.0)
    z = small - steps - 2.0
    taylor = horner(z, _AROUND_TWO) + np.log(product)
    taylor -= np.where(steps <= -1, np.log1p(z), 0.0)
    taylor -= np.where(steps <= -2, np.log(small), 0.0)
    return np.where(x < 8, taylor, stirling)


@blocked
@in_float64
def lgamma(x: Any) -> Any:
    """``log(|gamma(x)|)``; +inf at 0, -1, -2, ..."""
    size = np.maximum(np.where(x < 0.0, 1.0 - x, x), 1e-310)
    value = _lgamma_positive(np.minimum(size, 1e306))
    value = np.where(size > 1e305, np.inf, value)
    if np.any(x < 0):
        sine = np.abs(np.sin(math.pi * (x - np.round(x))))
        value = np.where(x < 0, math.log(math.pi) - np.log(sine) - value, value)
    value = np.where((x <= 0) & (x == np.floor(x)), np.inf, value)
    return np.where(np.isnan(x), np.nan, value)


@blocked
@in_float64
def digamma(x: Any) -> Any:
    """The derivative of `lgamma`; -inf at 0 (+inf at -0.0), nan at -1, -2, ..."""
    y = np.where(x < 0, 1.0 - x, x)
    value = np.zeros_like(y)
    y = np.where(y == 0, 1.0, y)
    while np.any(low := y < 10):
        value -= np.where(low, 1.0 / y, 0.0)
        y = np.where(low, y + 1.0, y)
    inverse = 1.0 / y
    square = inverse * inverse
    value += np.log(y) - 0.5 * inverse + square * horner(square, _DIGAMMA)
    if np.any(x < 0):
        reflected = value - math.pi / np.tan(math.pi * (x - np.trunc(x)))
        reflected = np.where(x == np.floor(x), np.nan, reflected)
        value = np.where(x < 0, reflected, value)
    return np.where(x == 0, np.copysign(np.inf, -x), value)


@in_float64
def zeta(s: Any, q: Any) -> Any:
    """Hurwitz's zeta function: the sum of ``(q + k)**-s`` over k = 0, 1, ...; nan for s < 1."""
    s, q = np.broadcast_arrays(s, q)
    defined = (s > 1) & ((q > 0) | ((q == np.floor(q)) | (s == np.floor(s))))
    pole = (s == 1) | (defined & (q <= 0) & (q == np.floor(q)))
    work = defined & ~pole & np.isfinite(q)
    s, a = np.where(work, s, 2.0), np.where(work, q, 1.0)
    value = np.zeros_like(a)
    while np.any(low := a < 10):
        value += np.where(low, a**-s, 0.0)
        a = np.where(low, a + 1.0, a)
    power = a**-s
    value += a * power / (s - 1) + 0.5 * power
    term = s * power / a  # s (s+1) ... (s+2k-2) a^(-s-2k+1), over (2k)! with the Bernoulli number
    for k, b in enumerate(_BERNOULLI, 1):
        value += b / math.factorial(2 * k) * term
        term = term * (s + 2 * k - 1) * (s + 2 * k) / (a * a)
    value = np.where(work, value, np.nan)
    value = np.where(defined & (q == np.inf), 0.0, value)
    return np.where(pole, np.inf, value)


def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of `digamma`."""
    if n == 0:
        return digamma(x)
    sign = 1.0 if n % 2 else -1.0
    order = np.asarray(n + 1.0, x.dtype)
    return (sign * math.gamma(n + 1.0) * zeta(order, x)).astype(x.dtype, copy=False)


# -- incomplete gamma functions


def _prefactor(a: Any, x: Any) -> Any:
    """``x**a * exp(-x) / gamma(a)``; near x = a without cancellation of large terms."""
    plain = np.exp(a * np.log(x) - x - _lgamma_positive(a))
    if not np.any(a > 100):
        return plain
    big = np.maximum(a, 100.0)
    u = (x - big) / big
    inverse = 1.0 / big
    stirling = inverse * horner(inverse * inverse, _STIRLING)
    scaled = np.exp(big * (np.log1p(u) - u) - stirling) * np.sqrt(big / (2 * math.pi))
    return np.where(a > 100, scaled, plain)


def _lower_series(a: Any, x: Any) -> Any:
    """P(a, x) for x < a + 1."""
    term = 1.0 / a
    total, n = term.copy(), a.copy()
    while np.any(np.abs(term) > 1e-17 * np.abs(total)):
        n += 1.0
        term = term * x / n
        total += term
    return total * _prefactor(a, x)


def _upper_fraction(a: Any, x: Any) -> Any:
    """Q(a, x) for x >= a + 1: Lentz's evaluation of the continued fraction."""
    b = x + 1.0 - a
    c = np.full_like(x, 1e300)
    d = 1.0 / b
    value = d.copy()
    for n in range(1, 100_000):
        factor = n * (a - n)
        b = b + 2.0
        d = 1.0 / (factor * d + b)
        c = b + factor / c
        step = c * d
        value *= step
        if not np.any(np.abs(step - 1.0) > 2e-16):
            break
    return value * _prefactor(a, x)


def _incomplete(a: Any, x: Any, upper: bool) -> Any:
    a, x = np.broadcast_arrays(a, x)
    value = np.full(a.shape, np.nan)
    inside = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    series = inside & (x < a + 1)
    fraction = inside & ~series
    if np.any(series):
        low = _lower_series(a[series], x[series])
        value[series] = 1.0 - low if upper else low
    if np.any(fraction):
        high = _upper_fraction(a[fraction], x[fraction])
        value[fraction] = high if upper else 1.0 - high
    nothing, everything = (1.0, 0.0) if upper else (0.0, 1.0)
    value[(a > 0) & (x == 0)] = nothing
    value[(a >= 0) & np.isposinf(x) & np.isfinite(a)] = everything
    value[(a == 0) & (x > 0)] = everything
    value[np.isposinf(a) & (x >= 0) & np.isfinite(x)] = nothing
    return value


@in_float64
def gammainc(a: Any, x: Any) -> Any:
    """The regularised lower incomplete gamma function P(a, x)."""
    return _incomplete(a, x, upper=False)


@in_float64
def gammaincc(a: Any, x: Any) -> Any:
    """The regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x)."""
    return _incomplete(a, x, upper=True)
