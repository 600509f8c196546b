"""Rearrangements between channels and pixels, and of channels."""

from __future__ import annotations

from isograd.tensor.core import Tensor
from isograd.tensor.public import public

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def _images(name: str, input: Tensor) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)"
        )


@public(method=False)
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C * r², H, W) -> (*, C, H * r, W * r); Shi et al. 2016, section 2.2.

    Raises:
        RuntimeError: if r² does not divide the channels.
    """
    _images("pixel_shuffle", input)
    r = upscale_factor
    *lead, c, h, w = input.shape
    if r < 1 or c % (r * r):
        raise RuntimeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    x = input.reshape(*lead, c // (r * r), r, r, h, w)
    x = x.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)  # (*, C, H, r, W, r)
    return x.reshape(*lead, c // (r * r), h * r, w * r)


@public(method=False)
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H * r, W * r) -> (*, C * r², H, W): the inverse of `pixel_shuffle`.

    Raises:
        RuntimeError: if r does not divide the height and the width.
    """
    _images("pixel_unshuffle", input)
    r = downscale_factor
    *lead, c, h, w = input.shape
    if r < 1 or h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but "
            f"got {h} x {w} and {r}"
        )
    n = len(lead)
    x = input.reshape(*lead, c, h // r, r, w // r, r)
    x = x.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)  # (*, C, r, r, H, W)
    return x.reshape(*lead, c * r * r, h // r, w // r)


@public("native_channel_shuffle", method=False)
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels (g, C / g) dealt out as (C / g, g); Zhang et al., ShuffleNet, 2018.

    Raises:
        RuntimeError: if the groups do not divide the channels.
    """
    _images("channel_shuffle", input)
    n, c, *size = input.shape
    if groups < 1 or c % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    x = input.reshape(n, groups, c // groups, *size).transpose(1, 2)
    return x.reshape(input.shape)
