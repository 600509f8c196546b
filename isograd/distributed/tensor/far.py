"""FarArray: a view of a tensor in pieces that cannot be a view of the pieces.

A row of a cut dimension, or a reshape across it, has to be gathered. What was gathered is a copy,
yet must behave as the view it stands for: a write to it reaches the tensor it was taken from, and
a write there is seen here. So it remembers that tensor and the views that lead to it. What was
gathered is used until the tensor is written to, then gathered anew.
"""

from __future__ import annotations

from typing import Any

from isograd.autograd.recorder import view_scatter
from isograd.distributed.tensor import moves, sharded
from isograd.distributed.tensor.strides import view_strides
from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply, execute, link_view, mode
from isograd.tensor.primitive import Primitive
from isograd.tensor.spread import SpreadArray, whole

__all__ = ["FarArray", "far_view", "run_on_far"]


class FarArray(SpreadArray):
    """What a chain of views shows of a tensor in pieces.

    Args:
        root: the tensor that holds the memory.
        chain: the views that lead from there to here.
        value: what they show now: an array, or one in pieces.
    """

    __slots__ = ("_at", "_value", "chain", "root")

    __array_priority__ = 2000

    def __init__(self, root: Tensor, chain: tuple[Any, ...], value: Any) -> None:
        self.root, self.chain, self._value = root, chain, value
        self._at = root._share_version()[0]

    @property
    def now(self) -> Any:
        """The array, or array in pieces, as the tensor is now; a call that all make together."""
        if self.root._share_version()[0] != self._at:
            seen = wrap(self.root._array)
            before, mode.grad = mode.grad, False
            try:
                for primitive, params in self.chain:
                    seen = apply(primitive, seen, **params)
            finally:
                mode.grad = before
            self._value = getattr(seen._array, "_value", seen._array)
            self._at = self.root._share_version()[0]
        return self._value

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self._value.shape)

    @property
    def dtype(self) -> Any:
        return self._value.dtype

    @property
    def backend(self) -> Any:
        return backend_of(self._value)

    @property
    def base(self) -> Any:
        return self.root._array

    def __getattr__(self, name: str) -> Any:
        if name in FarArray.__slots__:
            raise AttributeError(name)
        return getattr(self.now, name)

    def whole(self) -> Any:
        return whole(self.now)

    def __add__(self, other: Any) -> Any:
        seen = self.now
        return moves.total(seen, other) if isinstance(seen, SpreadArray) else seen + other

    __radd__ = __add__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.backend.to_numpy(self.whole())
        return array if dtype is None else array.astype(dtype)

    def __int__(self) -> int:
        return int(self.whole().item())

    def __float__(self) -> float:
        return float(self.whole().item())

    def __index__(self) -> int:
        return int(self.whole().item())

    def __bool__(self) -> bool:
        return bool(self.whole().item())

    def full(self, value: Any, dtype: Any) -> Any:
        seen = self.now
        if isinstance(seen, SpreadArray):
            return seen.full(value, dtype)
        return self.backend.xp.full(seen.shape, value, dtype)

    def fill(self, value: Any) -> None:
        self[...] = value

    def __setitem__(self, key: Any, values: Any) -> None:
        if key is not Ellipsis:
            raise TypeError(f"FarArray: expected assignment to [...], got {key!r}")
        values = getattr(values, "now", values)
        if not isinstance(values, SpreadArray):
            xp = self.backend.xp
            values = xp.broadcast_to(xp.asarray(values, self.dtype), self.shape)
        before, mode.grad = mode.grad, False
        try:
            root = wrap(self.root._array)
            root._array[...] = apply(view_scatter, root, wrap(values), chain=self.chain)._array
        finally:
            mode.grad = before
        self._at = -1  # the write is seen here, too

    def apply(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return sharded._runner[0](primitive, inputs, params)

    def shares(self, other: Any) -> bool:
        return True

    def settled(self, leaf: Any) -> Any:
        seen = self.now
        return seen.settled(leaf) if isinstance(seen, SpreadArray) else seen

    def landed(self, leaf: Any) -> None:
        seen = self.now
        if isinstance(seen, SpreadArray):
            seen.landed(leaf)


def far_view(out: Tensor, source: Tensor, primitive: Primitive, params: dict[str, Any]) -> None:
    """Make ``out``, gathered from ``source``, the view that it stands for."""
    link_view(out, source, primitive, params, known=True)
    root: Any = out._base
    out._array = FarArray(root, out._view_chain, out._array)


def run_on_far(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """An operation on what the far ones of its inputs show now."""
    now = tuple(
        wrap(t._array.now) if isinstance(t, Tensor) and isinstance(t._array, FarArray) else t
        for t in inputs
    )
    before, mode.grad = mode.grad, False
    try:
        made = execute(primitive, now, params)
    finally:
        mode.grad = before
    if primitive.outputs != 1:
        return made
    out = wrap(getattr(made._array, "_value", made._array))
    source = inputs[0]
    if (
        primitive.view
        and isinstance(source._array, FarArray)
        and view_strides(primitive, source._array, params) is not None
    ):
        far_view(out, source, primitive, params)
    return out
