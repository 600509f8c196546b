"""Parameter and Buffer: tensors that a module keeps when they are assigned to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.creation import empty

__all__ = ["Buffer", "Parameter"]

_new = object.__new__


class Parameter(Tensor):
    """A tensor to be trained: assigned to a module it appears in ``module.parameters()``.

    Args:
        data: the values, whose memory is shared; without, an empty tensor.
        requires_grad: whether a gradient is wanted.

    Raises:
        RuntimeError: if a gradient is wanted of integers.
    """

    _is_parameter = True

    if TYPE_CHECKING:
        grad: Tensor | None

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a Tensor, got {type(data).__name__}")
        self: Parameter = _share(cls, data)
        self.requires_grad_(requires_grad)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            new = _share(type(self), wrap(self._array.copy()))
            new._requires_grad = self._requires_grad
            new.__dict__.update(_extras(self))
            memo[id(self)] = new
        return memo[id(self)]


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not trained.

    Args:
        data: the values, whose memory is shared.
        persistent: whether it is part of ``state_dict()``.
    """

    persistent: bool = True

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        self: Buffer = _share(cls, empty(0) if data is None else data)
        self.persistent = persistent
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            new = _share(type(self), wrap(self._array.copy()))
            new.__dict__.update(_extras(self))
            memo[id(self)] = new
        return memo[id(self)]


def _share(cls: type[Any], data: Tensor) -> Any:
    self = _new(cls)
    self._array = data._array
    self._version_cell = data._share_version()
    return self


def _extras(source: Tensor) -> dict[str, Any]:
    """Attributes that users or other floors put on a tensor."""
    return {k: v for k, v in source.__dict__.items() if not k.startswith("_")}
