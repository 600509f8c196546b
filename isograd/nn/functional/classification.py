"""Losses of classes: negative log-likelihood and cross-entropy."""

from __future__ import annotations

from typing import Any

from isograd.nn.functional.reduction import legacy_reduction, reduce_loss
from isograd.tensor.core import Tensor
from isograd.tensor.primitives.cross_entropy import cross_entropy_rows, pick_rows
from isograd.tensor.primitives.linear import linear
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.softmax import log_softmax

__all__ = ["cross_entropy", "linear_cross_entropy", "nll_loss"]


def _check(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Class numbers (N, d1, ...) for scores (N, C, d1, ...), or one for (C,)."""
    x, t = tuple(input._array.shape), tuple(target._array.shape)
    if not x:
        raise RuntimeError("cross_entropy: expected scores (C,) or (N, C, ...), got a 0-d tensor")
    if target.dtype.category != 1:
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype.name}")
    classes = x[0] if len(x) == 1 else x[1]
    if len(x) == 1:
        if t not in ((), (1,)):
            raise ValueError(
                f"Expected input batch_size ({x[0]}) to match target batch_size "
                f"({t[0] if t else 0})."
            )
    elif t != (x[0], *x[2:]):
        if not t or t[0] != x[0]:
            raise ValueError(
                f"Expected input batch_size ({x[0]}) to match target batch_size "
                f"({t[0] if t else 0})."
            )
        if len(x) == 2:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        raise RuntimeError(
            f"Expected target size {[x[0], *x[2:]]}, got {list(t)}: one class number per position"
        )
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight.shape)}"
        )


def _rows(input: Tensor) -> Tensor:
    """(C,) or (N, C, d1, ...) -> (rows, C)."""
    if input.ndim == 2:
        return input
    if input.ndim == 1:
        return input.unsqueeze(0)
    return input.movedim(1, -1).reshape(-1, input.shape[1])


def _weights(target: Tensor, weight: Tensor | None, ignore: int, like: Tensor) -> Tensor:
    """What each row counts: its class's weight, 0 where ignored."""
    counts = target != ignore
    if weight is None:
        return counts.to(like.dtype)
    return weight[where(counts, target, 0)] * counts


def _finish(
    loss: Tensor, target: Tensor, weight: Tensor | None, ignore: int, reduction: str, shape: object
) -> Tensor:
    """Weigh and reduce the losses of rows; the mean is over what counts."""
    if weight is None and reduction != "mean":
        return loss.reshape(shape) if reduction == "none" else reduce_loss(loss, reduction)
    counted = _weights(target, weight, ignore, loss)
    if weight is not None:
        loss = loss * counted
    if reduction == "none":
        return loss.reshape(shape)
    if reduction == "mean":
        return loss.sum() / counted.sum()
    return reduce_loss(loss, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-weight[target] * input[target]`` of log-probabilities.

    Args:
        weight: (C,) factors of the classes; the mean is the weighted one.
        ignore_index: targets of this number do not count.

    Shape:
        (C,) and (); (N, C) and (N,); (N, C, d1, ...) and (N, d1, ...)

    Raises:
        IndexError: for a class that does not exist.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    _check(input, target, weight)
    flat = target.reshape(-1)
    loss = -pick_rows(_rows(input), flat, ignore_index)
    return _finish(loss, flat, weight, ignore_index, reduction, target.shape)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-log_softmax(input)[target]`` of scores (logits).

    Args:
        target: class numbers, or probabilities in the shape of ``input``.
        weight: (C,) factors of the classes; for class numbers the mean is the weighted one.
        ignore_index: targets of this number do not count.
        label_smoothing: how much of each target is spread evenly over all classes.

    Shape:
        (C,) and (); (N, C) and (N,); (N, C, d1, ...) and (N, d1, ...)

    Raises:
        IndexError: for a class that does not exist.
        ValueError, RuntimeError: if the shapes do not fit.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if target.dtype.category == 2 and target.shape == input.shape:
        return _soft(input, target, weight, ignore_index, reduction, label_smoothing)
    _check(input, target, weight)
    rows, flat = _rows(input), target.reshape(-1)
    if label_smoothing > 0:
        return _smoothed(rows, target, weight, ignore_index, reduction, label_smoothing)
    loss = cross_entropy_rows(rows, flat, ignore_index)
    return _finish(loss, flat, weight, ignore_index, reduction, target.shape)


def _smoothed(
    rows: Tensor, target: Tensor, weight: Tensor | None, ignore: int, reduction: str, spread: float
) -> Tensor:
    log_p = log_softmax(rows, 1)
    flat = target.reshape(-1)
    counts = flat != ignore
    even = -(log_p if weight is None else log_p * weight).sum(1) * counts
    picked = -pick_rows(log_p, flat, ignore)
    if weight is not None:
        picked = picked * _weights(flat, weight, ignore, picked)
    loss = (1 - spread) * picked + (spread / rows.shape[1]) * even
    if reduction == "mean":
        return loss.sum() / _weights(flat, weight, ignore, loss).sum()
    return loss.reshape(target.shape) if reduction == "none" else reduce_loss(loss, reduction)


def _soft(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore: int,
    reduction: str,
    spread: float,
) -> Tensor:
    if ignore >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or "
            f"no classes but got weight tensor of shape: {list(weight.shape)}"
        )
    if spread > 0:
        target = target * (1 - spread) + spread / classes
    product = log_softmax(input, dim) * target
    if weight is not None:
        product = product * weight.reshape(-1, *(1,) * (input.ndim - dim - 1))
    if reduction == "mean":
        return -product.sum() / max(1, input.numel() // max(1, classes))
    return reduce_loss(-product.sum(dim), reduction)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy` of the scores ``input @ linear_weight.T + linear_bias``.

    Args:
        options: how torch cuts the work to save memory; the result does not depend on it, and here
            nothing is cut.

    Shape:
        (N, in) or (in,), weight (C, in) or (C, d1, ..., in), bias (C,) or (C, d1, ...)
    """
    rows = linear_weight.reshape(-1, linear_weight.shape[-1])
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = linear(input, rows, bias)
    scores = scores.reshape(*input.shape[:-1], *linear_weight.shape[:-1])
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        scores, target, weight, ignore_index=ignored, reduction=reduction,
        label_smoothing=label_smoothing,
    )  # fmt: skip
