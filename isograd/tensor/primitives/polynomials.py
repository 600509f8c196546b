"""Orthogonal polynomials of a given degree, and Bessel functions: no gradients, as in torch.

Each family is its first polynomial and its three-term recurrence (DLMF 18.9.1). Degrees are
truncated to integers; negative ones give 0. All are functions of ``isograd.special`` only.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from isograd.tensor.numerics import oscillating
from isograd.tensor.primitives.elementwise import Function, binary, unary
from isograd.tensor.primitives.special import i0, i1
from isograd.tensor.public import FUNCTIONS

__all__: list[str] = []


def _evaluate(xp: Any, x: Any, n: Any, first: Function, step: Function) -> Any:
    """``p[k + 1] = step(k, x, p[k], p[k - 1])``, from 1 and ``first(x)``."""
    wide, degree = x.astype(np.float64), xp.trunc(xp.asarray(n, np.float64))
    wide, degree = xp.broadcast_arrays(wide, degree)
    before, now = xp.ones_like(wide), first(wide)
    result = xp.where(degree < 0, 0.0, before)
    top = int(degree.max()) if degree.size else 0
    for k in range(1, top + 1):
        result = xp.where(degree == k, now, result)
        before, now = now, step(k, wide, now, before)
    return result.astype(x.dtype)


def _family(name: str, first: Function, step: Function, doc: str) -> None:
    def forward(xp: Any, x: Any, n: Any) -> Any:
        return _evaluate(xp, x, n, first, step)

    FUNCTIONS["special_" + name] = binary(
        "special_" + name, forward, None, doc, promotion="float", register=False,
        samples=lambda make: [((make(3, 4), np.arange(4.0)), {})],
    )  # fmt: skip


def _chebyshev(k: int, x: Any, p: Any, q: Any) -> Any:
    return 2 * x * p - q


def _shifted(k: int, x: Any, p: Any, q: Any) -> Any:
    return 2 * (2 * x - 1) * p - q


_FIRST: dict[str, Function] = {
    "t": lambda x: x, "u": lambda x: 2 * x, "v": lambda x: 2 * x - 1, "w": lambda x: 2 * x + 1,
}  # fmt: skip


def _at_shifted(first: Function) -> Function:
    return lambda x: first(2 * x - 1)


for _kind, _first in _FIRST.items():
    _family(f"chebyshev_polynomial_{_kind}", _first, _chebyshev,
            f"Chebyshev polynomial {_kind.upper()} of degree n.")  # fmt: skip
    _family(f"shifted_chebyshev_polynomial_{_kind}", _at_shifted(_first), _shifted,
            f"Chebyshev polynomial {_kind.upper()} of degree n at 2 x - 1.")  # fmt: skip
_family("hermite_polynomial_h", lambda x: 2 * x, lambda k, x, p, q: 2 * (x * p - k * q),
        "Physicist's Hermite polynomial of degree n.")  # fmt: skip
_family("hermite_polynomial_he", lambda x: x.copy(), lambda k, x, p, q: x * p - k * q,
        "Probabilist's Hermite polynomial of degree n.")  # fmt: skip
_family("laguerre_polynomial_l", lambda x: 1 - x,
        lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1),
        "Laguerre polynomial of degree n.")  # fmt: skip
_family("legendre_polynomial_p", lambda x: x.copy(),
        lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1),
        "Legendre polynomial of degree n.")  # fmt: skip


# -- Bessel functions


def _bessel(name: str, host: Function, device_name: str, doc: str) -> None:
    def forward(xp: Any, x: Any) -> Any:
        if xp is np:
            return host(x)
        special = importlib.import_module("cupyx.scipy.special")
        if hasattr(special, device_name):
            return getattr(special, device_name)(x)
        return xp.asarray(host(xp.asnumpy(x)))

    FUNCTIONS["special_" + name] = unary(
        "special_" + name, forward, None, doc, domain=(0.5, 2.0), register=False
    )


def _spherical(x: Any) -> Any:
    wide = np.asarray(x, np.float64)
    value = np.where(np.isinf(wide), 0.0, np.sinc(wide / np.pi))
    return value.astype(x.dtype)


_KIND = "Bessel function of the {} kind of order {}."
for _order in (0, 1):
    _bessel(f"bessel_j{_order}", getattr(oscillating, f"j{_order}"), f"j{_order}",
            _KIND.format("first", _order))  # fmt: skip
    _bessel(f"bessel_y{_order}", getattr(oscillating, f"y{_order}"), f"y{_order}",
            _KIND.format("second", _order))  # fmt: skip
    _bessel(f"modified_bessel_k{_order}", getattr(oscillating, f"k{_order}"), f"k{_order}",
            "Modified " + _KIND.format("second", _order))  # fmt: skip
    _bessel(f"scaled_modified_bessel_k{_order}", getattr(oscillating, f"k{_order}e"),
            f"k{_order}e", f"``exp(x)`` times the modified Bessel function K{_order}.")  # fmt: skip
_bessel("spherical_bessel_j0", _spherical, "", "``sin(x) / x``.")
_bessel("airy_ai", oscillating.airy_ai, "", "Airy's function Ai.")
FUNCTIONS["special_modified_bessel_i0"] = i0
FUNCTIONS["special_modified_bessel_i1"] = i1
