"""Arguments that layers over images share: one number or one per dimension, batched or not."""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor

__all__ = ["batched", "tuple_of", "unbatched"]


def tuple_of(value: Any, n: int, name: str, what: str) -> tuple[int, ...]:
    """One integer for every dimension: ``value`` itself, or ``n`` times the same.

    Raises:
        RuntimeError: for another number of integers.
        TypeError: for anything but integers.
    """
    given = (value,) if hasattr(value, "__index__") else tuple(value)
    try:
        ints = tuple([v.__index__() for v in given])
    except (AttributeError, TypeError):
        raise TypeError(f"{name}(): {what} must be integers, got {value!r}") from None
    if len(ints) == 1:
        return ints * n
    if len(ints) != n:
        raise RuntimeError(
            f"{name}: expected {what} to be a single integer value or a list of {n} values to "
            f"match the {n} spatial dimensions, but got {what}={list(ints)}"
        )
    return ints


def batched(input: Tensor, n: int, name: str) -> tuple[Tensor, bool]:
    """(N, C, *S) from that or from (C, *S), and whether it had a batch.

    Raises:
        RuntimeError: for another number of dimensions.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): expected a Tensor, got {type(input).__name__}")
    if input.ndim == n + 2:
        return input, True
    if input.ndim == n + 1:
        return input.unsqueeze(0), False
    raise RuntimeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of "
        f"size: {list(input.shape)}"
    )


def unbatched(output: Tensor, had_batch: bool) -> Tensor:
    """Take the batch away again if the input had none."""
    return output if had_batch else output.squeeze(0)
