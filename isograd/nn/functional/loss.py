"""Losses between predictions and targets of the same shape."""

from __future__ import annotations

import math
import warnings
from typing import Any

from isograd.nn.functional.reduction import legacy_reduction, reduce_loss
from isograd.tensor.core import Tensor
from isograd.tensor.primitives.activation import log_sigmoid
from isograd.tensor.primitives.binary_cross_entropy import (
    binary_cross_entropy as _binary_cross_entropy,
)
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import broadcast_tensors
from isograd.tensor.primitives.special import xlogy

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "gaussian_nll_loss", "huber_loss",
    "kl_div", "l1_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
]  # fmt: skip


def _pair(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both, broadcast to each other; with a warning where that was needed."""
    if input._array.shape == target._array.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size "
        f"({input.shape}). This will likely lead to incorrect results due to broadcasting. Please "
        "ensure they have the same size.",
        stacklevel=3,
    )
    a, b = broadcast_tensors(input, target)
    return a, b


def _weighted_mean(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    if weight is None:
        return reduce_loss(loss, reduction)
    loss = _weigh(loss, weight)
    return loss.sum() / weight.sum() if reduction == "mean" else reduce_loss(loss, reduction)


def _weigh(loss: Tensor, weight: Tensor) -> Tensor:
    if weight.shape != loss.shape:
        raise ValueError("Weights and input must have the same size.")
    return loss * weight


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``(input - target) ** 2``; with ``weight`` the mean is the weighted one."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    input, target = _pair(input, target)
    difference = input - target
    return _weighted_mean(difference * difference, weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``|input - target|``; with ``weight`` the mean is the weighted one."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    input, target = _pair(input, target)
    return _weighted_mean((input - target).abs(), weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``|d| - beta / 2``, and ``d**2 / (2 beta)`` where ``|d| < beta``.

    Raises:
        RuntimeError: for a negative ``beta``.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    input, target = _pair(input, target)
    difference = (input - target).abs()
    if beta == 0:
        return reduce_loss(difference, reduction)
    near = difference * difference * (0.5 / beta)
    return reduce_loss(where(difference < beta, near, difference - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``delta * (|d| - delta / 2)``, and ``d**2 / 2`` where ``|d| <= delta``.

    Raises:
        RuntimeError: if ``delta`` is not positive.
    """
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    input, target = _pair(input, target)
    difference = (input - target).abs()
    near = difference * difference * 0.5
    loss = where(difference <= delta, near, (difference - 0.5 * delta) * delta)
    return reduce_loss(loss if weight is None else _weigh(loss, weight), reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-weight * (target log(input) + (1 - target) log(1 - input))`` of probabilities.

    Raises:
        ValueError: if the shapes differ.
        RuntimeError: if an input is not within [0, 1].
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    loss = _binary_cross_entropy(input, target)
    return reduce_loss(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of ``sigmoid(input)``, without overflow.

    Args:
        pos_weight: factor of the positive term, broadcast to the target.

    Raises:
        ValueError: if the shapes differ.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    log_p = log_sigmoid(input)
    if pos_weight is not None:
        log_p = log_p * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - log_p
    return reduce_loss(loss if weight is None else loss * weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``target * (log(target) - input)``, where ``input`` holds log-probabilities.

    Args:
        reduction: also ``"batchmean"``: the sum divided by the batch size, which is the divergence.
        log_target: the target holds log-probabilities, too.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
            stacklevel=2,
        )
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = xlogy(target, target) - target * input
    if reduction != "batchmean":
        return reduce_loss(loss, reduction)
    return loss.sum() / input.shape[0] if input.ndim else loss.sum()


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of Poisson counts.

    Args:
        log_input: ``input`` is the logarithm of the rate.
        full: add Stirling's approximation of ``log(target!)``.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if log_input:
        loss = input.exp() - target * input
    else:
        loss = input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + where(target > 1, stirling, 0.0)
    return reduce_loss(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of normal values with mean ``input`` and variance ``var``.

    Args:
        var: like ``input``, or without its last dimension, or with 1 there; or a number.
        full: add the constant ``log(2 pi) / 2``.
        eps: the variance counts as at least this; its gradient does not see that.

    Raises:
        ValueError: for a negative variance or one of another shape.
    """
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.new_full(input.shape, var)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif not (input.shape[:-1] == var.shape[:-1] and var.shape[-1] == 1) and var.ndim > 0:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    var = var + (var.detach().clamp(min=eps) - var.detach())
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduce_loss(loss, reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-target * input))``, targets being 1 or -1."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    return reduce_loss(-log_sigmoid(target * input), reduction)
