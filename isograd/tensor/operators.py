"""Python's operators on tensors, and the plain in-place methods.

The comparison and bitwise operators are attached by `primitives.comparison` and `.logical`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.inplace import need_writeable, recording, write_into
from isograd.tensor.primitives import arithmetic as a

__all__: list[str] = []

_NUMBERS = (int, float, complex, bool, np.number, np.bool_)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _pair(fn: Callable[..., Any], swap: bool = False) -> Callable[..., Any]:
    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor):
            if isinstance(other, np.ndarray) and other.ndim == 0:
                other = other.item()
            elif not isinstance(other, _NUMBERS):
                return NotImplemented
            else:
                other = _number(other)
        return fn(other, self) if swap else fn(self, other)

    return operator


def _inplace(name: str) -> Callable[..., Any]:
    def operator(self: Tensor, other: Any) -> Any:
        return getattr(self, name)(_number(other))

    return operator


def _install(cls: Any) -> None:
    table: dict[str, Callable[..., Any]] = {
        "add": a.add, "sub": a.sub, "mul": a.mul, "truediv": a.div, "floordiv": a.floor_divide,
        "mod": a.remainder, "pow": a.pow,
    }  # fmt: skip
    inplace = {
        "add": "add_", "sub": "sub_", "mul": "mul_", "truediv": "div_", "floordiv": "floor_divide_",
        "mod": "remainder_", "pow": "pow_",
    }  # fmt: skip
    for name, fn in table.items():
        setattr(cls, f"__{name}__", _pair(fn))
        setattr(cls, f"__r{name}__", _pair(fn, swap=True))
        setattr(cls, f"__i{name}__", _inplace(inplace[name]))
    cls.__rdiv__ = cls.__rtruediv__
    cls.__div__ = cls.__truediv__
    cls.__neg__ = lambda self: a.neg(self)
    cls.__pos__ = lambda self: a.positive(self)
    cls.__abs__ = lambda self: a.abs(self)
    cls.__array_priority__ = 1000  # so that NumPy's operators leave the work to ours


_install(Tensor)


def zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros."""
    return fill_(self, 0)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite with one number (or the value of a 0-d tensor)."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with "
            f"{value.ndim} dimensions."
        )
    if recording(self, value):
        return write_into(self, _filled, (value,), name="fill_")
    need_writeable(self._array, "fill_")
    self._array.fill(value.item() if isinstance(value, Tensor) else value)
    self._bump()
    return self


def _filled(t: Tensor, value: Any) -> Tensor:
    """A constant that depends on ``t`` with gradient 0, also where ``t`` is infinite."""
    number = 0 if isinstance(value, Tensor) else value
    filled = t.masked_fill(t == t, number).masked_fill(t != t, number)
    return filled + value.to(t.dtype) if isinstance(value, Tensor) else filled


def _fast_inplace(ufunc: str, slow: Callable[..., Any]) -> Callable[..., Any]:
    """Without a history to record, a ufunc writes straight into the memory."""
    numpy_ufunc = getattr(np, ufunc)

    def method(self: Tensor, other: Any, **kwargs: Any) -> Tensor:
        array = self._array
        if not kwargs and array.__class__ is np.ndarray and array.dtype.kind == "f":
            if other.__class__ is float or other.__class__ is int:
                value = other
            elif isinstance(other, Tensor) and other._array.dtype is array.dtype:
                value = other._array
            else:
                return slow(self, other, **kwargs)
            if not recording(self, other) and array.dtype.itemsize > 2:
                if getattr(value, "shape", ()) == array.shape or not getattr(value, "shape", ()):
                    if 0 not in array.strides:
                        numpy_ufunc(array, value, out=array)
                        self._bump()
                        return self
        return slow(self, other, **kwargs)

    method.__name__ = slow.__name__
    method.__doc__ = slow.__doc__
    return method


_UFUNCS = {"add_": "add", "sub_": "subtract", "mul_": "multiply", "div_": "true_divide"}
for _name, _ufunc in _UFUNCS.items():
    setattr(Tensor, _name, _fast_inplace(_ufunc, getattr(Tensor, _name)))
Tensor.zero_ = zero_  # type: ignore[attr-defined]
Tensor.fill_ = fill_  # type: ignore[attr-defined]


def set_(self: Tensor, source: Tensor) -> Tensor:
    """Look into another tensor's memory from now on."""
    self._array = source._array
    self._version_cell = source._share_version()
    self._bump()
    return self


def resize_(self: Tensor, *size: Any) -> Tensor:
    """Change the shape, keeping the elements that fit; new ones are uninitialised."""
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    old = self._array.reshape(-1)
    new = old[: int(np.prod(shape))]
    if new.size < int(np.prod(shape)):
        new = type(old)(int(np.prod(shape)), old.dtype)
        new[: old.size] = old
    self._array = new.reshape(shape)
    self._bump()
    return self


Tensor.set_ = set_  # type: ignore[attr-defined]
Tensor.resize_ = resize_  # type: ignore[attr-defined]
