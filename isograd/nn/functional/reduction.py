"""How losses are reduced to one number."""

from __future__ import annotations

import warnings

from isograd.tensor.core import Tensor

__all__ = ["legacy_reduction", "reduce_loss"]


def reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    """``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: for any other word.
    """
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return loss


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that torch's two old flags mean, if they are given."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        reduction = "none"
    else:
        reduction = "sum" if size_average is False else "mean"
    warnings.warn(
        "size_average and reduce args will be deprecated, please use "
        f"reduction='{reduction}' instead.",
        stacklevel=3,
    )
    return reduction
