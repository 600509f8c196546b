"""Affine and bilinear maps."""

from __future__ import annotations

from isograd.tensor.core import Tensor
from isograd.tensor.primitives.einsum import einsum
from isograd.tensor.primitives.linear import linear
from isograd.tensor.public import public

__all__ = ["bilinear", "linear"]


@public(method=False)
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 @ weight[k] @ input2 + bias[k]`` for every output k.

    Shape:
        (*, in1), (*, in2), weight (out, in1, in2), bias (out,) -> (*, out)

    Raises:
        RuntimeError: if the shapes do not fit.
    """
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape)} and "
            f"{list(input2.shape)}"
        )
    for i, x in ((1, input1), (2, input2)):
        if x.shape[-1] != weight.shape[i]:
            raise RuntimeError(
                f"bilinear(): input{i} size does not match weight size: got {x.shape[-1]} but "
                f"expected {weight.shape[i]}"
            )
    out = einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else out + bias
