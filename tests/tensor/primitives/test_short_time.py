"""Short-time transforms: values, the inverse, gradients, windows, errors.

Reference: numpy.fft frame by frame; the signal itself; finite differences.
Run: pytest tests/tensor/primitives/test_short_time.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from tests.checks import check_grad, draw

X = draw()(2, 40)
HANN = isograd.hann_window(16, dtype=isograd.float64)


@pytest.mark.parametrize("onesided", [True, False])
@pytest.mark.parametrize("normalized", [True, False])
def test_frames(onesided, normalized):
    got = isograd.stft(isograd.tensor(X), 16, 4, window=HANN, center=False, onesided=onesided,
                       normalized=normalized, return_complex=True)  # fmt: skip
    transform = np.fft.rfft if onesided else np.fft.fft
    want = [transform(X[:, t : t + 16] * HANN.numpy(), norm="ortho" if normalized else None)
            for t in range(0, 25, 4)]  # fmt: skip
    np.testing.assert_allclose(got.numpy(), np.stack(want, -1), atol=1e-12)


@pytest.mark.parametrize("length", [None, 40])
@pytest.mark.parametrize("win", [16, 12])
def test_inverse(length, win):
    window = isograd.hann_window(win, dtype=isograd.float64)
    options = {"n_fft": 16, "hop_length": 4, "win_length": win, "window": window}
    spectrum = isograd.stft(isograd.tensor(X), **options, return_complex=True)
    back = isograd.istft(spectrum, **options, length=length)
    np.testing.assert_allclose(back.numpy(), X, atol=1e-12)


def test_gradients():
    def call(x):
        return isograd.stft(x, 8, 4, window=isograd.hann_window(8).double(), return_complex=False)

    check_grad(call, [X[0, :20]], {})


def test_windows():
    for name in ("bartlett", "blackman", "hamming", "hann"):
        made = getattr(isograd, f"{name}_window")(9, periodic=False, dtype=isograd.float64)
        want = getattr(np, "hanning" if name == "hann" else name)(9)
        np.testing.assert_allclose(made.numpy(), want, atol=1e-12)
        periodic = getattr(isograd, f"{name}_window")(8, dtype=isograd.float64)
        np.testing.assert_allclose(periodic.numpy(), want[:8], atol=1e-12)
    kaiser = isograd.kaiser_window(9, False, 5.0, dtype=isograd.float64)
    np.testing.assert_allclose(kaiser.numpy(), np.kaiser(9, 5.0), atol=1e-12)
    with pytest.raises(ValueError, match="non-negative window length"):
        isograd.hann_window(-1)


def test_errors():
    x = isograd.tensor(X)
    with pytest.raises(RuntimeError, match="return_complex"):
        isograd.stft(x, 16)
    with pytest.raises(RuntimeError, match="1D or 2D"):
        isograd.stft(isograd.ones(1, 1, 9), 4, return_complex=True)
    with pytest.raises(RuntimeError, match="win_length"):
        isograd.stft(x, 16, window=isograd.ones(3), return_complex=True)
    with pytest.raises(RuntimeError, match="complex-valued"):
        isograd.istft(isograd.ones(9, 3), 16)
    with pytest.raises(RuntimeError, match="frequency dimension"):
        isograd.istft(isograd.ones(7, 3).to(isograd.complex64), 16)
