"""Exponentials, logarithms, roots, circular and hyperbolic functions, against NumPy.

Run: ``pytest tests/tensor/primitives/test_transcendental.py``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from tests.checks import check_op, draw

ANY = draw(1)(3, 4)
INSIDE = draw(2)(3, 4, low=-0.8, high=0.8)
ABOVE = draw(3)(3, 4, low=1.2, high=3.0)
TABLE: list[tuple[str, Any, Any]] = [
    ("exp", np.exp, ANY), ("exp2", np.exp2, ANY), ("expm1", np.expm1, ANY), ("log", np.log, ABOVE),
    ("log2", np.log2, ABOVE), ("log10", np.log10, ABOVE), ("log1p", np.log1p, INSIDE),
    ("sqrt", np.sqrt, ABOVE), ("rsqrt", lambda x: 1 / np.sqrt(x), ABOVE), ("sin", np.sin, ANY),
    ("cos", np.cos, ANY), ("tan", np.tan, INSIDE), ("asin", np.arcsin, INSIDE),
    ("acos", np.arccos, INSIDE), ("atan", np.arctan, ANY), ("sinh", np.sinh, ANY),
    ("cosh", np.cosh, ANY), ("tanh", np.tanh, ANY), ("asinh", np.arcsinh, ANY),
    ("acosh", np.arccosh, ABOVE), ("atanh", np.arctanh, INSIDE),
    ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), ANY),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ref", "x"), TABLE, ids=[row[0] for row in TABLE])
def test_against_numpy(name: str, ref: Any, x: Any) -> None:
    check_op(getattr(torch, name), ref, x, dtypes=("bfloat16", "float32", "float64"))
    check_op(getattr(torch, name), ref, x + 0.1j, dtypes=("complex128",), second=False)
    t = torch.tensor(x)
    assert getattr(t, name + "_")() is t
    assert getattr(torch, name)(torch.tensor([1])).dtype is torch.float32


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("atan2", np.arctan2), ("hypot", np.hypot), ("logaddexp", np.logaddexp),
        ("logaddexp2", np.logaddexp2),
    ],
)  # fmt: skip
def test_pairs(name: str, ref: Any) -> None:
    check_op(getattr(torch, name), ref, ANY, ABOVE[0])
    with pytest.raises(TypeError, match="argument 'other'"):
        getattr(torch, name)(torch.ones(2), 2)


def test_logaddexp_of_complex_numbers() -> None:
    x, y = ANY + 0.3j, ABOVE - 0.2j
    check_op(torch.logaddexp, lambda a, b: np.log(np.exp(a) + np.exp(b)), x, y,
             dtypes=("complex128",))  # fmt: skip


def test_sigmoid_far_out_is_exact_and_quiet() -> None:
    x = torch.tensor([-1000.0, 1000.0], requires_grad=True)
    y = torch.sigmoid(x)
    assert y.tolist() == [0.0, 1.0]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 0.0]
