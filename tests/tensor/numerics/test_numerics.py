"""Special functions of arrays, against SciPy, on wide ranges and at their edges.

Run: ``pytest tests/tensor/numerics``
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from isograd.tensor.numerics import bessel, erf, gamma, oscillating
from isograd.tensor.numerics.evaluation import horner

scipy = pytest.importorskip("scipy.special")

RNG = np.random.default_rng(0)
EDGES = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-300, 1e300, 1.0, -1.0, 2.0, 8.0])
WIDE = np.concatenate([np.linspace(-24, 24, 4001), RNG.normal(size=2000), EDGES])
POSITIVE = np.concatenate([np.linspace(0.01, 40, 4001), RNG.uniform(0.3, 3, 2000), [1e10, 1e-10]])
SHARES = np.concatenate([np.linspace(0, 1, 4001), 10.0 ** -np.arange(1, 300), 1 - 0.5 ** np.arange(1, 54)])  # fmt: skip  # noqa: E501


def compare(fn: Callable[..., Any], ref: Any, *args: Any, rtol: float, atol: float = 0.0) -> None:
    want = ref(*args)
    np.testing.assert_allclose(fn(*args), want, rtol, atol)


@pytest.mark.parametrize(
    ("name", "rtol"),
    [("erf", 4e-16), ("erfc", 1e-13), ("erfcx", 1e-13), ("ndtr", 1e-13), ("log_ndtr", 1e-13)],
)
def test_erf_family(name: str, rtol: float) -> None:
    compare(getattr(erf, name), getattr(scipy, name), WIDE, rtol=rtol, atol=1e-300)
    single = WIDE[np.abs(WIDE) < 9].astype(np.float32)
    got = getattr(erf, name)(single)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, getattr(scipy, name)(single.astype(np.float64)), 5e-7, 1e-37)


def test_erf_in_float32_is_bounded_and_keeps_its_edges() -> None:
    x = np.array([-np.inf, np.inf, np.nan, 0.0, -0.0, 3.9, 4.0, 5.0], np.float32)
    y = erf.erf(x)
    np.testing.assert_array_equal(y[:4], [-1.0, 1.0, np.nan, 0.0])
    assert np.signbit(y[4])
    assert (np.abs(erf.erf(np.linspace(-10, 10, 100_001, dtype=np.float32))) <= 1).all()


def test_inverses() -> None:
    compare(erf.ndtri, scipy.ndtri, SHARES, rtol=2e-15, atol=2e-15)
    both = np.concatenate([SHARES, -SHARES])
    compare(erf.erfinv, scipy.erfinv, both, rtol=4e-15)
    assert np.isnan(erf.erfinv(np.array([1.1, -1.1, np.nan]))).all()
    assert np.isnan(erf.ndtri(np.array([-0.1, 1.1, np.nan]))).all()


def test_gamma_family() -> None:
    compare(gamma.lgamma, scipy.gammaln, POSITIVE, rtol=1e-13, atol=1e-14)
    compare(gamma.lgamma, scipy.gammaln, -POSITIVE[:-2] + 0.003, rtol=1e-11, atol=1e-11)
    compare(gamma.digamma, scipy.digamma, POSITIVE, rtol=1e-13, atol=1e-14)
    for n in (1, 2, 5):
        compare(lambda x, n=n: gamma.polygamma(n, x), lambda x, n=n: scipy.polygamma(n, x),
                POSITIVE[:-2], rtol=1e-13)  # fmt: skip
    assert gamma.lgamma(np.array([0.0, -1.0, -2.0, np.inf])).tolist() == [np.inf] * 4
    assert gamma.digamma(np.array([0.0, -0.0])).tolist() == [-np.inf, np.inf]
    assert np.isnan(gamma.digamma(np.array([-1.0, -2.0]))).all()


def test_zeta() -> None:
    s = RNG.uniform(1.05, 12, POSITIVE.size)
    compare(gamma.zeta, scipy.zeta, s, POSITIVE, rtol=1e-12)
    got = gamma.zeta(np.array([1.0, 0.5, 2.0, 2.5, 2.0]), np.array([3.0, 1.0, -1.0, -0.5, -0.5]))
    np.testing.assert_allclose(got, [np.inf, np.nan, np.inf, np.nan, 8.934802200544679], 1e-14)


def test_incomplete_gamma() -> None:
    a, x = RNG.uniform(0.01, 200, 3000), RNG.uniform(0.0, 250, 3000)
    for name in ("gammainc", "gammaincc"):
        compare(getattr(gamma, name), getattr(scipy, name), a, x, rtol=1e-11, atol=1e-300)
        edges = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, np.inf], [np.inf, 1.0], [-1.0, 1.0]]).T
        compare(getattr(gamma, name), getattr(scipy, name), *edges, rtol=0.0)
    large = np.array([1e4, 1e5, 1e6])
    compare(gamma.gammainc, scipy.gammainc, large, large * 1.001, rtol=1e-9)


@pytest.mark.parametrize("name", ["i0", "i0e", "i1", "i1e"])
def test_modified_bessel(name: str) -> None:
    x = np.concatenate([np.linspace(-700, 700, 1001), np.linspace(-30, 30, 4001), [0.0]])
    compare(getattr(bessel, name), getattr(scipy, name), x, rtol=1e-14)
    ends = getattr(bessel, name)(np.array([np.inf, -np.inf]))
    want = {"i0": [np.inf, np.inf], "i1": [np.inf, -np.inf]}.get(name, [0.0, 0.0])
    assert ends.tolist() == want


def test_oscillating_bessel_and_airy() -> None:
    x = np.concatenate([np.linspace(-60, 60, 4001), [0.0, 14.0, np.nan]])
    compare(oscillating.j0, scipy.j0, x, rtol=0.0, atol=1e-11)
    compare(oscillating.j1, scipy.j1, x, rtol=0.0, atol=1e-11)
    compare(oscillating.airy_ai, lambda v: scipy.airy(v)[0], x, rtol=1e-14, atol=1e-11)
    right = np.concatenate([np.linspace(1e-3, 60, 4001), [0.0, -1.0, np.nan, 1e-200, 700.0]])
    compare(oscillating.y0, scipy.y0, right, rtol=1e-14, atol=3e-11)
    compare(oscillating.y1, scipy.y1, right, rtol=1e-14, atol=3e-11)
    for name in ("k0", "k1", "k0e", "k1e"):
        compare(getattr(oscillating, name), getattr(scipy, name), right, rtol=1e-13)


def test_shapes_survive_the_blocks() -> None:
    x = RNG.normal(size=(3, 70, 200))[:, ::2]
    np.testing.assert_allclose(erf.erf(x), scipy.erf(x), 1e-15)
    assert erf.erf(np.empty((0, 3))).shape == (0, 3)
    assert erf.erf(np.array(0.5)).shape == ()


def test_horner() -> None:
    t = np.array([0.0, 1.0, 2.0])
    assert horner(t, (1.0, 2.0, 3.0)).tolist() == [1.0, 6.0, 17.0]
