"""Batches made by hand: what goes into the outermost module's call is cut over the positions.

Only work depends on it: a tensor that is cut wrongly (a dimension that is no batch) or not at all
gives the same results. Tensors within tuples, lists and dicts are cut as well. A module may write
to what it is given; after the call the caller's tensors and containers hold what was written.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.distributed.fingerprint import script_level
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.nn.batchnorm import _BatchNorm
from isograd.nn.conv import _Convolution
from isograd.nn.linear import Linear
from isograd.nn.utils.rnn import PackedSequence
from isograd.tensor.core import Tensor
from isograd.tensor.door import mode

__all__ = ["RootInputs", "held"]

_Cutter = Callable[[Tensor, int], Tensor]


class RootInputs:
    """The arguments of one call of an outermost module, cut along the batch's dimension.

    Args:
        module: what is called.
        args, kwargs: its arguments.
        cut: ``cut(tensor, dim)`` divides a tensor that every process holds whole.

    Attributes:
        args, kwargs: what to call it with.
        shapes: of the plain tensors among the arguments; empty where nothing is to be cut, as
            there are parts already.
        first: the first of these tensors.
    """

    def __init__(
        self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], cut: _Cutter
    ) -> None:
        self.args, self.kwargs = args, kwargs
        self._cut = cut
        self._tensors: list[tuple[Tensor, Tensor, int]] = []  # whole, cut, version
        self._containers: list[tuple[Any, Any]] = []  # the caller's, ours
        self._known: dict[int, Any] = {}  # by id: ours for the caller's, and back
        self._held: list[Any] = []  # so that no id is given to something else
        given: list[Tensor] = []
        odd: list[Any] = []
        _collect((args, kwargs), given, odd)
        self.shapes = [tuple(t.shape) for t in given]
        self.first: Any = given[0] if given else None
        if any(isinstance(held(t), ShardedArray) for t in given):
            self.shapes = []
        has_work = next(module.parameters(), None) is not None  # not a loss or an activation
        if not has_work or not (self.shapes or (odd and not given)):
            return
        self._dim, self._length = _batch(module, given)
        if self._length < 2:
            if mode.grad:
                _say_whole(module, self.shapes, odd)
            return
        self.args = tuple([self._replaced(v) for v in args])
        self.kwargs = {name: self._replaced(v) for name, v in kwargs.items()}

    def _replaced(self, value: Any) -> Any:
        """A value with the tensors in it cut; the value itself where there are none."""
        known = self._known.get(id(value))
        if known is not None:
            return known
        made = value
        if isinstance(value, Tensor):
            if self._is_batch(value):
                made = self._cut(value, self._dim)
                self._tensors.append((value, made, made._version))
        elif _is_container(value):
            made = self._rebuilt(value)
        if made is not value:
            self._known[id(value)], self._known[id(made)] = made, value
            self._held += (value, made)
        return made

    def _is_batch(self, t: Tensor) -> bool:
        if t.ndim <= self._dim or t.shape[self._dim] != self._length:
            return False
        return not getattr(t, "_is_parameter", False)

    def _rebuilt(self, value: Any) -> Any:
        if isinstance(value, dict):
            items = {key: self._replaced(v) for key, v in value.items()}
            if all(items[key] is v for key, v in value.items()):
                return value
            made = copy.copy(value)
            made.update(items)
        else:
            parts = [self._replaced(v) for v in value]
            if all(a is b for a, b in zip(parts, value, strict=True)):
                return value
            made = _like(value, parts)
        self._containers.append((value, made))
        return made

    def give_back(self) -> None:
        """After the call: what the module wrote is written to the caller's objects."""
        for whole, cut, version in self._tensors:
            if cut._version != version:
                _write_back(whole, cut)
        for theirs, ours in self._containers:
            if isinstance(theirs, dict):
                items = {key: self._known.get(id(v), v) for key, v in ours.items()}
                if items.keys() != theirs.keys() or any(items[k] is not theirs[k] for k in items):
                    theirs.clear()
                    theirs.update(items)
            elif isinstance(theirs, list):
                parts = [self._known.get(id(v), v) for v in ours]
                if len(parts) != len(theirs) or any(
                    a is not b for a, b in zip(parts, theirs, strict=True)
                ):
                    theirs[:] = parts


def held(t: Tensor) -> Any:
    """A tensor's array; of a view that had to be gathered, what it shows."""
    return getattr(t._array, "now", t._array)


def _is_container(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple)) and not isinstance(value, PackedSequence)


def _like(value: Any, parts: list[Any]) -> Any:
    """A list or tuple of the same class, whatever that class wants to be made of."""
    if isinstance(value, list):
        made: Any = copy.copy(value)
        made[:] = parts
        return made
    made = tuple.__new__(type(value), parts)
    if hasattr(value, "__dict__"):
        made.__dict__.update(value.__dict__)
    return made


def _collect(value: Any, tensors: list[Tensor], odd: list[Any]) -> None:
    """The tensors in a value, in order, and what may hold some that are not seen."""
    if isinstance(value, Tensor):
        tensors.append(value)
    elif _is_container(value):
        for v in value.values() if isinstance(value, dict) else value:
            _collect(v, tensors, odd)
    elif isinstance(value, PackedSequence) and isinstance(held(value.data), ShardedArray):
        tensors.append(value.data)
    elif isinstance(value, (PackedSequence, np.ndarray)) or hasattr(value, "__dict__"):
        odd.append(value)


def _write_back(whole: Tensor, cut: Tensor) -> None:
    """``whole`` takes the values, and the history, of what was made of it."""
    if whole._base is None and (cut._node is not None or cut.shape != whole.shape):
        whole._array, whole._version_cell = cut._array, cut._share_version()
        whole._node, whole._index = cut._node, cut._index
        whole._requires_grad = cut._requires_grad
        return
    array = held(cut)
    whole._array[...] = array.whole() if isinstance(array, ShardedArray) else array
    if whole._version_cell is not cut._version_cell:
        whole._bump()


def _batch(module: Any, given: list[Tensor]) -> tuple[int, int]:
    """The batch's dimension and length; length 0 where there is no batch.

    Of the first layer that knows: convolutions and Linear know one sample from many; layers that
    take steps first (``batch_first=False``) have the batch in dimension 1.
    """
    width, dim = 0, 0
    for m in module.modules():
        if isinstance(m, (_Convolution, _BatchNorm)):
            sizes = getattr(m, "kernel_size", ())
            if sizes and given and given[0].ndim == len(sizes) + 1:
                return 0, 0
            break
        first = getattr(m, "batch_first", None)
        if first is not None:
            dim = 0 if first else 1
            break
        if isinstance(m, Linear):
            width = width or m.in_features
    batch = next((t for t in given if t.ndim > dim), None)
    if batch is None or (tuple(batch.shape) == (width,) and batch.is_floating_point()):
        return dim, 0
    return dim, batch.shape[dim]


def _say_whole(module: Any, shapes: list[tuple[int, ...]], odd: list[Any]) -> None:
    what = f"inputs of shapes {shapes}, in which there is no batch to divide"
    if not shapes:
        kinds = sorted({type(v).__name__ for v in odd})
        what = f"{', '.join(kinds)}, in which no tensor is looked for"
    warnings.warn(
        f"{type(module).__name__} was called with {what}: every process computes all of it",
        stacklevel=script_level(),
    )
