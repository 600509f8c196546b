"""Whether some, or all, elements are not 0, and how many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, reduction
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.reduction import Dims, dims_of
from isograd.tensor.public import public

__all__ = ["all", "any", "count_nonzero"]


def _samples(make: Any) -> Any:
    x = make(3, 4) * (make(3, 4) > 1)
    return [((x,), {"dims": dims, "keepdim": len(dims) == 1}) for dims in ((1,), (0, 1))]


def _count_cuts(params: Any, x: Any) -> Iterable[Cut]:
    """Counts of parts add up; those of parts of a sum do not."""
    for cut in reduction("sum")(params, x):
        if cut.ins != ("sum",):
            yield cut


_any = Primitive(
    "any", lambda xp, x, *, dims, keepdim: xp.any(x != 0, axis=dims, keepdims=keepdim),
    nondifferentiable=True, cuts=reduction("max"), samples=_samples,
    doc="Whether some element is not 0.",
)  # fmt: skip
_all = Primitive(
    "all", lambda xp, x, *, dims, keepdim: xp.all(x != 0, axis=dims, keepdims=keepdim),
    nondifferentiable=True, cuts=reduction("min"), samples=_samples,
    doc="Whether no element is 0.",
)  # fmt: skip
_count_nonzero = Primitive(
    "count_nonzero", lambda xp, x, *, dims: xp.sum(x != 0, axis=dims, dtype=np.int64),
    nondifferentiable=True, cuts=_count_cuts,
    samples=lambda make: [(x, {"dims": params["dims"]}) for x, params in _samples(make)],
    doc="How many elements are not 0.",
)  # fmt: skip


def _truth(record: Primitive, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    out: Tensor = apply(record, input, dims=dims_of(dim, input.ndim, record.name), keepdim=keepdim)
    return out.to(dtypes.uint8) if input.dtype is dtypes.uint8 else out


@public(out=True)
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether some element is not 0."""
    return _truth(_any, input, dim, keepdim)


@public(out=True)
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether no element is 0."""
    return _truth(_all, input, dim, keepdim)


@public()
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not 0."""
    return apply(_count_nonzero, input, dims=dims_of(dim, input.ndim, "count_nonzero"))
