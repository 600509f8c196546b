"""Short-time Fourier transform and its inverse: made of windows, `unfold` and `rfft`."""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.primitives.complex import view_as_real
from isograd.tensor.primitives.shape import cat, expand, flip, narrow, reshape, transpose
from isograd.tensor.primitives.spectra import fft_fft, fft_ifft, fft_irfft, fft_rfft
from isograd.tensor.public import public

__all__ = ["istft", "stft"]


def _window(name: str, like: Tensor, n_fft: int, length: int, window: Tensor | None) -> Tensor:
    """(n_fft,): the window with zeros on both sides."""
    if not 0 < length <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={length}")
    if window is None:
        d = like.real.dtype if like.is_complex() else like.dtype
        window = like.new_ones(length, dtype=d)
    if window.ndim != 1 or window.shape[0] != length:
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={length}, but got "
            f"window with size {list(window.shape)}"
        )
    left = (n_fft - length) // 2
    zeros = (window.new_zeros(left), window.new_zeros(n_fft - length - left))
    return cat([zeros[0], window, zeros[1]]) if length < n_fft else window


def _padded(x: Tensor, side: int, mode: str) -> Tensor:
    if mode == "constant":
        zeros = x.new_zeros((x.shape[0], side))
        return cat([zeros, x, zeros], 1)
    if mode != "reflect":
        raise NotImplementedError(f"stft: pad_mode must be 'reflect' or 'constant', got {mode!r}")
    if side >= x.shape[1]:
        raise RuntimeError(
            "stft: Padding size should be less than the input's length, got "
            f"{side} and {x.shape[1]}"
        )
    left = flip(narrow(x, 1, 1, side), 1)
    return cat([left, x, flip(narrow(x, 1, x.shape[1] - 1 - side, side), 1)], 1)


@public()
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect",
    normalized: bool = False, onesided: bool | None = None, return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """Fourier transforms of windows of ``n_fft`` samples, ``hop_length`` apart.

    Args:
        center: pad both ends, so that frame t is centered at ``t * hop_length``.
        onesided: half of the frequencies; the default for real input.
        return_complex: must be given for real input; False gives the parts as a last dimension.

    Shape:
        (..., length) -> (..., frequencies, frames)
    """
    if return_complex is None and not input.is_complex():
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further "
            "require that return_complex=True in a future PyTorch release."
        )
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, but got {input.ndim}D")
    if align_to_window is not None:
        raise NotImplementedError("stft: align_to_window is not supported")
    hop = n_fft // 4 if hop_length is None else hop_length
    if hop <= 0:
        raise RuntimeError(f"stft: expected hop_length > 0, but got hop_length={hop}")
    x = input if input.ndim == 2 else reshape(input, (1, -1))
    if center:
        x = _padded(x, n_fft // 2, pad_mode)
    if not 0 < n_fft <= x.shape[1]:
        raise RuntimeError(f"stft: expected 0 < n_fft <= {x.shape[1]}, but got n_fft={n_fft}")
    shape = _window("stft", input, n_fft, n_fft if win_length is None else win_length, window)
    frames = x.unfold(1, n_fft, hop) * shape  # (batch, frames, n_fft)
    half = not frames.is_complex() if onesided is None else onesided
    if half and frames.is_complex():
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    out = (fft_rfft if half else fft_fft)(frames, norm="ortho" if normalized else None)
    out = transpose(out, 1, 2)
    out = out if input.ndim == 2 else out.squeeze(0)
    return out if return_complex is not False else view_as_real(out)


@public()
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False,
    onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """Inverse of `stft`: the least-squares signal of these transforms, by adding up the frames.

    Shape:
        (..., frequencies, frames), complex -> (..., length)

    Raises:
        RuntimeError: if the windows leave samples uncovered, or shapes do not fit.
    """
    if not input.is_complex():
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from "
                           "stft with return_complex=True.")  # fmt: skip
    if input.ndim not in (2, 3) or input.numel() == 0:
        raise RuntimeError(
            f"istft: expected a non-empty tensor with 2 or 3 dimensions, got {list(input.shape)}"
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length
    if not 0 < hop <= size:
        raise RuntimeError(f"istft: expected 0 < hop_length <= win_length, got {hop} and {size}")
    half = input.shape[-2] != n_fft if onesided is None else onesided
    if input.shape[-2] != (n_fft // 2 + 1 if half else n_fft):
        raise RuntimeError(
            f"istft: expected the frequency dimension to be n_fft{' / 2 + 1' if half else ''}, got "
            f"{input.shape[-2]} for n_fft={n_fft}"
        )
    x = transpose(input if input.ndim == 3 else reshape(input, (1, *input.shape)), 1, 2)
    shape = _window("istft", input, n_fft, size, window)
    norm = "ortho" if normalized else None
    if return_complex and half:
        raise RuntimeError("istft: complex output needs onesided=False")
    if return_complex:
        pieces = fft_ifft(x, norm=norm)
    else:  # of a real signal one half says all
        pieces = fft_irfft(narrow(x, -1, 0, n_fft // 2 + 1), n_fft, norm=norm)
    signal = _added(pieces * shape, hop)
    weight = _added(expand(shape * shape, (1, x.shape[1], n_fft)), hop)
    start = n_fft // 2 if center else 0
    whole = signal.shape[1]
    stop = start + length if length is not None else whole - (n_fft // 2 if center else 0)
    kept = min(stop, whole) - start
    signal, weight = narrow(signal, 1, start, kept), narrow(weight, 1, start, kept)
    if bool((weight.detach().abs() < 1e-11).any()):
        raise RuntimeError("window overlap add min: 1: the windows leave samples uncovered")
    out = signal / weight
    if length is not None and length > kept:
        out = cat([out, out.new_zeros((out.shape[0], length - kept))], 1)
    return out if input.ndim == 3 else out.squeeze(0)


def _added(frames: Tensor, hop: int) -> Tensor:
    """(batch, frames, n) -> (batch, length): frame t added at ``t * hop``."""
    batch, count, n = frames.shape
    xp = backend_of(frames._array).xp
    places: Any = (xp.arange(count) * hop)[:, None] + xp.arange(n)
    zeros = frames.new_zeros((batch, (count - 1) * hop + n))
    index = wrap(places.reshape(-1).astype(np.int64))
    return zeros.index_add(1, index, reshape(frames, (batch, -1)))
