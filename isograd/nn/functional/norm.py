"""Normalisation by statistics of the batch, of a layer, of groups, or of neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from isograd.nn.functional.padding import pad
from isograd.tensor.core import Tensor
from isograd.tensor.dtypes import finfo, float32, is_low_precision
from isograd.tensor.inplace import write_out
from isograd.tensor.primitives import normalization as records
from isograd.tensor.public import public

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize",
    "rms_norm",
]  # fmt: skip


def _check_shape(
    input: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None
) -> None:
    have = input._array.shape
    if have[len(have) - len(shape) :] != shape or not shape or len(have) < len(shape):
        star = ", ".join(["*", *map(str, shape)])
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{star}], but got "
            f"input of size {list(have)}"
        )
    for what, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._array.shape != shape:
            raise RuntimeError(
                f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape "
                f"{list(t.shape)} and normalized_shape = {list(shape)}"
            )


def _shape(normalized_shape: Any) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


@public(method=False)
def layer_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5, cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """Zero mean and unit variance over the last dimensions, times weight, plus bias.

    Args:
        normalized_shape: the last dimensions, of which the weight and bias have the shape.

    Raises:
        RuntimeError: if the shapes do not fit.
    """
    shape = _shape(normalized_shape)
    _check_shape(input, shape, weight, bias)
    return records.layer_norm(input, weight, bias, len(shape), eps)


@public(method=False)
def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:  # fmt: skip
    """``input / sqrt(mean(input²) + eps)`` over the last dimensions, times weight.

    Args:
        eps: by default the machine epsilon of the dtype.

    Raises:
        RuntimeError: if the shapes do not fit.
    """
    shape = _shape(normalized_shape)
    _check_shape(input, shape, weight, None)
    if eps is None:
        eps = float(finfo(float32 if is_low_precision(input._array.dtype) else input.dtype).eps)
    if input.is_complex():
        square = (input * input).mean(tuple(range(-len(shape), 0)), keepdim=True)
        out = input * (square + eps).rsqrt()
        return out if weight is None else out * weight
    return records.rms_norm(input, weight, len(shape), eps)


@public(method=False)
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Zero mean and unit variance over each group of channels of (N, C, ...).

    Raises:
        RuntimeError: if the channels cannot be divided into the groups, or shapes do not fit.
    """
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received "
                           f"{input.ndim}")  # fmt: skip
    if num_groups < 1 or input.shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(input.shape)} and num_groups={num_groups}"
        )
    _check_channels(input, weight, bias)
    return records.group_norm(input, weight, bias, num_groups, eps)[0]


def _check_channels(input: Tensor, *vectors: Tensor | None) -> None:
    for t in vectors:
        if t is not None and tuple(t.shape) != (input.shape[1],):
            raise RuntimeError(
                f"Expected one value for each of {input.shape[1]} channels of an input of shape "
                f"{list(input.shape)}, but got a tensor of shape {list(t.shape)}"
            )


def _follow(running: Tensor | None, now: Tensor, momentum: float) -> None:
    """``running = (1 - momentum) * running + momentum * now``, in place."""
    if running is not None:
        now = now.detach() * momentum  # in the wider dtype of the two, rounded once
        running.copy_(running.to(now.dtype) * (1 - momentum) + now)


def _variance(rstd: Tensor, eps: float, count: int) -> Tensor:
    """The unbiased variance behind ``1 / sqrt(variance + eps)``."""
    return (rstd.detach() ** -2 - eps) * (count / max(1, count - 1))


def _by_running(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """One multiplication and one addition per element."""
    kind = x.dtype
    if is_low_precision(x._array.dtype):
        x = x.to(float32)
    scale = (var.to(x.dtype) + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    shift = -mean.to(x.dtype) * scale if bias is None else bias - mean.to(x.dtype) * scale
    ones = (1,) * (x.ndim - 2)
    out = x * scale.reshape(-1, *ones) + shift.reshape(-1, *ones)
    return out if out.dtype is kind else out.to(kind)


@public(method=False)
def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Every channel of (N, C, ...) to zero mean and unit variance over the batch.

    Args:
        running_mean, running_var: with ``training`` they move towards the batch's by ``momentum``;
            without they are used in place of the batch's.

    Raises:
        RuntimeError: if shapes do not fit, or there are no running statistics to use.
        ValueError: when training with one value per channel.
    """
    if input.numel() == 0:
        return input.clone()
    if input.ndim < 2:
        raise RuntimeError(
            f"batch_norm: expected (N, C, ...), got input of shape {list(input.shape)}"
        )
    _check_channels(input, weight, bias, running_mean, running_var)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training="
                               "False")  # fmt: skip
        return _by_running(input, running_mean, running_var, weight, bias, eps)
    count = input.shape[0] * math.prod(input.shape[2:])
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    out, mean, rstd = records.batch_norm(input, weight, bias, eps)
    _follow(running_mean, mean, momentum)
    if running_var is not None:
        _follow(running_var, _variance(rstd, eps, count), momentum)
    return out


@public(method=False)
def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Every channel of every example of (N, C, ...) to zero mean and unit variance.

    Args:
        use_input_stats: without it the running statistics are used.

    Raises:
        RuntimeError: if shapes do not fit, or there are no running statistics to use.
        ValueError: with one value per channel.
    """
    _check_channels(input, weight, bias, running_mean, running_var)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when use_input_stats=False"
            )
        return _by_running(input, running_mean, running_var, weight, bias, eps)
    n, c, count = input.shape[0], input.shape[1], math.prod(input.shape[2:])
    if count == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    out, mean, rstd = records.group_norm(input, weight, bias, c, eps)
    if running_mean is not None:
        _follow(running_mean, mean.reshape(n, c).mean(0), momentum)
    if running_var is not None:
        _follow(running_var, _variance(rstd, eps, count).reshape(n, c).mean(0), momentum)
    return out


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by ``(k + alpha * mean of squares over ``size`` neighbouring channels) ** beta``.

    Krizhevsky, Sutskever & Hinton 2012, section 3.3.

    Raises:
        ValueError: for fewer than three dimensions.
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)"
        )
    if input.numel() == 0:
        return input
    sides = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = pad(input * input, sides)
    c = input.shape[1]
    total = squares.narrow(1, 0, c)
    for i in range(1, size):
        total = total + squares.narrow(1, i, c)
    return input / (total * (alpha / size) + k) ** beta


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Divide by the p-norm along ``dim``, but by no less than ``eps``."""
    length = input.norm(p, dim, keepdim=True).clamp_min(eps)
    result = input / length
    return result if out is None else write_out("normalize", out, result)
