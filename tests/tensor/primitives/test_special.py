"""Special functions of tensors, against SciPy; the numerics have tests of their own.

Gradients of all records are checked in tests/tensor/test_records.py.
Run: ``pytest tests/tensor/primitives/test_special.py``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.special as special
from tests.checks import check_op, draw

scipy = pytest.importorskip("scipy.special")

NAN, INF = float("nan"), float("inf")
ANY, INSIDE, POSITIVE = (
    draw(1)(3, 4),
    draw(2)(3, 4, low=-0.9, high=0.9),
    draw(3)(3, 4, low=0.4, high=4.0),
)
SHARE = draw(4)(3, 4, low=0.05, high=0.95)
ONE: list[tuple[str, str, Any]] = [
    ("erf", "erf", ANY), ("erfc", "erfc", ANY), ("erfcx", "erfcx", ANY),
    ("erfinv", "erfinv", INSIDE), ("ndtr", "ndtr", ANY), ("ndtri", "ndtri", SHARE),
    ("log_ndtr", "log_ndtr", ANY), ("gammaln", "gammaln", POSITIVE),
    ("digamma", "digamma", POSITIVE), ("psi", "psi", POSITIVE), ("i0", "i0", ANY),
    ("i0e", "i0e", ANY), ("i1", "i1", ANY), ("i1e", "i1e", ANY), ("entr", "entr", POSITIVE),
    ("logit", "logit", SHARE), ("expit", "expit", ANY),
]  # fmt: skip


@pytest.mark.parametrize(("name", "reference", "x"), ONE, ids=[row[0] for row in ONE])
def test_one_input(name: str, reference: str, x: Any) -> None:
    ref = getattr(scipy, reference)
    check_op(getattr(special, name), ref, x, dtypes=("bfloat16", "float32", "float64"))
    assert getattr(special, name)(torch.tensor([1])).dtype is torch.float32


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_pairs(name: str) -> None:
    check_op(getattr(special, name), getattr(scipy, name), ANY, POSITIVE[0])


@pytest.mark.parametrize("name", ["gammainc", "gammaincc", "zeta"])
def test_pairs_without_a_gradient_by_the_first(name: str) -> None:
    first, ref = torch.tensor(POSITIVE + 1), getattr(scipy, name)
    check_op(lambda y: getattr(special, name)(first, y), lambda y: ref(POSITIVE + 1, y), POSITIVE,
             dtypes=("float64",))  # fmt: skip
    with pytest.raises(NotImplementedError, match="not implemented"):
        getattr(special, name)(first.requires_grad_(), 2 * first.detach()).sum().backward()


def test_polygamma_and_mvlgamma() -> None:
    for n in (0, 1, 2, 3):
        check_op(lambda x, n=n: torch.polygamma(n, x), lambda x, n=n: scipy.polygamma(n, x),
                 POSITIVE)  # fmt: skip
    assert torch.tensor(POSITIVE).polygamma(1).tolist() == torch.polygamma(1, torch.tensor(POSITIVE)).tolist()  # fmt: skip  # noqa: E501
    with pytest.raises(RuntimeError, match="negative n, got -1"):
        torch.polygamma(-1, torch.ones(1))
    check_op(lambda x: torch.mvlgamma(x, 3), lambda x: np.vectorize(scipy.multigammaln)(x, 3),
             POSITIVE + 1)  # fmt: skip


def test_sinc() -> None:
    check_op(torch.sinc, np.sinc, ANY)
    check_op(torch.sinc, np.sinc, ANY + 0.2j, dtypes=("complex128",))
    assert torch.sinc(torch.tensor([0.0, 1e-30])).tolist() == [1.0, 1.0]


def gradients(fn: Any, *values: list[float]) -> list[Any]:
    leaves = [torch.tensor(v, requires_grad=True) for v in values]
    fn(*leaves).sum().backward()
    return [leaf.grad.numpy() for leaf in leaves]


def test_values_and_gradients_at_the_edges() -> None:
    assert torch.xlogy(torch.tensor([0.0, 0.0]), torch.tensor([0.0, -1.0])).tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(torch.xlogy(torch.zeros(1), torch.tensor([NAN])).numpy(), [NAN])
    by_x, _ = gradients(torch.xlogy, [0.0, 0.0, 1.0], [0.0, NAN, 0.0])
    np.testing.assert_array_equal(by_x, [0.0, NAN, -INF])
    np.testing.assert_allclose(gradients(special.i1, [0.0, -1.0])[0], [0.5, 0.7009069], 1e-6)
    np.testing.assert_allclose(gradients(special.i0e, [0.0, -1.0])[0], [0.0, 0.2578492], 1e-6)
    np.testing.assert_allclose(gradients(torch.sinc, [0.0, 1.0])[0], [0.0, -1.0], 1e-6)
    (slope,) = gradients(lambda x: torch.logit(x, 0.2), [0.0, 0.2, 0.5, 0.9])
    np.testing.assert_allclose(slope, [0.0, 6.25, 4.0, 0.0], 1e-5)


def test_in_place() -> None:
    x = torch.tensor([0.0, 1.0])
    assert x.erf_() is x
    assert x.tolist() == pytest.approx([0.0, 0.8427008])
