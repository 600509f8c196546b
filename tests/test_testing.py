"""`assert_close`: what passes, what does not, and the messages of torch 2.13.

Run: pytest tests/test_testing.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.testing import assert_allclose, assert_close

T = torch.tensor
BF = torch.bfloat16

CLOSE: list[tuple[Any, Any, dict[str, Any]]] = [
    (torch.ones(2), torch.ones(2) + 1e-6, {}),
    (T([1e-6]), T([0.0]), {}),
    (torch.ones(1, dtype=BF), torch.ones(1, dtype=BF) * 1.01, {}),
    (torch.ones(2), torch.ones(2).double(), {"check_dtype": False}),
    (T([1.0, 2.0]), T([1.1, 2.1]), {"rtol": 0, "atol": 0.2}),
    (T(float("inf")), T(float("inf")), {}),
    (T([float("nan")]), T([float("nan")]), {"equal_nan": True}),
    (float("nan"), float("nan"), {"equal_nan": True}),
    (torch.nn.Parameter(torch.ones(2)), torch.ones(2), {}),
    (torch.zeros(0), torch.zeros(0), {}),
    (np.ones(2), np.ones(2), {}),
    ((torch.ones(2), 1), [torch.ones(2), 1], {}),
    ({"a": [None, 1.0]}, {"a": [None, 1.0]}, {}),
    (torch.ones(2, 3).t(), torch.ones(3, 2), {}),
]

APART: list[tuple[Any, Any, dict[str, Any], str]] = [
    (torch.ones(2), torch.ones(3), {}, r"'shape' do not match: torch.Size\(\[2\]\) != torch.Size"),
    (torch.ones(2), torch.ones(2).double(), {}, "'dtype' do not match: torch.float32 != torch.f"),
    (torch.ones(2, 3).t(), torch.ones(3, 2), {"check_stride": True}, r"'stride\(\)' do not match"),
    (T([float("nan")]), T([float("nan")]), {}, r"difference: nan at index \(0,\)"),
    (T([1.0, 2.0]), T([1.0, 3.0]), {},
     r"Mismatched elements: 1 / 2 \(50.0%\)\nGreatest absolute difference: 1.0 at index \(1,\) "
     r"\(up to 1e-05 allowed\)\nGreatest relative difference: 0.333\d* at index \(1,\) "
     r"\(up to 1.3e-06 allowed\)"),
    (T([1, 2]), T([1, 3]), {}, r"not equal!\n\n.*\nGreatest absolute difference: 1 at index"),
    (T([3, 250], dtype=torch.uint8), T([250, 3], dtype=torch.uint8), {}, "difference: 247 at"),
    (T(1.0), T(2.0), {}, "Scalars are not close!\n\nExpected 2.0 but got 1.0.\nAbsolute differ"),
    (T([1 + 1j]), T([1 + 2j]), {}, r"absolute difference: 1.0 at index \(0,\)"),
    (1.0, 1.1, {}, r"Expected 1.1 but got 1.0.\nAbsolute difference: 0.1000\d+ \(up to 1e-07 al"),
    (1, 1.0, {}, r"The \(d\)types do not match"),
    ([1, [2, 3]], [1, [2, 4]], {}, r"The failure occurred for item \[1\]\[1\]"),
    ([1], [1, 2], {}, "length of the sequences mismatch: 1 != 2"),
    ({"a": 1}, {"b": 1}, {}, r"Missing keys in the actual mapping: \['b'\]\nAdditional .* \['a'\]"),
    (torch.ones(1), torch.zeros(1), {"msg": "mine"}, "^mine$"),
    (torch.ones(1), torch.zeros(1), {"msg": lambda text: "head\n" + text}, "^head\nTensor-likes"),
]  # fmt: skip


@pytest.mark.parametrize(("actual", "expected", "options"), CLOSE)
def test_close(actual: Any, expected: Any, options: dict[str, Any]) -> None:
    assert_close(actual, expected, **options)


@pytest.mark.parametrize(("actual", "expected", "options", "message"), APART)
def test_apart(actual: Any, expected: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_close(actual, expected, **options)


@pytest.mark.parametrize(
    ("actual", "expected", "options", "error"),
    [
        (torch.ones(2), [1.0, 1.0], {}, TypeError),
        (torch.ones(2), np.ones(2, np.float32), {}, TypeError),
        ("a", "a", {}, TypeError),
        (torch.nn.Parameter(torch.ones(2)), torch.ones(2), {"allow_subclasses": False}, TypeError),
        (torch.ones(2), torch.ones(2), {"rtol": 1.0}, ValueError),
    ],
)
def test_what_cannot_be_compared(
    actual: Any, expected: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match="assert_close: expected two|Both 'rtol' and 'atol'"):
        assert_close(actual, expected, **options)


def test_allclose_minds_no_dtype() -> None:
    assert_allclose(torch.ones(2), np.ones(2))
    assert_allclose(torch.tensor([1.0, float("nan")]), [1.0, float("nan")])
    with pytest.raises(AssertionError, match="not close"):
        assert_allclose(torch.ones(2), [1.0, 1.1])
