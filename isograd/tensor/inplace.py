"""In-place operations: compute, write into the target's memory, count the change.

Any function of tensors has an in-place form: `write_into` computes it out of place and stores the
result. Where a gradient is recorded, the operation must see the target's old values, also later in
the backward pass. If nobody else looks at the target's memory, the target simply moves to the
result's memory (no copy); otherwise the old values are copied before they are overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import mode, recorder
from isograd.tensor.dtypes import from_numpy
from isograd.tensor.spread import SpreadArray

__all__ = [
    "may_be_cut",
    "need_writeable",
    "recording",
    "restride",
    "store",
    "write_into",
    "write_out",
]


def recording(*values: Any) -> bool:
    """Whether an operation on these values would get a history."""
    if not mode.grad:
        return False
    for value in values:
        if isinstance(value, Tensor):
            base = value._base
            if base is not None and base._epoch != value._epoch:
                recorder().refresh(value)
            if value._requires_grad:
                return True
        elif isinstance(value, (list, tuple)) and recording(*value):
            return True
    return False


def write_into(
    target: Tensor,
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    name: str = "",
) -> Tensor:
    """``target[...] = fn(target, *args, **kwargs)``, recorded; returns ``target``.

    Raises:
        RuntimeError: if the target is a leaf that requires a gradient, or the result's shape or
            dtype category does not fit into it.
    """
    kwargs = kwargs or {}
    name = name or fn.__name__ + "_"
    if not recording(target, *args, *kwargs.values()):
        store(target, fn(target, *args, **kwargs)._array, name)
        return target
    recorder().before_write(target, name)
    before = wrap(target._array)
    before._requires_grad = target._requires_grad
    before._node, before._index = target._node, target._index
    before._version_cell = [0]  # its own: the old values stay as they are
    alone = target._version_cell is None
    if not alone:
        before._array = target._array.copy()
    result = fn(before, *args, **kwargs)
    if result.dtype is not target.dtype:
        _check(target, result._array, name)
        result = result.to(target.dtype)
    if alone and result._node is not None and result._base is None:
        _check(target, result._array, name)
        target._array = result._array
        target._version_cell = result._share_version()
        target._version_cell[0] = 1
        if result._node.output_version is not None:
            result._node.output_version = 1
    elif alone:  # a view of a result that may have saved the old values: leave them their memory
        _check(target, result._array, name)
        target._array = result._array.copy()
        target._version_cell = [1]
    else:
        store(target, result._array, name)
    recorder().after_write(target, result)
    return target


def restride(
    target: Tensor, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str
) -> Tensor:
    """``target`` becomes the view ``fn(target, ...)`` of its own memory (``x.t_()``)."""
    if recording(target):
        recorder().before_write(target, name)
    before = object.__new__(type(target))
    before.__dict__.update(target.__dict__)
    before._version_cell = target._share_version()
    result = fn(before, *args, **kwargs)
    if result is not before:
        for field in ("_array", "_base", "_view_chain", "_epoch", "_node", "_index"):
            setattr(target, field, getattr(result, field))
        kept = before._requires_grad and before._node is None  # a parameter, under no_grad
        target._requires_grad = result._requires_grad or kept
    target._bump()
    return target


def store(target: Tensor, values: Any, name: str) -> None:
    """Write an array into the target's memory and count the change; nothing is recorded.

    A plain tensor that nobody else looks at becomes one in pieces where the values are in pieces.
    """
    _check(target, values, name)
    memory = target._array
    if memory.dtype != values.dtype:
        values = values.astype(memory.dtype)
    cut = values.cut() if isinstance(values, SpreadArray) else None
    if cut is not None and may_be_cut(target):
        target._array = values.copy()
    else:
        memory[...] = values
    target._bump()


def may_be_cut(target: Tensor) -> bool:
    """Whether a plain tensor's memory is its own alone: as it was made, seen by nobody else."""
    return (
        target._version_cell is None
        and target._base is None
        and not isinstance(target._array, SpreadArray)
    )


