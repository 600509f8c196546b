"""``FloatTensor``, ``cuda.LongTensor`` and kin: torch's first dtypes, which were types of tensors.

No tensor has such a class. Calling one makes a tensor, ``isinstance`` asks for dtype and device,
and ``tensor.type(...)`` casts to it or tells its name.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.backends import device_count
from isograd.tensor.conversion import cast, move
from isograd.tensor.core import Tensor, as_array, wrap
from isograd.tensor.creation import empty
from isograd.tensor.devices import device, set_default_device
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.dtypes import set_default_dtype
from isograd.tensor.size import Size

__all__ = ["CPU_TYPES", "CUDA_TYPES", "TensorType", "set_default_tensor_type"]

_DTYPES: Final = {
    "FloatTensor": dtypes.float32, "DoubleTensor": dtypes.float64, "HalfTensor": dtypes.float16,
    "BFloat16Tensor": dtypes.bfloat16, "LongTensor": dtypes.int64, "IntTensor": dtypes.int32,
    "ShortTensor": dtypes.int16, "CharTensor": dtypes.int8, "ByteTensor": dtypes.uint8,
    "BoolTensor": dtypes.bool_,
}  # fmt: skip
# Names that `tensor.type()` gives and takes, though torch never had such classes.
_NAMES_ONLY: Final = {
    "ComplexFloatTensor": dtypes.complex64, "ComplexDoubleTensor": dtypes.complex128,
    "UInt16Tensor": dtypes.uint16, "UInt32Tensor": dtypes.uint32, "UInt64Tensor": dtypes.uint64,
}  # fmt: skip
_BY_NAME: Final = {**_DTYPES, **_NAMES_ONLY}
_NAME_OF: Final = {d: name for name, d in _BY_NAME.items()}


class TensorType(type):
    """The class of ``FloatTensor`` and kin; ``dtype`` and ``is_cuda`` say what they stand for."""

    dtype: DType
    is_cuda: bool

    def __new__(mcs, name: str, d: DType, is_cuda: bool) -> TensorType:
        where = "torch.cuda" if is_cuda else "torch"
        members = {"__module__": where, "__doc__": f"Tensors of {d}.", "dtype": d}
        return type.__new__(mcs, name, (), {**members, "is_cuda": is_cuda})

    def __init__(cls, name: str, d: DType, is_cuda: bool) -> None:
        type.__init__(cls, name, (), {})

    def __instancecheck__(cls, instance: Any) -> bool:
        same = isinstance(instance, Tensor) and instance.dtype is cls.dtype
        return same and instance.is_cuda == cls.is_cuda

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        """A tensor of these sizes, uninitialised, or of a sequence's values.

        Raises:
            TypeError: for data of another type, or where there is no such device.
        """
        where = cls.device_of(device)
        if not args or isinstance(args[0], (int, np.integer, Size)):
            return empty(*args or (0,), dtype=cls.dtype, device=where)
        if len(args) > 1 or not isinstance(args[0], (list, tuple, range, np.ndarray, Tensor)):
            got = ", ".join(type(a).__name__ for a in args)
            raise TypeError(f"{cls.path}: expected sizes or one sequence of values, got ({got})")
        data: Any = args[0]
        if not isinstance(data, Tensor):
            return wrap(as_array(data, cls.dtype, where))
        if not cls.__instancecheck__(data):
            got = tensor_type(data)
            raise TypeError(f"{cls.path}: expected that type, got {got}; cast it first")
        return data.detach()

    def device_of(cls, wanted: Any = None) -> device:
        """Where these tensors are.

        Raises:
            TypeError: if there is no such device, or ``wanted`` is of another kind.
        """
        kind = "cuda" if cls.is_cuda else "cpu"
        if cls.is_cuda and device_count() == 0:
            raise TypeError(f"type {cls.path} not available: there is no CUDA device")
        found = device(kind if wanted is None else wanted)
        if found.type != kind:
            raise TypeError(f"{cls.path}: expected a {kind} device, got {found}")
        return found

    def __repr__(cls) -> str:
        return f"<class '{cls.path}'>"

    @property
    def path(cls) -> str:
        """The name that `tensor.type()` gives."""
        return f"{cls.__module__}.{cls.__name__}"


CPU_TYPES: Final = {name: TensorType(name, d, False) for name, d in _DTYPES.items()}
CUDA_TYPES: Final = {name: TensorType(name, d, True) for name, d in _DTYPES.items()}


def tensor_type(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Without an argument torch's type name (``torch.FloatTensor``), else a cast to it.

    Args:
        dtype: a dtype, a name such as ``"torch.LongTensor"`` or ``torch.LongTensor`` itself.

    Raises:
        ValueError: for a name of no type.
    """
    if dtype is None:
        prefix = "torch.cuda." if input.is_cuda else "torch."
        return prefix + _NAME_OF[input.dtype]
    if dtype is Tensor:
        return cast(move(input, device("cpu")), dtypes.get_default_dtype())
    if isinstance(dtype, TensorType):
        return _moved(input, dtype.dtype, dtype.device_of())
    if isinstance(dtype, str):
        on_cuda = dtype.startswith("torch.cuda.")
        d = _BY_NAME.get(dtype.removeprefix("torch.cuda." if on_cuda else "torch."))
        if d is None or not dtype.startswith("torch."):
            raise ValueError(f"type: invalid type: {dtype!r}")
        return _moved(input, d, device("cuda" if on_cuda else "cpu"))
    return cast(input, dtype)


Tensor.type = tensor_type  # type: ignore[attr-defined]


def _moved(input: Tensor, d: DType, where: device) -> Tensor:
    """Cast on the input's device, then move: narrow numbers travel faster."""
    return move(cast(input, d), where)


def set_default_tensor_type(t: Any) -> None:
    """Legacy: the dtype and the kind of device of new tensors, by a type or its name.

    Raises:
        TypeError: for a type of no floating dtype, of no device here, or that is none.
    """
    if isinstance(t, str):
        on_cuda = t.startswith("torch.cuda.")
        types = CUDA_TYPES if on_cuda else CPU_TYPES
        t = types.get(t.removeprefix("torch.cuda." if on_cuda else "torch."), t)
    if not isinstance(t, TensorType):
        raise TypeError(f"set_default_tensor_type: invalid type object: {t!r}")
    if not t.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    set_default_device(t.device_of() if t.is_cuda else None)
    set_default_dtype(t.dtype)
