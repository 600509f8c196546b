"""``Variable``: what tensors with history were before torch 0.4; today every tensor is one."""

from __future__ import annotations

import warnings
from typing import Any

from isograd.tensor.core import Tensor

__all__ = ["Variable"]


class _VariableType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableType):
    """``Variable(data)`` is a tensor over the same memory; every tensor is an instance.

    Args:
        data: a tensor.
        requires_grad: whether a gradient is wanted.
        volatile: removed from torch: it warns that ``no_grad`` does its work now.
    """

    def __new__(  # type: ignore[misc]
        cls, data: Tensor, requires_grad: bool = False, volatile: bool | None = None
    ) -> Tensor:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        if volatile is not None:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.",
                stacklevel=2,
            )
        return data.detach().requires_grad_(requires_grad)