def _check(target: Tensor, values: Any, name: str) -> None:
    memory = target._array
    if memory.shape != values.shape:
        raise RuntimeError(
            f"{name}: output with shape {list(memory.shape)} doesn't match the broadcast shape "
            f"{list(values.shape)}"
        )
    _check_category(memory, values, name)
    need_writeable(memory, name)
    if memory.size and 0 in memory.strides and memory.size > 1:
        if any(s == 0 and n > 1 for s, n in zip(memory.strides, memory.shape, strict=True)):
            raise RuntimeError(
                f"{name}: unsupported operation: more than one element of the written-to tensor "
                "refers to a single memory location. Please clone() the tensor before performing "
                "the operation."
            )


def need_writeable(memory: Any, name: str) -> None:
    """Raise RuntimeError for an array that a write would not change, or not all of it."""
    if not getattr(memory.flags, "writeable", True):
        raise RuntimeError(
            f"{name}: the memory cannot be written to: it belongs to a read-only NumPy array, or "
            "is a gathered part of a tensor that is cut over processes, which the write would not "
            "reach. Write x[...] = value to the tensor itself, or clone() the part first."
        )


def _check_category(memory: Any, values: Any, name: str) -> None:
    if memory.dtype != values.dtype:
        have, want = from_numpy(values.dtype), from_numpy(memory.dtype)
        if have.category > want.category:
            raise RuntimeError(
                f"{name}: result type {have.name} can't be cast to the desired output type "
                f"{want.name}"
            )


def _check_apart(name: str, out: Tensor, inputs: tuple[Any, ...], strict: bool) -> None:
    memory = out._array
    for value in inputs:
        if isinstance(value, (list, tuple)):
            _check_apart(name, out, tuple(value), strict)
        elif isinstance(value, Tensor) and type(value._array) is type(memory):
            if not memory.size or not _overlap(memory, value._array):
                continue
            same = out.data_ptr() == value.data_ptr() and memory.strides == value._array.strides
            if strict or not same or memory.shape != value._array.shape:
                raise RuntimeError(
                    f"{name}: unsupported operation: some elements of the input tensor and the "
                    "written-to tensor refer to a single memory location. Please clone() the "
                    "tensor before performing the operation."
                )


def _overlap(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return bool(np.may_share_memory(a, b))
    return bool(a.data.mem.ptr == b.data.mem.ptr and a.size and b.size and _spans_meet(a, b))


def _spans_meet(a: Any, b: Any) -> bool:
    """Whether the address ranges of two CuPy arrays of one allocation meet."""
    (a0, a1), (b0, b1) = (
        (x.data.ptr, x.data.ptr + sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)))
        for x in (a, b)
    )
    return bool(a0 <= b1 and b0 <= a1)


def write_out(
    name: str, out: Any, result: Any, inputs: tuple[Any, ...] = (), strict: bool = False
) -> Any:
    """Serve ``out=``: resize the given tensors to the result and write it into them.

    Args:
        inputs: what the result was made of: ``out`` must not overlap it partly.
        strict: ``out`` must have the result's dtype, and be apart from all inputs.

    Raises:
        RuntimeError: if a gradient would be needed, the dtype does not fit, or memory overlaps.
        TypeError: if ``out`` is not made of tensors.
    """
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(f"{name}: out= expects {len(result)} tensors, got {out!r}")
        written = [write_out(name, o, r, inputs, strict) for o, r in zip(out, result, strict=True)]
        make = getattr(type(result), "_make", tuple)
        return make(written)
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}: out= expects a Tensor, got {type(out).__name__}")
    if recording(out, result):
        raise RuntimeError(
            f"{name}: functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if strict and out._array.dtype != result._array.dtype:
        raise RuntimeError(
            f"{name}: Expected out tensor to have dtype {result.dtype}, but got {out.dtype} instead"
        )
    _check_apart(name, out, inputs, strict)
    if out._array.shape != result._array.shape:
        _check_category(out._array, result._array, name)
        out._array = result._array.astype(out._array.dtype)
        out._bump()
        return out
    store(out, result._array, name)
    return out
