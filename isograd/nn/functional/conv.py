"""Convolutions and transposed convolutions of 1, 2 and 3 dimensions."""

from __future__ import annotations

from typing import Any

from isograd.nn.functional.arguments import batched, tuple_of, unbatched
from isograd.nn.functional.padding import pad
from isograd.tensor.core import Tensor
from isograd.tensor.primitives.columns import output_sizes
from isograd.tensor.primitives.convolution import convolution, convolution_input
from isograd.tensor.public import public

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d",
]  # fmt: skip

Ints = int | tuple[int, ...]


def _check_dtypes(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    for what, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.dtype is not input.dtype:
            raise RuntimeError(
                f"Input type ({input.dtype}) and {what} type ({t.dtype}) should be the same"
            )


def _check_groups(input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    c, o = input.shape[1], weight.shape[0]
    sizes = f"weight of size {list(weight.shape)}"
    if groups < 1:
        raise RuntimeError(f"expected positive groups, got {groups}")
    if o % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got {sizes} instead"
        )
    if c != weight.shape[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, {sizes}, expected input{list(input.shape)} to have "
            f"{weight.shape[1] * groups} channels, but got {c} channels instead"
        )
    if bias is not None and tuple(bias.shape) != (o,):
        raise RuntimeError(
            f"Given {sizes}, expected bias to be 1-dimensional with {o} elements, but got bias of "
            f"size {list(bias.shape)} instead"
        )


def _positive(name: str, **values: tuple[int, ...]) -> None:
    for what, given in values.items():
        least = 0 if what == "padding" else 1
        if min(given) < least:
            kind = "negative" if what == "padding" else "non-positive"
            raise RuntimeError(f"{name}: {kind} {what} is not supported, got {list(given)}")


def _same(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[Tensor, tuple[int, ...]]:
    """The padding that keeps the size; an odd total has its larger half at the end."""
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(t % 2 for t in totals):
        x = pad(x, [v for t in reversed(totals) for v in (0, t % 2)])
    return x, tuple(t // 2 for t in totals)


def _convolve(
    n: int, name: str, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any,
    padding: Any, dilation: Any, groups: int,
) -> Tensor:  # fmt: skip
    x, had_batch = batched(input, n, name)
    if weight.ndim != n + 2:
        raise RuntimeError(
            f"{name}: expected a weight of {n + 2} dimensions (out, in / groups, *kernel), got "
            f"{list(weight.shape)}"
        )
    _check_dtypes(x, weight, bias)
    _check_groups(x, weight, bias, groups)
    strides = tuple_of(stride, n, name, "stride")
    dilations = tuple_of(dilation, n, name, "dilation")
    kernel = tuple(weight.shape[2:])
    _positive(name, stride=strides, dilation=dilations)
    if padding == "same":
        x, pads = _same(x, kernel, strides, dilations)
    elif padding == "valid":
        pads = (0,) * n
    elif isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'; use 'same', 'valid' or integers")
    else:
        pads = tuple_of(padding, n, name, "padding")
        _positive(name, padding=pads)
    size = tuple(x.shape[2:])
    if min(output_sizes(size, kernel, strides, pads, dilations)) < 1:
        have = " x ".join(str(s + 2 * p) for s, p in zip(size, pads, strict=True))
        reach = " x ".join(str(d * (k - 1) + 1) for d, k in zip(dilations, kernel, strict=True))
        raise RuntimeError(
            f"Calculated padded input size per channel: ({have}). Kernel size: ({reach}). Kernel "
            "size can't be greater than actual input size"
        )
    return unbatched(convolution(x, weight, bias, strides, pads, dilations, groups), had_batch)


@public(method=False)
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1,
    padding: str | Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over one dimension.

    Args:
        padding: zeros on both sides, ``"valid"`` (none) or ``"same"`` (as many as keep the size).

    Shape:
        (N, C, L) or (C, L), weight (O, C / groups, K), bias (O,) -> (N, O, L') or (O, L')

    Raises:
        RuntimeError: if shapes, dtypes or arguments do not fit.
    """
    return _convolve(1, "conv1d", input, weight, bias, stride, padding, dilation, groups)


@public(method=False)
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1,
    padding: str | Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over images (N, C, H, W) with (O, C / groups, KH, KW); see `conv1d`."""
    return _convolve(2, "conv2d", input, weight, bias, stride, padding, dilation, groups)


@public(method=False)
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1,
    padding: str | Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over volumes (N, C, D, H, W); see `conv1d`."""
    return _convolve(3, "conv3d", input, weight, bias, stride, padding, dilation, groups)


@public(method=False)
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolution of (time, batch, channels) with (kernel, in, out)."""
    out = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return out.permute(2, 0, 1)


def _transpose(
    n: int, name: str, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any,
    padding: Any, output_padding: Any, groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    x, had_batch = batched(input, n, name)
    _check_dtypes(x, weight, bias)
    _check_transposed(n, name, x, weight, bias, groups)
    strides = tuple_of(stride, n, name, "stride")
    dilations = tuple_of(dilation, n, name, "dilation")
    pads = tuple_of(padding, n, name, "padding")
    extra = tuple_of(output_padding, n, name, "output_padding")
    kernel = tuple(weight.shape[2:])
    _positive(name, stride=strides, dilation=dilations, padding=pads)
    for e, s, d in zip(extra, strides, dilations, strict=True):
        if e < 0 or e >= max(s, d):
            raise RuntimeError(
                "output padding must be smaller than either stride or dilation, but got "
                f"output_padding={list(extra)}, stride={list(strides)}, dilation={list(dilations)}"
            )
    size = [
        (length - 1) * s - 2 * p + d * (k - 1) + e + 1
        for length, s, p, d, k, e in zip(
            x.shape[2:], strides, pads, dilations, kernel, extra, strict=True
        )
    ]
    if min(size) < 1:
        raise RuntimeError(
            f"Given input size per channel: {list(x.shape[2:])}. Calculated output size per "
            f"channel: {size}. Output size is too small"
        )
    out = convolution_input(x, weight, bias, size, strides, pads, dilations, groups)
    return unbatched(out, had_batch)


def _check_transposed(
    n: int, name: str, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int
) -> None:
    if weight.ndim != n + 2:
        raise RuntimeError(
            f"{name}: expected a weight of {n + 2} dimensions (in, out / groups, *kernel), got "
            f"{list(weight.shape)}"
        )
    if groups < 1 or weight.shape[0] % groups or x.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(weight.shape)}, expected input"
            f"{list(x.shape)} to have {weight.shape[0]} channels, but got {x.shape[1]} channels "
            f"instead (groups={groups})"
        )
    if bias is not None and tuple(bias.shape) != (weight.shape[1] * groups,):
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(weight.shape)}, expected bias to be "
            f"1-dimensional with {weight.shape[1] * groups} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )


@public(method=False)
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1,
    padding: Ints = 0, output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of `conv1d` in its input, as a layer that enlarges.

    Args:
        padding: how much of the border to cut off.
        output_padding: how much longer the output is at its end.

    Shape:
        (N, C, L) or (C, L), weight (C, O / groups, K), bias (O,) -> (N, O, L') or (O, L')

    Raises:
        RuntimeError: if shapes, dtypes or arguments do not fit.
    """
    return _transpose(1, "conv_transpose1d", input, weight, bias, stride, padding, output_padding,
                      groups, dilation)  # fmt: skip


@public(method=False)
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1,
    padding: Ints = 0, output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of `conv2d` in its input; see `conv_transpose1d`."""
    return _transpose(2, "conv_transpose2d", input, weight, bias, stride, padding, output_padding,
                      groups, dilation)  # fmt: skip


@public(method=False)
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1,
    padding: Ints = 0, output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of `conv3d` in its input; see `conv_transpose1d`."""
    return _transpose(3, "conv_transpose3d", input, weight, bias, stride, padding, output_padding,
                      groups, dilation)  # fmt: skip
