"""Pooling of 1, 2 and 3 dimensions: largest, mean and p-norm of windows; adaptive; unpooling."""

from __future__ import annotations

import math
from typing import Any

from isograd.nn.functional.arguments import batched, tuple_of, unbatched
from isograd.tensor import dtypes
from isograd.tensor.core import Tensor
from isograd.tensor.primitives import pooling as records
from isograd.tensor.primitives.resampling import area, resample
from isograd.tensor.public import public

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip

Ints = int | tuple[int, ...]


def _window(
    n: int, name: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> tuple[tuple[int, ...], ...]:
    """Kernel, stride (the kernel by default), padding and dilation, checked."""
    kernel = tuple_of(kernel_size, n, name, "kernel_size")
    none = stride is None or (not hasattr(stride, "__index__") and len(stride) == 0)
    strides = kernel if none else tuple_of(stride, n, name, "stride")
    pads = tuple_of(padding, n, name, "padding")
    dilations = tuple_of(dilation, n, name, "dilation")
    for what, values in (("kernel_size", kernel), ("stride", strides), ("dilation", dilations)):
        if min(values) < 1:
            raise RuntimeError(f"{name}(): {what} must be greater than zero, got {list(values)}")
    for k, p, d in zip(kernel, pads, dilations, strict=True):
        if p < 0 or p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"{name}(): pad should be non-negative and at most half of effective kernel size, "
                f"but got pad={p}, kernel_size={k} and dilation={d}"
            )
    return kernel, strides, pads, dilations


def _check_size(name: str, x: Tensor, window: tuple[tuple[int, ...], ...], ceil: bool) -> None:
    kernel, strides, pads, dilations = window
    size = tuple(x.shape[2:])
    count = records.pooled_sizes(size, kernel, strides, pads, dilations, ceil)
    if min(count) < 1 or 0 in x.shape[1:]:
        raise RuntimeError(
            f"{name}(): Given input size: {list(x.shape[1:])}. Calculated output size: "
            f"{[x.shape[1], *count]}. Output size is too small"
        )


# -- the largest


