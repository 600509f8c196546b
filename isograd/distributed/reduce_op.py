"""ReduceOp, and what it means for each dtype on the host.

One table of rules shared by all communicators:

* float16 and bfloat16 are reduced in float32 and rounded once at the end, so the result does not
  depend on how many partial sums were rounded on the way (MPI has neither type anyway).
* bool behaves as the two-element lattice: SUM and MAX are "or", PRODUCT and MIN are "and".
* AVG is SUM divided by the number of ranks, for floating and complex dtypes.
* complex numbers have no order (no MIN, MAX); bitwise operators want integers or bool.
* MIN and MAX of NaN are whatever the transport gives: MPI does not say.
"""

import enum
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "ReduceOp",
    "accumulation_dtype",
    "check_reduce",
    "elementwise",
    "finish_average",
    "tree_reduce",
]


class ReduceOp(enum.Enum):
    """How the values of several ranks become one; torch.distributed's names."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7


_BITWISE = {ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR}
_ORDERED = {ReduceOp.MIN, ReduceOp.MAX}
_UFUNCS: dict[ReduceOp, Callable[..., Any]] = {
    ReduceOp.SUM: np.add,
    ReduceOp.AVG: np.add,
    ReduceOp.PRODUCT: np.multiply,
    ReduceOp.MIN: np.minimum,
    ReduceOp.MAX: np.maximum,
    ReduceOp.BAND: np.bitwise_and,
    ReduceOp.BOR: np.bitwise_or,
    ReduceOp.BXOR: np.bitwise_xor,
}


def elementwise(op: ReduceOp, xp: Any) -> Callable[..., Any]:
    """The function of `xp` (numpy or cupy) that reduces two arrays, of bool as well."""
    function: Callable[..., Any] = getattr(xp, _UFUNCS[op].__name__)
    return function


def is_half(dtype: np.dtype[Any]) -> bool:
    """True for float16 and bfloat16, the floating dtypes of two bytes."""
    return dtype.itemsize == 2 and dtype.kind not in "iu"


def accumulation_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype a reduction runs in: float32 for the two-byte floats, else `dtype`."""
    return np.dtype(np.float32) if is_half(dtype) else dtype


def check_reduce(name: str, dtype: np.dtype[Any], op: ReduceOp) -> None:
    """Refuse a reduction that has no meaning for `dtype`.

    Raises:
        TypeError: `op` is not a ReduceOp, or not defined for `dtype`.
    """
    if not isinstance(op, ReduceOp):
        raise TypeError(f"{name}: expected op to be a ReduceOp, got {op!r}")
    integral = dtype.kind in "iub"
    if op in _BITWISE and not integral:
        raise TypeError(f"{name}: {op.name} expects an integer or bool dtype, got {dtype}")
    if op in _ORDERED and dtype.kind == "c":
        raise TypeError(f"{name}: {op.name} is not defined for {dtype}; complex has no order")
    if op is ReduceOp.AVG and integral:
        raise TypeError(
            f"{name}: AVG expects a floating or complex dtype, got {dtype}; "
            "use SUM and divide as the program needs"
        )


def finish_average(total: np.ndarray[Any, Any], op: ReduceOp, size: int) -> None:
    """Turn the sum into the mean, in place and before rounding to a narrow dtype."""
    if op is ReduceOp.AVG:
        np.divide(total, size, out=total)


def tree_reduce(parts: Sequence[np.ndarray[Any, Any]], op: ReduceOp) -> np.ndarray[Any, Any]:
    """Reduce host arrays along a fixed binary tree over their positions.

    The halves [0, n/2) and [n/2, n) are reduced first, so the order of additions depends on the
    number of parts alone.

    Args:
        parts: arrays of one shape and dtype, at least one.
        op: the reduction; AVG divides at the end.

    Returns:
        A new array of that shape and dtype.
    """
    dtype = parts[0].dtype
    wide = accumulation_dtype(dtype)
    ufunc = _bool_ufunc(op) if dtype.kind == "b" else _UFUNCS[op]

    def reduced(lo: int, hi: int) -> Any:
        if hi - lo == 1:
            return parts[lo].astype(wide, copy=False)
        middle = (lo + hi + 1) // 2
        return ufunc(reduced(lo, middle), reduced(middle, hi))

    total = np.array(reduced(0, len(parts)), dtype=wide)  # a copy also when there is one part
    finish_average(total, op, len(parts))
    return total.astype(dtype, copy=False)


def _bool_ufunc(op: ReduceOp) -> Callable[..., Any]:
    if op in (ReduceOp.SUM, ReduceOp.MAX, ReduceOp.BOR):
        return np.logical_or
    return np.logical_xor if op is ReduceOp.BXOR else np.logical_and
