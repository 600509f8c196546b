"""The one door: every operation on tensors is ``apply(primitive, *inputs, **params)``.

Behind the door stand up to three interpreters, each registering itself from its own floor: the
*recorder* (autograd) sees an operation after it ran, if some input wants a gradient; the *tracer*
(compiler) and the *partitioner* (distributed) see it before, and may run it themselves. With none
active, `apply` is one flag test and a call: that path is the eager hot path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.backends import backend_of, device_count
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.dtypes import FLOAT32, FLOAT64
from isograd.tensor.primitive import Primitive
from isograd.tensor.promotion import cast_all
from isograd.tensor.spread import SpreadArray

__all__ = [
    "Recorder", "apply", "execute", "link_view", "looks_into", "mode", "register_interpreter",
    "register_recorder", "run_forward",
]  # fmt: skip

_new = object.__new__
_ndarray = np.ndarray
_int64 = dtypes.int64.np


class _Mode(threading.local):
    """Per thread: whether operations are recorded, and whether results are inference tensors."""

    grad = True
    inference = False


mode = _Mode()


class Recorder(Protocol):
    """What autograd offers to this floor."""

    def record(
        self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], outs: Any
    ) -> None:
        """Give the outputs a history."""

    def refresh(self, view: Tensor) -> None:
        """Bring a view's history in step with its base, which was written to."""

    def before_write(self, target: Tensor, name: str) -> None:
        """Raise if ``target`` must not be written to in place."""

    def after_write(self, target: Tensor, result: Tensor) -> None:
        """``target`` holds ``result``'s values now: take over its history."""


Interpreter = Callable[[Primitive, tuple[Any, ...], dict[str, Any]], Any]

_interpreters: list[Interpreter] = []
_recorder: list[Recorder] = []


def register_recorder(recorder: Recorder) -> None:
    """Called once by the autograd floor."""
    _recorder[:] = [recorder]


def register_interpreter(interpreter: Interpreter) -> Callable[[], None]:
    """Put an interpreter before execution; it returns NotImplemented to let an operation pass.

    Returns:
        A function that takes it away again.
    """
    _interpreters.append(interpreter)
    return lambda: _interpreters.remove(interpreter)


def recorder() -> Recorder:
    """The autograd floor's recorder."""
    return _recorder[0]


def apply(primitive: Primitive, *inputs: Any, **params: Any) -> Any:
    """Run an operation on tensors and numbers and record it where a gradient may be wanted.

    Raises:
        RuntimeError: if the tensors are on different devices.
        TypeError: if an input is neither a tensor nor a number where one is needed.
    """
    if _interpreters:
        for interpret in _interpreters:
            result = interpret(primitive, inputs, params)
            if result is not NotImplemented:
                return result
    return execute(primitive, inputs, params)