def _max_pool(
    n: int, name: str, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    x, had_batch = batched(input, n, name)
    kernel, strides, pads, dilations = _window(n, name, kernel_size, stride, padding, dilation)
    _check_size(name, x, (kernel, strides, pads, dilations), ceil_mode)
    out, index = records.max_pool(x, kernel, strides, pads, dilations, ceil_mode)
    if return_indices:
        return unbatched(out, had_batch), unbatched(index, had_batch)
    return unbatched(out, had_batch)


@public(method=False)
def max_pool1d(
    input: Tensor, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of every window.

    Args:
        stride: the kernel size by default.
        ceil_mode: let a last window hang over the end.
        return_indices: also return the place of each within its (flat) image.

    Shape:
        (N, C, L) or (C, L) -> (N, C, L') or (C, L')

    Raises:
        RuntimeError: if shapes or arguments do not fit.
    """
    return _max_pool(1, "max_pool1d", input, kernel_size, stride, padding, dilation, ceil_mode,
                     return_indices)  # fmt: skip


@public(method=False)
def max_pool2d(
    input: Tensor, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of every window of (N, C, H, W); see `max_pool1d`."""
    return _max_pool(2, "max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode,
                     return_indices)  # fmt: skip


@public(method=False)
def max_pool3d(
    input: Tensor, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of every window of (N, C, D, H, W); see `max_pool1d`."""
    return _max_pool(3, "max_pool3d", input, kernel_size, stride, padding, dilation, ceil_mode,
                     return_indices)  # fmt: skip


# -- the mean


def _avg_pool(
    n: int, name: str, input: Tensor, kernel_size: Any, stride: Any, padding: Any,
    ceil_mode: bool, count_include_pad: bool, divisor: int | None = None,
) -> Tensor:  # fmt: skip
    x, had_batch = batched(input, n, name)
    kernel, strides, pads, ones = _window(n, name, kernel_size, stride, padding)
    _check_size(name, x, (kernel, strides, pads, ones), ceil_mode)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    out = records.avg_pool(x, kernel, strides, pads, ceil_mode, count_include_pad, divisor)
    return unbatched(out, had_batch)


@public(method=False)
def avg_pool1d(
    input: Tensor, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of every window.

    Args:
        stride: the kernel size by default.
        ceil_mode: let a last window hang over the end.
        count_include_pad: count the zeros of the padding as elements.

    Shape:
        (N, C, L) or (C, L) -> (N, C, L') or (C, L')

    Raises:
        RuntimeError: if shapes or arguments do not fit.
    """
    return _avg_pool(1, "avg_pool1d", input, kernel_size, stride, padding, ceil_mode,
                     count_include_pad)  # fmt: skip


def avg_pool2d(
    input: Tensor, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of every window of (N, C, H, W); see `avg_pool1d`.

    Args:
        divisor_override: divide the sums by this number.
    """
    return _avg_pool(2, "avg_pool2d", input, kernel_size, stride, padding, ceil_mode,
                     count_include_pad, divisor_override)  # fmt: skip


def avg_pool3d(
    input: Tensor, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of every window of (N, C, D, H, W); see `avg_pool2d`."""
    return _avg_pool(3, "avg_pool3d", input, kernel_size, stride, padding, ceil_mode,
                     count_include_pad, divisor_override)  # fmt: skip


# -- adaptive


def _output_size(n: int, name: str, x: Tensor, output_size: Any) -> tuple[int, ...]:
    one = output_size is None or hasattr(output_size, "__index__")
    listed = (output_size,) if one else tuple(output_size)
    if len(listed) not in (1, n):
        raise RuntimeError(f"{name}: expected one or {n} output sizes, got {list(listed)}")
    listed = listed * n if len(listed) == 1 else listed
    count = tuple(
        have if wanted is None else int(wanted)
        for wanted, have in zip(listed, x.shape[2:], strict=True)
    )
    if min(count) < 0:
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0, "
                           f"got {list(count)}")  # fmt: skip
    if 0 in x.shape[1:]:
        raise RuntimeError(
            f"{name}: Expected input to have non-zero size for non-batch dimensions, but input has "
            f"sizes {list(x.shape)}"
        )
    return count


def _adaptive_avg(n: int, name: str, input: Tensor, output_size: Any) -> Tensor:
    x, had_batch = batched(input, n, name)
    size, count = tuple(x.shape[2:]), _output_size(n, name, x, output_size)
    if 0 in count:
        return unbatched(x.new_zeros((*x.shape[:2], *count)), had_batch)
    if all(c == 1 for c in count):
        return unbatched(x.mean(tuple(range(2, n + 2)), keepdim=True), had_batch)
    if all(s % c == 0 for s, c in zip(size, count, strict=True)):
        kernel = tuple(s // c for s, c in zip(size, count, strict=True))
        return unbatched(records.avg_pool(x, kernel, kernel, (0,) * n, False), had_batch)
    maps = tuple(None if s == c else area(s, c) for s, c in zip(size, count, strict=True))
    return unbatched(resample(x, maps), had_batch)


@public(method=False)
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of ``output_size`` windows that cover the input; None keeps a size."""
    return _adaptive_avg(1, "adaptive_avg_pool1d", input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of ``output_size`` windows that cover (N, C, H, W); None keeps a size."""
    return _adaptive_avg(2, "adaptive_avg_pool2d", input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The means of ``output_size`` windows that cover (N, C, D, H, W); None keeps a size."""
    return _adaptive_avg(3, "adaptive_avg_pool3d", input, output_size)


def _adaptive_max(n: int, name: str, input: Tensor, output_size: Any, indices: bool) -> Any:
    x, had_batch = batched(input, n, name)
    size, count = tuple(x.shape[2:]), _output_size(n, name, x, output_size)
    if 0 in count:
        out = x.new_zeros((*x.shape[:2], *count))
        index = out.to(dtypes.int64)
    elif all(c == 1 for c in count):
        out, index = x.flatten(2).max(-1)
        out, index = (t.reshape(*x.shape[:2], *count) for t in (out, index))
    elif all(s % c == 0 for s, c in zip(size, count, strict=True)):
        kernel = tuple(s // c for s, c in zip(size, count, strict=True))
        out, index = records.max_pool(x, kernel, kernel, (0,) * n, (1,) * n, False)
    else:
        out, index = records.adaptive_max_pool(x, count)
    out = unbatched(out, had_batch)
    return (out, unbatched(index, had_batch)) if indices else out


@public(method=False)
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of ``output_size`` windows that cover the input."""
    return _adaptive_max(1, "adaptive_max_pool1d", input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of ``output_size`` windows that cover (N, C, H, W)."""
    return _adaptive_max(2, "adaptive_max_pool2d", input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of ``output_size`` windows that cover (N, C, D, H, W)."""
    return _adaptive_max(3, "adaptive_max_pool3d", input, output_size, return_indices)


# -- p-norm


def _lp_pool(
    n: int, name: str, input: Tensor, p: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    kernel = tuple_of(kernel_size, n, name, "kernel_size")
    mean = _avg_pool(n, name, input**p, kernel, stride, 0, ceil_mode, True)
    area_ = math.prod(kernel)
    return (mean.sign() * mean.abs().relu() * area_) ** (1.0 / p)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """``(sum of x ** p) ** (1 / p)`` of every window."""
    return _lp_pool(1, "lp_pool1d", input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """``(sum of x ** p) ** (1 / p)`` of every window of (N, C, H, W)."""
    return _lp_pool(2, "lp_pool2d", input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """``(sum of x ** p) ** (1 / p)`` of every window of (N, C, D, H, W)."""
    return _lp_pool(3, "lp_pool3d", input, norm_type, kernel_size, stride, ceil_mode)


# -- unpooling


def _unpooled_size(
    n: int, name: str, x: Tensor, window: tuple[tuple[int, ...], ...], output_size: Any
) -> tuple[int, ...]:
    kernel, strides, pads = window
    usual = tuple(
        (length - 1) * s + k - 2 * p
        for length, k, s, p in zip(x.shape[2:], kernel, strides, pads, strict=True)
    )
    if output_size is None:
        return usual
    given = tuple(int(v) for v in output_size)
    given = given[2:] if len(given) == n + 2 else given
    if len(given) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a "
            f"length of '{len(given)}'"
        )
    for wanted, u, s in zip(given, usual, strides, strict=True):
        if not u - s < wanted < u + s:
            raise ValueError(
                f'invalid output_size "{list(given)}": each must lie within the stride '
                f"{list(strides)} of {list(usual)}"
            )
    return given


def _unpool(
    n: int, name: str, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any,
    output_size: Any,
) -> Tensor:  # fmt: skip
    x, had_batch = batched(input, n, name)
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    kernel, strides, pads, _ = _window(n, name, kernel_size, stride, padding)
    size = _unpooled_size(n, name, x, (kernel, strides, pads), output_size)
    places = indices.reshape(x.shape).flatten(2)
    zeros = x.new_zeros((*x.shape[:2], math.prod(size)))
    out = zeros.scatter(2, places, x.flatten(2)).reshape(*x.shape[:2], *size)
    return unbatched(out, had_batch)


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Ints, stride: Ints | None = None,
    padding: Ints = 0, output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the maxima back where `max_pool1d` found them, zeros elsewhere.

    Args:
        output_size: which of the sizes that pool to the input's is meant.

    Raises:
        RuntimeError: if the indices do not fit.
        ValueError: for an output size that does not fit.
    """
    return _unpool(1, "max_unpool1d", input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Ints, stride: Ints | None = None,
    padding: Ints = 0, output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the maxima back where `max_pool2d` found them; see `max_unpool1d`."""
    return _unpool(2, "max_unpool2d", input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Ints, stride: Ints | None = None,
    padding: Ints = 0, output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the maxima back where `max_pool3d` found them; see `max_unpool1d`."""
    return _unpool(3, "max_unpool3d", input, indices, kernel_size, stride, padding, output_size)
