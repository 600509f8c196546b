"""Which arguments of a random draw are valid: dtypes, integer ranges, multinomial weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["DIGITS", "check_multinomial", "floating", "integer_bounds", "largest"]

DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def floating(operation: str, dtype: DTypeLike) -> np.dtype[Any]:
    """The NumPy dtype, refused when it is not a real floating one."""
    target = np.dtype(dtype)
    if target.name not in DIGITS:
        raise RuntimeError(
            f"{operation}: expected a floating-point dtype, got {target}; draw in float32 and "
            "convert"
        )
    return target


def largest(dtype: np.dtype[Any]) -> int:
    """The largest integer `Generator.random` gives in this dtype."""
    if dtype.name in DIGITS:
        return 1 << DIGITS[dtype.name]
    if dtype.kind == "b":
        return 1
    if dtype.kind not in "iu" or dtype == np.uint64:
        raise RuntimeError(f"random_: not implemented for {dtype}; draw int64 and convert")
    return int(np.iinfo(dtype).max)


def integer_bounds(dtype: np.dtype[Any], low: int, high: int | None, top: int) -> tuple[int, int]:
    """[first, last) that the dtype can hold, checked and, for floats, narrowed to exact ends."""
    if high is not None and low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if dtype.name in DIGITS:
        digits = DIGITS[dtype.name]
        limit = math.inf if digits >= 24 else (65504 if digits == 11 else 3.3895e38)
        least = -limit
    else:
        limit, least = top, 0 if dtype.kind in "bu" else -top - 1
    for name, value in (("from", low), ("to - 1", top if high is None else high - 1)):
        if not least <= value <= limit:
            raise RuntimeError(f"random_: {name} = {value} is out of bounds for {dtype}")
    if dtype.name in DIGITS:
        low, high = _representable(dtype, low, high)
    return low, top + 1 if high is None else high


def _representable(dtype: np.dtype[Any], low: int, high: int | None) -> tuple[int, int | None]:
    """Move the ends inward when rounding to ``dtype`` would step outside them."""
    digits = DIGITS[dtype.name]
    after = int(dtype.type(low + 1))
    if after < low:
        low = after + (1 << (abs(low + 1).bit_length() - digits))
    if high is not None:
        before = int(dtype.type(high - 1))
        if before >= high:
            high = before - (1 << (abs(high - 1).bit_length() - digits))
    return low, high


def check_multinomial(weights: NDArray[Any], num_samples: int, replacement: bool) -> None:
    """Raise RuntimeError unless these weights can be sampled ``num_samples`` times."""
    if weights.dtype.name not in DIGITS:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {weights.dtype}"
        )
    if weights.ndim not in (1, 2):
        raise RuntimeError(f"multinomial: prob_dist must be 1 or 2 dim, got {weights.ndim}")
    if num_samples <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > weights.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"{num_samples} > {weights.shape[-1]}"
        )
    if not np.all(np.isfinite(weights) & (weights >= 0)):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not np.all(np.sum(weights, axis=-1, dtype=np.float64) > 0):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
