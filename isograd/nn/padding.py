"""Padding layers of 1, 2 and 3 dimensions."""

from __future__ import annotations

from typing import Any, ClassVar

from isograd.nn import functional as F
from isograd.nn.functional.arguments import tuple_of
from isograd.nn.module import Module
from isograd.tensor.core import Tensor

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """One amount for all sides, or (before, after) pairs from the last dimension backwards."""

    dims: ClassVar[int]
    mode: ClassVar[str] = "constant"

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = tuple_of(padding, 2 * self.dims, self._get_name(), "padding")

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_Pad):
    """Zeros at both ends; amounts (left, right)."""

    dims = 1


class ZeroPad2d(_Pad):
    """Zeros around images; amounts (left, right, top, bottom)."""

    dims = 2


class ZeroPad3d(_Pad):
    """Zeros around volumes; amounts (left, right, top, bottom, front, back)."""

    dims = 3


class _ConstantPad(_Pad):
    def __init__(self, padding: int | tuple[int, ...], value: Any) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A constant at both ends."""

    dims = 1


class ConstantPad2d(_ConstantPad):
    """A constant around images."""

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A constant around volumes."""

    dims = 3


class ReflectionPad1d(_Pad):
    """The mirrored input at both ends; the edge is not repeated."""

    dims, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The mirrored image around it; the edge is not repeated."""

    dims, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The mirrored volume around it; the edge is not repeated."""

    dims, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The edges repeated at both ends."""

    dims, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The edges of an image repeated around it."""

    dims, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The edges of a volume repeated around it."""

    dims, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The other end of the input at both ends."""

    dims, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The opposite side of an image on each side."""

    dims, mode = 2, "circular"


class CircularPad3d(_Pad):
    """The opposite side of a volume on each side."""

    dims, mode = 3, "circular"
