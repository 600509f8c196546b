"""Losses that ask for a margin between scores or between distances."""

from __future__ import annotations

from collections.abc import Callable

from isograd.nn.functional.distance import pairwise_distance
from isograd.nn.functional.reduction import legacy_reduction, reduce_loss
from isograd.tensor.core import Tensor
from isograd.tensor.creation import arange, zeros_like
from isograd.tensor.dtypes import bool_
from isograd.tensor.primitives.activation import log_sigmoid
from isograd.tensor.primitives.selection import minimum, where
from isograd.tensor.public import public

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip


def _positive(x: Tensor) -> Tensor:
    return x.clamp(min=0)


@public(method=False)
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    apart = where(target != 1, _positive(margin - input), 0.0)
    alike = where(target != -1, input, 0.0)
    return reduce_loss(apart + alike, reduction)


@public(method=False)
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -target * (input1 - input2) + margin)``; 1 means the first should be larger."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduce_loss(_positive(-target * (input1 - input2) + margin), reduction)


@public(method=False)
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Shape:
        (N, D), (N, D) and (N,); or (D,), (D,) and ().
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.ndim == 1 and (input1.ndim != 2 or input2.ndim != 2):
        raise RuntimeError("1D target tensor expects 2D input tensors, but found inputs with sizes "
                           f"{list(input1.shape)} and {list(input2.shape)}.")  # fmt: skip
    if target.ndim == 0 and (input1.ndim != 1 or input2.ndim != 1):
        raise RuntimeError("0D target tensor expects 1D input tensors, but found inputs with sizes "
                           f"{list(input1.shape)} and {list(input2.shape)}.")  # fmt: skip
    dim = target.ndim
    squares = [(x * x).sum(dim) + 1e-12 for x in (input1, input2)]
    cosine = (input1 * input2).sum(dim) / (squares[0] * squares[1]).sqrt()
    loss = where(target == 1, 1 - cosine, 0.0) + where(
        target == -1, _positive(cosine - margin), 0.0
    )
    return reduce_loss(loss, reduction)


@public(method=False)
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, d the p-norm distance.

    Args:
        swap: use the distance of positive and negative if it is smaller.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    return _triplet(
        anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap,
        reduction,
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own (the Euclidean one by default)."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduce_loss(_positive(near - far + margin), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``sum over i != target of max(0, margin - input[target] + input[i]) ** p / C``.

    Shape:
        (N, C) and (N,), or (C,) and ().

    Raises:
        ValueError: if p is neither 1 nor 2, or the weights are not one per class.
        RuntimeError: for a class that does not exist.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    flat, (rows, classes) = target.reshape(-1), x.shape
    if flat.numel() != rows:
        raise RuntimeError(
            f"inconsistent target size, expected {rows} but got {list(target.shape)}"
        )
    if rows and (int(flat.min()) < 0 or int(flat.max()) >= classes):
        raise RuntimeError("target out of range")
    own = flat.unsqueeze(1)  # (N, 1)
    z = _positive(margin - x.gather(1, own) + x)
    z = z * z if p == 2 else z
    if weight is not None:
        z = z * weight[flat].unsqueeze(1)
    others = arange(classes, device=x.device) != own
    loss = where(others, z, 0.0).sum(1) / classes
    return reduce_loss(loss if input.ndim > 1 else loss.reshape(()), reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``sum of max(0, 1 - (input[j] - input[i])) / C`` over labels j and other classes i.

    Args:
        target: the labels of each row, then -1.

    Shape:
        (N, C) and (N, C), or (C,) and (C,).
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if input.ndim > 2 or (input.ndim and input.shape[-1] == 0):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    if input.shape != target.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    x = input.reshape(1, -1) if input.ndim < 2 else input
    labels = target.reshape(x.shape)
    given = (labels < 0).cumsum(1) == 0  # before the first -1
    safe = where(given, labels, 0)
    is_label = zeros_like(x).scatter_add(1, safe, given.to(x.dtype)).to(bool_)
    gap = 1 - x.gather(1, safe).unsqueeze(2) + x.unsqueeze(1)  # (N, labels, C)
    counts = given.unsqueeze(2) & ~is_label.unsqueeze(1)
    loss = where(counts, _positive(gap), 0.0).sum((1, 2)) / x.shape[1]
    return reduce_loss(loss if input.ndim > 1 else loss.reshape(()), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of each class's score, averaged over the classes (last dimension)."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    loss = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduce_loss(loss.mean(-1), reduction)
