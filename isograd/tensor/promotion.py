"""Bring the inputs of an operation to one dtype by torch's rules.

Operands count in three classes: tensors with dimensions, tensors without, Python numbers. A lower
class changes the result only where its *category* (bool < integer < floating < complex) is higher.
Source: torch's "type promotion" documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.dtypes import dtype, from_numpy, get_default_dtype, promote_types

__all__ = ["cast_all", "result_dtype", "scalar_dtype"]


def scalar_dtype(value: Any) -> dtype:
    """The dtype that a Python number stands for.

    Raises:
        TypeError: if it is no number.
    """
    if isinstance(value, (bool, np.bool_)):
        return dtypes.bool_
    if isinstance(value, (int, np.integer)):
        return dtypes.int64
    if isinstance(value, (float, np.floating)):
        return get_default_dtype()
    if isinstance(value, (complex, np.complexfloating)):
        return get_default_dtype().to_complex()
    raise TypeError(f"expected a Tensor or a number, got {type(value).__name__}")


def result_dtype(operands: Sequence[Any]) -> dtype:
    """The dtype of an operation on arrays and Python numbers."""
    classes: list[dtype | None] = [None, None, None]
    for value in operands:
        shape = getattr(value, "shape", None)
        if shape is None or isinstance(value, np.generic):
            rank, found = 2, scalar_dtype(value)
        else:
            rank, found = (0 if shape else 1), from_numpy(value.dtype)
        known = classes[rank]
        classes[rank] = found if known is None else promote_types(known, found)
    result: dtype | None = None
    for lower in classes:
        result = _combine(result, lower)
    if result is None:
        raise TypeError("result_type: at least one operand is needed")
    return result


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    if higher is None or lower is None:
        return lower if higher is None else higher
    if higher.category == 2 and lower.category == 3:
        return higher.to_complex()
    if higher.category >= lower.category:
        return higher
    return promote_types(higher, lower)


def cast_all(xp: Any, kind: str, operands: Sequence[Any]) -> tuple[list[Any], dtype]:
    """Arrays of one dtype for all operands, and that dtype.

    Args:
        kind: ``"same"``, or ``"float"`` where integers become the default floating dtype.
    """
    common = result_dtype(operands)
    if kind == "float" and common.category < 2:
        common = get_default_dtype()
    target = common.np
    out = []
    for value in operands:
        if isinstance(value, (bool, int, float, complex)):
            out.append(_scalar_array(xp, value, target))
        elif value.dtype != target:
            out.append(value.astype(target))
        else:
            out.append(value)
    return out, common


def _scalar_array(xp: Any, value: Any, target: Any) -> Any:
    if isinstance(value, int) and target.kind in "iu":
        bits = target.itemsize * 8
        value &= (1 << bits) - 1  # wraps as C does
        if target.kind == "i" and value >> (bits - 1):
            value -= 1 << bits
    return xp.asarray(value).astype(target)
