"""Fourier transforms: values in every norm mode, lengths and dimensions; gradients; errors.

Reference: numpy.fft; finite differences.
Run: pytest tests/tensor/primitives/test_spectra.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd import fft
from tests.checks import check_grad, draw

NORMS = [None, "backward", "ortho", "forward"]


def compare(name, x, *args, **kwargs):
    got = getattr(fft, name)(isograd.tensor(x), *args, **kwargs)
    names = {"dim": "axes" if name[-1] in "n2" else "axis"}
    want = getattr(np.fft, name)(x, *args, **{names.get(k, k): v for k, v in kwargs.items()})
    np.testing.assert_allclose(got.numpy(), want, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 3, 4, 7])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_one_dimension(name, n, norm):
    make = draw()
    x = make(3, 5) if name in ("rfft", "ihfft") else make(3, 5) + 1j * make(3, 5)
    compare(name, x, n=n, norm=norm)
    compare(name, x, n=n, dim=0, norm=norm)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "rfft2", "irfft2"])
def test_several_dimensions(name, norm):
    make = draw()
    x = make(2, 3, 4) if name.startswith("rfft") else make(2, 3, 4) + 1j * make(2, 3, 4)
    compare(name, x, norm=norm)
    compare(name, x, s=(4, 3), dim=(0, 2), norm=norm)


def test_hermitian_in_several_dimensions():
    x = isograd.tensor(draw()(4, 6))
    for norm in NORMS:
        back = fft.hfftn(fft.ihfftn(x, norm=norm), (4, 6), norm=norm)
        np.testing.assert_allclose(back.numpy(), x.numpy(), atol=1e-12)
        back = fft.hfft2(fft.ihfft2(x, norm=norm), (4, 6), norm=norm)
        np.testing.assert_allclose(back.numpy(), x.numpy(), atol=1e-12)


@pytest.mark.parametrize("n", [3, 5, 6])
def test_gradients(n):
    make = draw()
    for name in ("fft", "ifft", "rfft", "ihfft"):
        check_grad(
            lambda x, name=name: isograd.view_as_real(getattr(fft, name)(x, n)), [make(2, 5)], {}
        )
    for name in ("irfft", "hfft"):

        def call(re, im, name=name):
            return getattr(fft, name)(isograd.complex(re, im), n)

        check_grad(call, [make(2, 4), make(2, 4)], {})
    check_grad(lambda x: isograd.view_as_real(fft.rfftn(x, (n, 3))), [make(4, 4)], {})


def test_dtypes():
    assert fft.fft(isograd.ones(4)).dtype is isograd.complex64
    assert fft.rfft(isograd.ones(4, dtype=isograd.float64)).dtype is isograd.complex128
    assert fft.fft(isograd.arange(4)).dtype is isograd.complex64
    assert fft.irfft(isograd.ones(3)).dtype is isograd.float32
    with pytest.raises(RuntimeError, match="Unsupported dtype"):
        fft.fft(isograd.ones(4).half())
    with pytest.raises(RuntimeError, match="real input"):
        fft.rfft(isograd.ones(4).to(isograd.complex64))


def test_frequencies():
    for n in (1, 4, 5):
        np.testing.assert_allclose(fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5))
        np.testing.assert_allclose(fft.rfftfreq(n, 0.5).numpy(), np.fft.rfftfreq(n, 0.5))
    x = draw()(4, 5)
    for dims in (None, 0, (0, 1)):
        shifted = fft.fftshift(isograd.tensor(x), dims)
        np.testing.assert_array_equal(shifted.numpy(), np.fft.fftshift(x, dims))
        np.testing.assert_array_equal(fft.ifftshift(shifted, dims).numpy(), x)


def test_errors():
    x = isograd.ones(4, 4)
    with pytest.raises(RuntimeError, match="Invalid normalization mode"):
        fft.fft(x, norm="unit")
    with pytest.raises(RuntimeError, match="Invalid number of data points"):
        fft.fft(x, 0)
    with pytest.raises(RuntimeError, match="unique"):
        fft.fftn(x, dim=(0, 0))
    with pytest.raises(IndexError):
        fft.fft(x, dim=2)
    with pytest.raises(RuntimeError, match="same length"):
        fft.fftn(x, (4,), (0, 1))