def execute(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """`apply` without the interpreters that stand before it."""
    arrays = []
    wants = False
    host = True
    for t in inputs:
        if isinstance(t, Tensor):
            base = t._base
            if base is not None and base._epoch != t._epoch:
                _recorder[0].refresh(t)
            if t._requires_grad:
                wants = True
            a = t._array
            if a.__class__ is not _ndarray:
                host = False
            arrays.append(a)
        else:
            arrays.append(t)
    try:
        if host:
            result = run_forward(np, primitive, arrays, params)
        else:
            spread = _spread(arrays)
            if spread is not None:
                return _run_spread(spread, primitive, inputs, params, wants)
            result = _run_device(primitive, arrays, params)
    except ValueError as error:
        clearer = _shape_error(primitive, arrays, error)
        if clearer is None:
            raise
        raise clearer from error
    if primitive.outputs == 1:
        out: Any = _new(Tensor)
        out._array = result if result.__class__ is _ndarray else _as_array(result)
        if primitive.view:
            link_view(out, inputs[0], primitive, params)
    else:
        out = tuple([wrap(r) for r in result])
    if wants and mode.grad and not primitive.nondifferentiable:
        _recorder[0].record(primitive, inputs, params, out)
    return out


def _spread(arrays: list[Any]) -> SpreadArray | None:
    """The first array that is in pieces."""
    for a in arrays:
        if isinstance(a, SpreadArray):
            return a
    return None


def _run_spread(
    spread: SpreadArray,
    primitive: Primitive,
    inputs: tuple[Any, ...],
    params: dict[str, Any],
    wants: bool,
) -> Any:
    """Leave the operation to those who know where the pieces are; record it as any other.

    One that has a history already was recorded as the operations that it was made of.
    """
    out = spread.apply(primitive, _with_pieces(spread, primitive, inputs), params)
    if primitive.outputs == 1 and out._node is not None:
        return out
    if wants and mode.grad and not primitive.nondifferentiable:
        _recorder[0].record(primitive, inputs, params, out)
    return out


def _with_pieces(
    spread: SpreadArray, primitive: Primitive, inputs: tuple[Any, ...]
) -> tuple[Any, ...]:
    """The inputs where the pieces are: numbers of the host are brought to their device."""
    backend = spread.backend
    for i, t in enumerate(inputs):
        if isinstance(t, Tensor) and backend_of(t._array) is not backend:
            where = wrap(spread).device
            if t._array.__class__ is not _ndarray or t._array.ndim:
                raise _devices_error(primitive, where, t.device)
            moved = wrap(backend.from_numpy(t._array, where.index))
            inputs = (*inputs[:i], moved, *inputs[i + 1 :])
    return inputs


def _devices_error(primitive: Primitive, here: Any, there: Any) -> RuntimeError:
    return RuntimeError(
        f"{primitive.name}: Expected all tensors to be on the same device, but found at least two "
        f"devices, {here} and {there}! Move one with .to(device)"
    )


def _shape_error(primitive: Primitive, arrays: list[Any], error: ValueError) -> RuntimeError | None:
    """torch's error for shapes that do not broadcast; None for any other error."""
    shapes = [a.shape for a in arrays if hasattr(a, "shape")]
    if "broadcast" not in str(error) or not shapes:
        return None
    for back in range(1, max(map(len, shapes)) + 1):
        lengths = [s[-back] for s in shapes if len(s) >= back and s[-back] != 1]
        if len(set(lengths)) > 1:
            first, second = lengths[0], next(n for n in lengths if n != lengths[0])
            return RuntimeError(
                f"The size of tensor a ({first}) must match the size of tensor b ({second}) at "
                f"non-singleton dimension {max(map(len, shapes)) - back} ({primitive.name} of "
                f"shapes {', '.join(map(str, shapes))})"
            )
    return None


def _as_array(result: Any) -> Any:
    return np.asarray(result) if isinstance(result, np.generic) else result


def run_forward(xp: Any, primitive: Primitive, arrays: list[Any], params: dict[str, Any]) -> Any:
    """Forward after promotion; float32, float64 and int64 alone, or with a number, need none."""
    kind = primitive.promotion
    if kind is None:
        if primitive.low_precision and arrays and _any_low(arrays):
            return _run_low(xp, primitive, arrays, params)
        return primitive.forward(xp, *arrays, **params)
    d = getattr(arrays[0], "dtype", None)
    if d is FLOAT32 or d is FLOAT64 or (d is _int64 and kind == "same"):
        for a in arrays:
            if a.__class__ is float or a.__class__ is int:
                if d is _int64:
                    break
            elif getattr(a, "dtype", None) is not d:
                break
        else:
            return primitive.forward(xp, *arrays, **params)
    return _run_promoted(xp, primitive, arrays, params)


def _run_promoted(xp: Any, primitive: Primitive, arrays: list[Any], params: dict[str, Any]) -> Any:
    arrays, common = cast_all(xp, primitive.promotion or "same", arrays)
    if primitive.low_precision and dtypes.is_low_precision(common.np):
        return _run_low(xp, primitive, arrays, params)
    return primitive.forward(xp, *arrays, **params)


def _any_low(arrays: list[Any]) -> bool:
    for a in arrays:
        d = getattr(a, "dtype", None)
        if d is not FLOAT32 and d is not FLOAT64 and d is not None and dtypes.is_low_precision(d):
            return True
    return False


def _run_low(xp: Any, primitive: Primitive, arrays: list[Any], params: dict[str, Any]) -> Any:
    """Compute in float32 and round once to the first low-precision input's dtype."""
    low = next(a.dtype for a in arrays if hasattr(a, "dtype") and dtypes.is_low_precision(a.dtype))
    wide = [
        a.astype(FLOAT32) if hasattr(a, "dtype") and dtypes.is_low_precision(a.dtype) else a
        for a in arrays
    ]
    result = primitive.forward(xp, *wide, **params)
    if primitive.outputs == 1:
        return result.astype(low) if result.dtype == FLOAT32 else result
    return tuple(r.astype(low) if r is not None and r.dtype == FLOAT32 else r for r in result)


def _run_device(primitive: Primitive, arrays: list[Any], params: dict[str, Any]) -> Any:
    first = next(a for a in arrays if hasattr(a, "device") and not isinstance(a, _ndarray))
    backend = backend_of(first)
    where = backend.device_of(first)
    for i, a in enumerate(arrays):
        if isinstance(a, _ndarray):
            if a.ndim:
                raise _devices_error(primitive, where, "cpu")
            arrays[i] = backend.from_numpy(a, where.index)
        elif hasattr(a, "device") and backend.device_of(a) != where:
            raise _devices_error(primitive, where, backend.device_of(a))
    with _on_device(backend.xp, where.index):
        return run_forward(backend.xp, primitive, arrays, params)


def _on_device(xp: Any, index: int | None) -> AbstractContextManager[Any]:
    if device_count() < 2:
        return nullcontext()
    context: AbstractContextManager[Any] = xp.cuda.Device(index)
    return context


def looks_into(seen: Any, memory: Any) -> bool:
    """Whether one array is a view of another's memory."""
    base = seen.base
    if seen is memory or (base is not None and (base is memory or base is memory.base)):
        return True
    if seen.__class__ is _ndarray:  # as_strided puts an object of its own between
        return base is not None and np.may_share_memory(seen, memory)
    return bool(seen.data.mem is memory.data.mem)  # CuPy's as_strided sets no base


def link_view(
    out: Tensor,
    source: Tensor,
    primitive: Primitive,
    params: dict[str, Any],
    known: bool = False,
) -> None:
    """Tie a view to its base, if the result is ``known`` to look into its memory, or does."""
    if not known and not looks_into(out._array, source._array):
        return
    root = source if source._base is None else source._base
    out._base = root
    out._version_cell = root._share_version()
    out._view_chain = (*source._view_chain, (primitive, params))
    out._epoch = root._epoch
