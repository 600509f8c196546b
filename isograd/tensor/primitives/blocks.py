"""Blocks of matrices, splitting by direction, combinations, traces; all made of primitives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.primitives import shape as s
from isograd.tensor.primitives.reduction import sum as total
from isograd.tensor.public import FUNCTIONS, public

__all__ = ["block_diag", "combinations", "diagflat", "dsplit", "hsplit", "trace", "vsplit"]


@public(method=False)
def block_diag(*tensors: Any) -> Tensor:
    """The matrices (vectors as rows) along the diagonal of one matrix, with zeros around."""
    blocks = []
    for i, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {x.ndim} dimensions"
            )
        blocks.append(s.atleast_2d(x))
    width = sum(b.shape[1] for b in blocks)
    rows, start = [], 0
    for b in blocks:
        n, m = b.shape
        rows.append(s.cat([b.new_zeros(n, start), b, b.new_zeros(n, width - start - m)], 1))
        start += m
    return s.cat(rows, 0)


@public()
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All selections of ``r`` elements of a vector, one per row."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    if r == 0:
        return input.new_empty(0)
    xp = backend_of(input._array).xp
    picked = xp.asarray(np.array(list(choose(range(input.numel()), r)), np.int64).reshape(-1, r))
    return input.take(wrap(picked))


def _splitter(name: str, least: int, axis: int) -> Any:
    def function(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if input.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
                f"with {input.ndim} dimensions!"
            )
        dim = 0 if name == "hsplit" and input.ndim == 1 else axis
        if isinstance(indices_or_sections, int):
            if indices_or_sections <= 0 or input.shape[dim] % indices_or_sections:
                raise RuntimeError(
                    f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                    f"dimension {input.shape[dim]} is not divisible by the split_size "
                    f"{indices_or_sections}!"
                )
        return s.tensor_split(input, indices_or_sections, dim)

    function.__name__ = name
    function.__doc__ = f"`tensor_split` along dimension {axis}, into equal parts or at indices."
    return public()(function)


hsplit, vsplit, dsplit = (
    _splitter("hsplit", 1, 1), _splitter("vsplit", 2, 0), _splitter("dsplit", 3, 2),
)  # fmt: skip


@public()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A square matrix with all elements on a diagonal."""
    return s.diag_embed(s.reshape(input, -1), offset)


@public()
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return total(s.diagonal(input))


@public(method=False)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates, in a tensor of the given shape, of indices into it flattened."""
    if indices.dtype.category != 1:
        raise ValueError(f"expected 'indices' to be an integer dtype, but got {indices.dtype}")
    lengths = s.sizes((shape,), "unravel_index") if not isinstance(shape, int) else (shape,)
    if any(n < 0 for n in lengths):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(lengths)}")
    out, rest = [], indices
    for n in reversed(lengths):
        out.append(rest % n)
        rest = rest.div(n, rounding_mode="floor")
    return tuple(reversed(out))


@public()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """`nonzero` cut, or filled up, to ``size`` rows."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = input.nonzero()
    rows = found[:size]
    missing = size - rows.shape[0]
    return s.cat([rows, found.new_full((missing, input.ndim), fill_value)], 0)


@public()
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugates are computed at once here."""
    return input


@public()
def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negatives are computed at once here."""
    return input


def _copying(name: str, fn: Callable[..., Any], new: str = "") -> None:
    """``<name>_copy``: the view's elements in memory of their own."""

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        made = fn(input, *args, **kwargs)
        return tuple(x.clone() for x in made) if isinstance(made, tuple) else made.clone()

    function.__name__ = new or f"{name}_copy"
    function.__doc__ = f"`{name}` in memory of its own."
    FUNCTIONS[function.__name__] = function
    if name in ("narrow",):
        Tensor.narrow_copy = function  # type: ignore[attr-defined]


for _name in ("as_strided", "diagonal", "narrow", "permute", "squeeze", "t", "transpose", "unbind",
              "unsqueeze", "view", "expand", "unfold"):  # fmt: skip
    _copying(_name, getattr(s, _name))
_copying("split", s.split)
_copying("split", s.split, "split_with_sizes_copy")
_copying("alias", lambda x: x)
for _old, _fn in (("unsafe_split", s.split), ("unsafe_chunk", s.chunk)):
    FUNCTIONS[_old] = _fn
    setattr(Tensor, _old, _fn)
