"""Padding with constants, with the mirrored, the nearest or the opposite border."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.primitives.padding import constant_pad_nd

__all__ = ["pad"]

_WRONG = {"reflect": "Reflect", "replicate": "Replicate", "circular": "Circular"}


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Pad the last dimensions, given as (before, after) pairs from the last one backwards.

    Args:
        pad: amounts; with ``"constant"`` of any dimensions, else of the last one, two or three.
        mode: ``"constant"``, ``"reflect"`` (the edge is not repeated), ``"replicate"`` (the edge
            is), or ``"circular"``.
        value: the constant; 0 by default.

    Raises:
        NotImplementedError: for amounts that do not fit the number of dimensions.
        RuntimeError: for borders longer than the input allows.
        ValueError: for another mode.

    Example:
        >>> import isograd
        >>> pad(isograd.tensor([[1.0, 2.0, 3.0]]), (1, 1), "reflect")
        tensor([[2., 1., 2., 3., 2.]])
    """
    amounts = [v.__index__() for v in pad]
    if len(amounts) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {len(amounts)} amounts")
    if mode == "constant":
        return constant_pad_nd(input, amounts, 0 if value is None else value)
    if mode not in _WRONG:
        raise ValueError(f"Unrecognised padding mode {mode}: expected constant, reflect, replicate "
                         "or circular")  # fmt: skip
    if value not in (None, 0):
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    pairs = list(zip(amounts[0::2], amounts[1::2], strict=True))
    if len(pairs) not in (1, 2, 3) or input.ndim not in (len(pairs) + 1, len(pairs) + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: got "
            f"{len(amounts)} amounts for an input of {input.ndim} dimensions"
        )
    for i, (before, after) in enumerate(pairs):
        if before or after:
            dim = input.ndim - 1 - i
            places = _places(backend_of(input._array).xp, input.shape[dim], before, after, mode)
            input = input.index_select(dim, wrap(places))
    return input if any(amounts) else input.clone()


def _places(xp: Any, n: int, before: int, after: int, mode: str) -> Any:
    """Which element each place of a padded axis shows."""
    if n + before + after < 1 or n == 0:
        raise RuntimeError(f"{mode} padding ({before}, {after}) leaves nothing of {n} elements")
    at = xp.arange(-before, n + after)
    longest = max(before, after)
    if mode == "replicate":
        return xp.clip(at, 0, n - 1)
    if mode == "circular":  # what is cut off does not come back at the other end
        start, end = max(0, -before), n - max(0, -after)
        if longest > n:
            raise RuntimeError(
                "Padding value causes wrapping around more than once: got "
                f"({before}, {after}) for {n} elements"
            )
        return (at - start) % (end - start) + start
    if longest >= n:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but "
            f"got: padding ({before}, {after}) at a dimension of {n} elements"
        )
    at = xp.abs(at)
    return xp.where(at < n, at, 2 * (n - 1) - at)
