"""torch's dtypes over NumPy's, and torch's promotion rules from a table of our own.

NumPy, CuPy and ml_dtypes disagree with each other (``bf16 * 2.0``, ``uint8 + int8``), so nothing
here asks them. Source: torch's "type promotion" documentation (tensor_attributes).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import ml_dtypes
import numpy as np

__all__ = [
    "DTYPES",
    "FLOAT32",
    "FLOAT64",
    "bfloat16",
    "bool_",
    "complex64",
    "complex128",
    "dtype",
    "finfo",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "get_default_dtype",
    "iinfo",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_low_precision",
    "promote_types",
    "set_default_dtype",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]


class dtype:
    """An element type. ``np`` is the NumPy dtype, ``itemsize`` is in bytes."""

    __slots__ = ("category", "itemsize", "name", "np")

    def __init__(self, name: str, np_dtype: Any, category: int) -> None:
        self.name = name
        self.np: np.dtype[Any] = np.dtype(np_dtype)
        self.category = category  # 0 bool, 1 integer, 2 floating, 3 complex
        self.itemsize = self.np.itemsize

    @property
    def is_floating_point(self) -> bool:
        return self.category == 2

    @property
    def is_complex(self) -> bool:
        return self.category == 3

    @property
    def is_signed(self) -> bool:
        return self.category > 1 or self.name.startswith("int")

    def to_real(self) -> dtype:
        """The dtype of a complex number's parts; itself for real dtypes."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        """The complex dtype whose parts are this dtype (float16 and bfloat16 give complex64)."""
        if self.category == 3:
            return self
        return complex128 if self.name == "float64" else complex64

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _by_name, (self.name,)


bool_: Final = dtype("bool", np.bool_, 0)
uint8: Final = dtype("uint8", np.uint8, 1)
uint16: Final = dtype("uint16", np.uint16, 1)
uint32: Final = dtype("uint32", np.uint32, 1)
uint64: Final = dtype("uint64", np.uint64, 1)
int8: Final = dtype("int8", np.int8, 1)
int16: Final = dtype("int16", np.int16, 1)
int32: Final = dtype("int32", np.int32, 1)
int64: Final = dtype("int64", np.int64, 1)
float16: Final = dtype("float16", np.float16, 2)
bfloat16: Final = dtype("bfloat16", ml_dtypes.bfloat16, 2)
float32: Final = dtype("float32", np.float32, 2)
float64: Final = dtype("float64", np.float64, 2)
complex64: Final = dtype("complex64", np.complex64, 3)
complex128: Final = dtype("complex128", np.complex128, 3)

DTYPES: Final = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
_NAMES: Final = {d.name: d for d in DTYPES}
_FROM_NP: Final = {d.np: d for d in DTYPES}
FLOAT32: Final = float32.np
FLOAT64: Final = float64.np
_LOW: Final = frozenset((float16.np, bfloat16.np))
_default = [float32]


def _by_name(name: str) -> dtype:
    return _NAMES[name]


def from_numpy(np_dtype: Any) -> dtype:
    """The dtype of a NumPy dtype.

    Raises:
        TypeError: for NumPy dtypes torch has no name for (strings, objects, big-endian, ...).
    """
    found = _FROM_NP.get(np_dtype)
    if found is None:
        found = _FROM_NP.get(np.dtype(np_dtype))
    if found is None:
        raise TypeError(
            f"can't convert numpy dtype {np_dtype!r} to a tensor dtype; supported are: "
            + ", ".join(_NAMES)
        )
    return found


def is_low_precision(np_dtype: Any) -> bool:
    """float16 or bfloat16: computed in float32 and rounded once."""
    return np_dtype in _LOW


def get_default_dtype() -> dtype:
    """The dtype of Python floats in new tensors; float32 unless set otherwise."""
    return _default[0]


def set_default_dtype(d: dtype) -> None:
    """Set the dtype of Python floats in new tensors.

    Raises:
        TypeError: if ``d`` is not a floating-point dtype.
    """
    if not getattr(d, "is_floating_point", False):
        raise TypeError(f"set_default_dtype: expected a floating-point dtype, got {d!r}")
    _default[0] = d


_SIGNED = {1: int8, 2: int16, 4: int32, 8: int64}


@cache
def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype to which both may be converted, by torch's lattice.

    Raises:
        TypeError: for pairs torch does not promote (uint16/32/64 with another integer dtype).
    """
    if a is b:
        return a
    if a.category > b.category:
        a, b = b, a
    if a.category < b.category:
        if b.category == 3 and a is float64:
            return complex128
        return b
    if a.category == 1:
        return _promote_integers(a, b)
    if a.category == 2 and {a, b} == {float16, bfloat16}:
        return float32
    return a if a.itemsize > b.itemsize else b


def _promote_integers(a: dtype, b: dtype) -> dtype:
    if a.is_signed and b.is_signed:
        return a if a.itemsize > b.itemsize else b
    unsigned, signed = (a, b) if b.is_signed else (b, a)
    if unsigned is not uint8 or not signed.is_signed:
        raise TypeError(f"Promotion for {a.name} and {b.name} is not supported: convert one first")
    return _SIGNED[max(2, signed.itemsize)]


class finfo:
    """Limits of a floating-point dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, type: dtype | None = None) -> None:
        d = get_default_dtype() if type is None else type
        if d.category < 2:
            raise TypeError(f"finfo: expected a floating-point dtype, got {d!r}; use iinfo")
        real = d.to_real()
        info: Any = ml_dtypes.finfo(real.np)  # type: ignore[no-untyped-call]
        self.bits = real.itemsize * 8
        self.eps = float(info.eps)
        self.max = float(info.max)
        self.min = float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = float(info.resolution)
        self.dtype = real.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: bits, max, min."""

    def __init__(self, type: dtype) -> None:
        if type.category != 1:
            raise TypeError(f"iinfo: expected an integer dtype, got {type!r}; use finfo")
        info = np.iinfo(type.np)
        self.bits, self.max, self.min, self.dtype = info.bits, info.max, info.min, type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
