"""Dropout: set random elements, or whole channels, to zero, and scale the others up.

The masks are counted draws of the default generator (see `isograd.tensor.primitives.dropout`), not
torch's stream.
"""

from __future__ import annotations

import warnings
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.inplace import write_into
from isograd.tensor.primitives.dropout import keep_mask, masked_scale
from isograd.tensor.public import public

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip

_SATURATION = 1.7580993408473766  # where selu ends for large negative inputs


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _apply(input: Tensor, p: float, inplace: bool, shape: tuple[int, ...] | None) -> Tensor:
    def drop(x: Tensor) -> Tensor:
        if p == 1:
            return x * 0
        return masked_scale(x, keep_mask(x, p, shape), 1 / (1 - p))

    if p == 0:
        return input if inplace else input * 1
    return write_into(input, drop, name="dropout_") if inplace else drop(input)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and divide the others by ``1 - p``.

    Args:
        training: without it the input comes back.
    """
    _check(p)
    return _apply(input, p, inplace, None) if training else input


def _channels(input: Tensor, unbatched: bool) -> tuple[int, ...]:
    kept = 1 if unbatched else 2
    return (*input.shape[:kept], *(1,) * (input.ndim - kept))


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L)."""
    _check(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
            "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return _apply(input, p, inplace, _channels(input, input.ndim == 2)) if training else input


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, H, W)."""
    _check(p)
    if input.ndim not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.ndim}-D input to dropout2d, which is deprecated and "
            "will result in an error in a future release. To retain the behavior and silence this "
            "warning, please use dropout instead. Note that dropout2d exists to provide "
            "channel-wise dropout on inputs with 2 spatial dimensions, a channel dimension, and "
            "an optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=2,
        )
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _apply(input, p, inplace, _channels(input, False)) if training else input


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _check(p)
    if input.ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.ndim}-D input to dropout3d, which is deprecated and "
            "will result in an error in a future release. To retain the behavior and silence this "
            "warning, please use dropout instead. Note that dropout3d exists to provide "
            "channel-wise dropout on inputs with 3 spatial dimensions, a channel dimension, and "
            "an optional batch dimension (i.e. 4D or 5D inputs).",
            stacklevel=2,
        )
    return _apply(input, p, inplace, _channels(input, input.ndim == 4)) if training else input


def _alpha(input: Tensor, p: float, inplace: bool, shape: Any) -> Tensor:
    """Dropped elements take selu's limit; mean and variance are kept (Klambauer et al. 2017)."""
    if p == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0

    def drop(x: Tensor) -> Tensor:
        a = ((1 - p) * (1 + p * _SATURATION**2)) ** -0.5
        mask = keep_mask(x, p, shape)
        kept = mask.to(x.dtype)
        return masked_scale(x, mask, a) + (kept - (1 - p)) * (a * _SATURATION)

    return write_into(input, drop, name="alpha_dropout_") if inplace else drop(input)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout for selu networks: mean and variance stay."""
    _check(p)
    return _alpha(input, p, inplace, None) if training else input


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels."""
    _check(p)
    return _alpha(input, p, inplace, _channels(input, False)) if training else input


for _function in (dropout, alpha_dropout, feature_alpha_dropout):
    public(method=False)(_function)
