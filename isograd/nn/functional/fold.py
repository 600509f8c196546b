"""Windows of images as columns, and columns added up to images."""

from __future__ import annotations

import math
from typing import Any

from isograd.nn.functional.arguments import tuple_of
from isograd.tensor.core import Tensor
from isograd.tensor.primitives.columns import col2im, im2col, output_sizes

__all__ = ["fold", "unfold"]

Ints = int | tuple[int, ...]


def _window(
    name: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> dict[str, tuple[int, ...]]:
    out = {
        "kernel": tuple_of(kernel_size, 2, name, "kernel_size"),
        "stride": tuple_of(stride, 2, name, "stride"),
        "padding": tuple_of(padding, 2, name, "padding"),
        "dilation": tuple_of(dilation, 2, name, "dilation"),
    }
    for what, values in out.items():
        if min(values) < (0 if what == "padding" else 1):
            raise RuntimeError(
                f"{name}: {what} should be greater than zero, but got {list(values)}"
            )
    return out


def unfold(
    input: Tensor, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Tensor:
    """All windows of an image as columns (im2col).

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, C * prod(kernel_size), L) or without N

    Raises:
        RuntimeError: if shapes or arguments do not fit.
    """
    window = _window("unfold", kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    count = output_sizes(input.shape[-2:], *window.values())
    if min(count) < 1:
        raise RuntimeError(
            f"Given input with spatial size {tuple(input.shape[-2:])}, {window}, calculated shape "
            f"of the array of sliding blocks as {count}, but its components must be at least one."
        )
    if input.ndim == 3:
        return im2col(input.unsqueeze(0), **window).squeeze(0)
    return im2col(input, **window)


def fold(
    input: Tensor, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0,
    stride: Ints = 1,
) -> Tensor:  # fmt: skip
    """Columns added up where their windows lie (col2im); the adjoint of `unfold`.

    Shape:
        (N, C * prod(kernel_size), L) or without N -> (N, C, *output_size) or without N

    Raises:
        RuntimeError: if shapes or arguments do not fit.
    """
    window = _window("fold", kernel_size, dilation, padding, stride)
    size = tuple_of(output_size, 2, "fold", "output_size")
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    area = math.prod(window["kernel"])
    if input.shape[-2] % area:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={input.shape[-2]} and kernel_size={window['kernel']}."
        )
    count = output_sizes(size, *window.values())
    if min(count) < 1 or math.prod(count) != input.shape[-1]:
        raise RuntimeError(
            f"Given output_size={size} and {window}, expected size of input's dimension 2 to match "
            f"the calculated number of sliding blocks {' * '.join(map(str, count))} = "
            f"{math.prod(count)}, but got input.size(2)={input.shape[-1]}."
        )
    if input.ndim == 2:
        return col2im(input.unsqueeze(0), size, **window).squeeze(0)
    return col2im(input, size, **window)
