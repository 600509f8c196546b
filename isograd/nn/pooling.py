"""Pooling layers of 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from isograd.nn import functional as F
from isograd.nn.functional.arguments import tuple_of
from isograd.nn.module import Module
from isograd.tensor.core import Tensor

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d",
    "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip

Ints = int | tuple[int, ...]
Pool = Callable[..., Any]


class _MaxPool(Module):
    function: ClassVar[Pool]

    def __init__(
        self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
        dilation: Ints = 1, return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.kernel_size, self.stride, self.padding,
                                   self.dilation, self.ceil_mode, self.return_indices)  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of every window.

    Args:
        kernel_size: length of a window.
        stride: step between windows; the kernel size by default.
        padding: border on both sides that never wins.
        dilation: step between a window's elements.
        return_indices: also return each winner's place, for `MaxUnpool1d`.
        ceil_mode: let a last window hang over the end.

    Shape:
        (N, C, L) or (C, L) -> (N, C, L') or (C, L')
    """

    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of every window of an image; see `MaxPool1d`."""

    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of every window of a volume; see `MaxPool1d`."""

    function = staticmethod(F.max_pool3d)


class _MaxUnpool(Module):
    dims: ClassVar[int]
    function: ClassVar[Pool]

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        n, name = self.dims, self._get_name()
        self.kernel_size = tuple_of(kernel_size, n, name, "kernel_size")
        self.stride = self.kernel_size if stride is None else tuple_of(stride, n, name, "stride")
        self.padding = tuple_of(padding, n, name, "padding")

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        out: Tensor = type(self).function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )
        return out

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Maxima put back where `MaxPool1d` found them, zeros elsewhere."""

    dims, function = 1, staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Maxima put back where `MaxPool2d` found them, zeros elsewhere."""

    dims, function = 2, staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Maxima put back where `MaxPool3d` found them, zeros elsewhere."""

    dims, function = 3, staticmethod(F.max_unpool3d)


class AvgPool1d(Module):
    """The mean of every window.

    Args:
        kernel_size: length of a window.
        stride: step between windows; the kernel size by default.
        padding: zeros on both sides.
        ceil_mode: let a last window hang over the end.
        count_include_pad: count the zeros of the padding as elements.

    Shape:
        (N, C, L) or (C, L) -> (N, C, L') or (C, L')
    """

    def __init__(
        self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = tuple_of(kernel_size, 1, "AvgPool1d", "kernel_size")
        self.stride = tuple_of(kernel_size if stride is None else stride, 1, "AvgPool1d", "stride")
        self.padding = tuple_of(padding, 1, "AvgPool1d", "padding")
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                            self.count_include_pad)  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    function: ClassVar[Pool]

    def __init__(
        self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip
        return out

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of every window of an image; see `AvgPool1d`.

    Args:
        divisor_override: divide the sums by this number.
    """

    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of every window of a volume; see `AvgPool2d`."""

    function = staticmethod(F.avg_pool3d)


class _AdaptiveAvgPool(Module):
    function: ClassVar[Pool]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = type(self).function(input, self.output_size)
        return out

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of ``output_size`` windows that cover the input; None keeps a size."""

    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of ``output_size`` windows that cover an image; None keeps a size."""

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of ``output_size`` windows that cover a volume; None keeps a size."""

    function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    function: ClassVar[Pool]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest of each of ``output_size`` windows that cover the input."""

    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest of each of ``output_size`` windows that cover an image."""

    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest of each of ``output_size`` windows that cover a volume."""

    function = staticmethod(F.adaptive_max_pool3d)


class _LPPool(Module):
    function: ClassVar[Pool]

    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints | None = None,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = type(self).function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )
        return out

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """``(sum of x ** p) ** (1 / p)`` of every window; ``norm_type`` is p."""

    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """``(sum of x ** p) ** (1 / p)`` of every window of an image."""

    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """``(sum of x ** p) ** (1 / p)`` of every window of a volume."""

    function = staticmethod(F.lp_pool3d)


class _FractionalMaxPool(Module):
    dims: ClassVar[int]
    function: ClassVar[Pool]

    def __init__(
        self, kernel_size: Ints, output_size: Ints | None = None, output_ratio: Any = None,
        return_indices: bool = False, _random_samples: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name = self._get_name()
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
                if output_size is None
                else "only one of output_size and output_ratio may be specified"
            )
        if output_ratio is not None:
            n = self.dims
            given = output_ratio if isinstance(output_ratio, tuple) else (output_ratio,) * n
            if not all(0 < r < 1 for r in given):
                raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")
            output_ratio = given
        self.kernel_size = tuple_of(kernel_size, self.dims, name, "kernel_size")
        self.output_size, self.output_ratio = output_size, output_ratio
        self.return_indices, self._random_samples = return_indices, _random_samples

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.kernel_size, self.output_size, self.output_ratio,
                                   self.return_indices, self._random_samples)  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPool):
    """Max pooling of images over windows at random steps (Graham 2014).

    Args:
        output_size: or ``output_ratio``, a part of the input's size in (0, 1).
    """

    dims, function = 2, staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """Max pooling of volumes over windows at random steps; see `FractionalMaxPool2d`."""

    dims, function = 3, staticmethod(F.fractional_max_pool3d)
