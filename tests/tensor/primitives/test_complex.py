"""Complex numbers: parts, views and angles, against NumPy.

Run: ``pytest tests/tensor/primitives/test_complex.py``
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd as torch
from tests.checks import check_op, draw

Z = draw(1)(3, 4) + 1j * draw(2)(3, 4)
NAN = float("nan")


def test_parts_and_angle() -> None:
    for dtypes in (("complex64",), ("complex128",)):
        check_op(torch.real, np.real, Z, dtypes=dtypes)
        check_op(torch.imag, np.imag, Z, dtypes=dtypes)
        check_op(torch.angle, np.angle, Z, dtypes=dtypes)
    angles = torch.angle(torch.tensor([1.0, -1.0, NAN, -0.0]))
    np.testing.assert_array_equal(angles.numpy(), np.float32([0.0, np.pi, NAN, 0.0]))
    assert torch.angle(torch.tensor([-1])).dtype is torch.float32


def test_parts_are_views() -> None:
    z = torch.tensor([1 + 2j, 3 - 1j])
    z.real.mul_(10)
    z.imag[0] = 7.0
    assert z.tolist() == [10 + 7j, 30 - 1j]
    z.imag = torch.zeros(2)
    assert z.tolist() == [10 + 0j, 30 + 0j]
    pairs = torch.view_as_real(z)
    assert pairs.shape == (2, 2)
    pairs[1, 1] = 5.0
    assert z.tolist() == [10 + 0j, 30 + 5j]
    assert torch.view_as_complex(pairs).data_ptr() == z.data_ptr()


def test_views_write_through_to_the_gradient() -> None:
    z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    w = z * 1
    w.real.mul_(3)
    w.abs().square().sum().backward()
    assert z.grad is not None and z.grad.tolist() == [18 + 4j, 54 - 2j]


def test_construction() -> None:
    x, y = draw(3)(3, 4, low=0.5), draw(4)(4)
    check_op(torch.complex, lambda a, b: a + 1j * b, x, y)
    check_op(torch.polar, lambda r, a: r * np.exp(1j * a), x, y)
    with pytest.raises(RuntimeError, match="scalar type torch.float32 but got"):
        torch.complex(torch.ones(1), torch.ones(1, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="Float or Double"):
        torch.polar(torch.tensor([1]), torch.tensor([1]))


def test_refuses() -> None:
    assert torch.ones(1).real.tolist() == [1.0]
    with pytest.raises(RuntimeError, match="non-complex"):
        torch.imag(torch.ones(1))
    with pytest.raises(RuntimeError, match="only supported for complex"):
        torch.view_as_real(torch.ones(1))
    with pytest.raises(RuntimeError, match="last dimension of size 2"):
        torch.view_as_complex(torch.ones(3))
    with pytest.raises(RuntimeError, match="stride 1"):
        torch.view_as_complex(torch.ones(2, 3).T)
