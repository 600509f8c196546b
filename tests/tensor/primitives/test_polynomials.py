"""Orthogonal polynomials and Bessel functions of tensors, against SciPy.

Run: ``pytest tests/tensor/primitives/test_polynomials.py``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.special as special
from tests.checks import assert_close, draw

scipy = pytest.importorskip("scipy.special")

X = draw(1)(12)
POLYNOMIALS: list[tuple[str, Any]] = [
    ("chebyshev_polynomial_t", scipy.eval_chebyt),
    ("chebyshev_polynomial_u", scipy.eval_chebyu),
    ("shifted_chebyshev_polynomial_t", scipy.eval_sh_chebyt),
    ("shifted_chebyshev_polynomial_u", scipy.eval_sh_chebyu),
    ("hermite_polynomial_h", scipy.eval_hermite),
    ("hermite_polynomial_he", scipy.eval_hermitenorm),
    ("laguerre_polynomial_l", scipy.eval_laguerre),
    ("legendre_polynomial_p", scipy.eval_legendre),
    ("chebyshev_polynomial_v",
     lambda n, x: np.cos((n + 0.5) * np.arccos(x + 0j)) / np.cos(0.5 * np.arccos(x + 0j))),
    ("chebyshev_polynomial_w",
     lambda n, x: np.sin((n + 0.5) * np.arccos(x + 0j)) / np.sin(0.5 * np.arccos(x + 0j))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ref"), POLYNOMIALS, ids=[row[0] for row in POLYNOMIALS])
def test_polynomials(name: str, ref: Any) -> None:
    fn = getattr(special, name)
    degrees = np.arange(8)
    got = fn(torch.tensor(X)[:, None], torch.tensor(degrees))
    assert_close(got.numpy(), np.real(ref(degrees, X[:, None])), "float64", name)
    assert fn(torch.tensor(X), 3).tolist() == got[:, 3].tolist()
    assert fn(torch.tensor(X), 3.9).tolist() == got[:, 3].tolist()
    assert fn(torch.tensor(X), -1).tolist() == [0.0] * 12
    assert not fn(torch.tensor(X, requires_grad=True), 2).requires_grad


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("bessel_j0", scipy.j0), ("bessel_j1", scipy.j1), ("bessel_y0", scipy.y0),
        ("bessel_y1", scipy.y1), ("modified_bessel_i0", scipy.i0),
        ("modified_bessel_i1", scipy.i1), ("modified_bessel_k0", scipy.k0),
        ("modified_bessel_k1", scipy.k1), ("scaled_modified_bessel_k0", scipy.k0e),
        ("scaled_modified_bessel_k1", scipy.k1e), ("airy_ai", lambda x: scipy.airy(x)[0]),
        ("spherical_bessel_j0", lambda x: scipy.spherical_jn(0, x)),
    ],
)  # fmt: skip
def test_bessel(name: str, ref: Any) -> None:
    x = np.abs(X) * 4 + 0.1
    assert_close(getattr(special, name)(torch.tensor(x)).numpy(), ref(x), "float64", name)
    single = getattr(special, name)(torch.tensor(x, dtype=torch.float32))
    assert single.dtype is torch.float32
