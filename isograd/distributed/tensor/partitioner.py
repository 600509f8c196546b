"""The partitioner: runs an operation on tensors in pieces, once per position.

A record says in which ways its operation may be cut (`isograd.tensor.cuts`). For every mesh
dimension the way is taken that moves the fewest bytes; inputs are brought into the layouts it
needs, the forward runs on the pieces of every own position, and the results' layouts follow. What
a plan decides depends on layouts, shapes and params alone, never on the number of processes or on
values, so all processes decide alike. Plans are kept.

An operation without ways, or none that helps, gets its inputs whole and is computed everywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from isograd.autograd.node import walking
from isograd.distributed.tensor import sharded
from isograd.distributed.tensor.far import FarArray, far_view, run_on_far
from isograd.distributed.tensor.plan import Plan
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.distributed.tensor.strides import view_strides
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import link_view, mode
from isograd.tensor.primitive import Primitive

__all__ = ["COMPOSED", "composed", "run", "views_linked"]

_VOLATILE = ("seed", "draw")  # params that change at every call and decide nothing
_MOST_PLANS = 8192
_NESTED = (tuple, list, dict, slice)

_COMPOSED = object()  # in place of a plan: the operation is composed of others
_plans: dict[Any, Any] = {}

Composed = Callable[..., Any]
COMPOSED: dict[str, Composed] = {}
_RECORDS: set[str] = set()  # those recorded as what they are made of


def composed(*names: str, records: bool = False) -> Callable[[Composed], Composed]:
    """Register how operations on pieces are made of others: ``fn(primitive, inputs, params)``.

    It runs without recording, and returns NotImplemented to leave the operation to its cuts.

    Args:
        records: it is recorded as what it is made of, where a gradient is wanted.
    """

    def register(fn: Composed) -> Composed:
        for name in names:
            COMPOSED[name] = fn
        if records:
            _RECORDS.update(names)
        return fn

    return register


class _Linking(threading.local):
    always = False


_linking = _Linking()


@contextmanager
def views_linked() -> Iterator[None]:
    """Within, views are tied to their sources in backward passes, too, where nobody asks."""
    before, _linking.always = _linking.always, True
    try:
        yield
    finally:
        _linking.always = before


def run(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """The results of an operation of which some input is in pieces, as tensors."""
    for t in inputs:
        if isinstance(t, Tensor) and t._array.__class__ is FarArray:
            return run_on_far(primitive, inputs, params)
    made, near = _run(primitive, inputs, params)
    if primitive.view and (_linking.always or mode.grad or not walking.alone):
        _linked(made, inputs[0], primitive, params, near)
    return made


def _linked(
    made: Tensor, source: Tensor, primitive: Primitive, params: dict[str, Any], near: bool
) -> None:
    """Tie a view to its source: by the pieces' memory if it is ``near``, or from afar."""
    steps = view_strides(primitive, source._array, params)
    if steps is None:  # of the whole it would be a copy
        if isinstance(made._array, ShardedArray):
            made._array = made._array.copy()
        return
    if made._base is None:
        if near and isinstance(made._array, ShardedArray):
            link_view(made, source, primitive, params, known=True)
        else:
            far_view(made, source, primitive, params)
    if made._array.__class__ is ShardedArray:
        made._array.steps = steps or None
    for array in (made._array, source._array):
        if isinstance(array, ShardedArray) and array.layout.partial:
            array.viewed = True


def _run(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, bool]:
    """The results, and whether the first input's pieces were used where they lie."""
    key = _key(primitive, inputs, params)
    plan = _plans.get(key) if key is not None else None
    if plan is None or plan is _COMPOSED:
        special = COMPOSED.get(primitive.name)
        made = NotImplemented if special is None else _compose(special, primitive, inputs, params)
        if made is not NotImplemented:
            _keep(key, _COMPOSED)
            return made, False
        plan = Plan(primitive, inputs, params)
        _keep(key, plan)
    results = plan.run(primitive, inputs, params)
    if primitive.outputs == 1:
        return wrap(results[0]), plan.modes[0] == "pieces"
    return tuple([wrap(r) for r in results]), False


def _compose(
    special: Composed, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]
) -> Any:
    before = mode.grad
    mode.grad = before and primitive.name in _RECORDS
    try:
        made = special(primitive, inputs, params)
    finally:
        mode.grad = before
    if primitive.view or made is NotImplemented:
        return made
    return tuple([_fresh(m) for m in made]) if isinstance(made, tuple) else _fresh(made)


def _fresh(made: Tensor | None) -> Tensor | None:
    """A result that is no view of the tensors it was composed of, in row order."""
    if made is None:
        return None
    array = _seen_now(made._array)
    if array.__class__ is ShardedArray:
        array = array.in_rows()
    return made if array is made._array and made._base is None else wrap(array)


def _seen_now(array: Any) -> Any:
    return array.now if isinstance(array, FarArray) else array


sharded._runner[:] = [run]


# -- keys of plans


def _frozen_params(value: Any) -> Any:
    if isinstance(value, slice):
        return ("slice", value.start, value.stop, value.step)
    if isinstance(value, (tuple, list)):
        return tuple([_frozen_params(v) for v in value])
    if isinstance(value, dict):
        return tuple([(k, _frozen_params(v)) for k, v in value.items()])
    return value


def _key(primitive: Primitive, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
    """What decides how an operation is run; None if some param has no hash."""
    parts: list[Any] = [primitive.name]
    for t in inputs:
        if isinstance(t, Tensor):
            a = t._array
            if a.__class__ is ShardedArray:
                parts += (a.layout, a.pieces[0].__class__)
            else:
                parts.append(a.shape)
            parts.append(a.dtype.char)
        else:
            parts.append(t is None)
    for name, value in params.items():
        if name not in _VOLATILE:
            parts.append(_frozen_params(value) if value.__class__ in _NESTED else value)
    key = tuple(parts)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _keep(key: Any, plan: Any) -> None:
    if key is not None:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[key] = plan
