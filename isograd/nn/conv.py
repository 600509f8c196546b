"""Convolution layers of 1, 2 and 3 dimensions, and their transposes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from isograd.nn import functional as F
from isograd.nn import init
from isograd.nn.functional.arguments import tuple_of
from isograd.nn.module import Module
from isograd.nn.parameter import Parameter
from isograd.tensor.core import Tensor
from isograd.tensor.creation import empty

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]  # fmt: skip

Ints = int | tuple[int, ...]
_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What all of them have: a weight, a bias and the geometry."""

    dims: ClassVar[int]
    transposed: bool = False
    weight: Parameter
    bias: Parameter | None

    def _build(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any,
        dilation: Any, output_padding: Any, groups: int, bias: bool, padding_mode: str,
        device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        n, name = self.dims, self._get_name()
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, got {groups}")
        for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{what} must be divisible by groups, got {channels} and {groups}")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {list(_PADDING_MODES)}, but got "
                f"padding_mode='{padding_mode}'"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = tuple_of(kernel_size, n, name, "kernel_size")
        self.stride = tuple_of(stride, n, name, "stride")
        self.dilation = tuple_of(dilation, n, name, "dilation")
        self.output_padding = tuple_of(output_padding, n, name, "output_padding")
        self.groups, self.padding_mode = groups, padding_mode
        self.padding: Any = self._padding(padding)
        shape = (out_channels, in_channels // groups)
        if self.transposed:
            shape = (in_channels, out_channels // groups)
        self.weight = Parameter(empty(*shape, *self.kernel_size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding(self, padding: Any) -> Any:
        if not isinstance(padding, str):
            return tuple_of(padding, self.dims, self._get_name(), "padding")
        if padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string '{padding}', should be one of 'valid', 'same'"
            )
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
        return padding

    def reset_parameters(self) -> None:
        """Draw weight and bias again: uniform within 1 / sqrt(inputs per output)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            inputs = self.weight.shape[1] * math.prod(self.kernel_size)
            if inputs:
                bound = 1 / math.sqrt(inputs)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        n = self.dims
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        if self.padding != (0,) * n:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * n:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * n:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_Convolution):
    """Shared by Conv1d, Conv2d and Conv3d."""

    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints = 1,
        padding: str | Ints = 0, dilation: Ints = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._build(in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups,
                    bias, padding_mode, device, dtype)  # fmt: skip

    def _border(self) -> list[int]:
        """The padding as `functional.pad` takes it: the last dimension first, before and after."""
        if self.padding == "valid":
            return [0] * (2 * self.dims)
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [v for t in reversed(totals) for v in (t // 2, t - t // 2)]
        return [v for p in reversed(self.padding) for v in (p, p)]

    def forward(self, input: Tensor) -> Tensor:
        call = type(self).function
        if self.padding_mode == "zeros":
            return call(input, self.weight, self.bias, self.stride, self.padding, self.dilation,
                        self.groups)  # fmt: skip
        wide = F.pad(input, self._border(), self.padding_mode)
        return call(wide, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class Conv1d(_Conv):
    """Cross-correlation over one dimension with a learned kernel.

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size, stride, dilation: length of the kernel, and steps between windows and between
            the elements of one; one number or one per dimension.
        padding: zeros on both sides, ``"valid"`` (none) or ``"same"`` (as many as keep the size).
        groups: the channels fall into so many groups that do not see each other.
        bias: add a learned constant per output channel.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.

    Shape:
        (N, C, L) or (C, L) -> (N, O, L') or (O, L')

    Attributes:
        weight: (out_channels, in_channels / groups, kernel_size), uniform within
            1 / sqrt(inputs per output).
        bias: (out_channels,), the same, or None.
    """

    dims = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Cross-correlation over images (N, C, H, W) or (C, H, W); see `Conv1d`."""

    dims = 2
    function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Cross-correlation over volumes (N, C, D, H, W) or (C, D, H, W); see `Conv1d`."""

    dims = 3
    function = staticmethod(F.conv3d)


class _ConvTranspose(_Convolution):
    """Shared by ConvTranspose1d, ConvTranspose2d and ConvTranspose3d."""

    transposed = True
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints = 1,
        padding: Ints = 0, output_padding: Ints = 0, groups: int = 1, bias: bool = True,
        dilation: Ints = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(
                f'Only "zeros" padding mode is supported for {type(self).__name__}, got '
                f"'{padding_mode}'"
            )
        super().__init__()
        self._build(in_channels, out_channels, kernel_size, stride, padding, dilation,
                    output_padding, groups, bias, padding_mode, device, dtype)  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        return type(self).function(input, self.weight, self.bias, self.stride, self.padding, extra,
                                   self.groups, self.dilation)  # fmt: skip

    def _extra(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that gives ``output_size``."""
        n = self.dims
        lead = input.ndim - n
        wanted = list(output_size)[lead if len(output_size) == input.ndim else 0 :]
        if len(wanted) != n:
            raise ValueError(
                f"{self._get_name()}: for {input.ndim}D input, output_size must have {n} or "
                f"{input.ndim} elements (got {len(output_size)})"
            )
        least = [
            (length - 1) * s - 2 * p + d * (k - 1) + 1
            for length, s, p, d, k in zip(
                input.shape[lead:], self.stride, self.padding, self.dilation, self.kernel_size,
                strict=True,
            )
        ]  # fmt: skip
        most = [m + s - 1 for m, s in zip(least, self.stride, strict=True)]
        for w, low, high in zip(wanted, least, most, strict=True):
            if not low <= w <= high:
                raise ValueError(
                    f"requested an output size of {wanted}, but valid sizes range from {least} to "
                    f"{most} (for an input of {list(input.shape[lead:])})"
                )
        return tuple(w - low for w, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """The adjoint of a convolution, as a layer that enlarges.

    Args:
        padding: how much of the border to cut off.
        output_padding: how much longer the output is at its end; others as for `Conv1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, O, L') or (O, L'); ``forward(x, output_size)`` chooses L'.

    Attributes:
        weight: (in_channels, out_channels / groups, kernel_size).
        bias: (out_channels,), or None.
    """

    dims = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The adjoint of a convolution over images; see `ConvTranspose1d`."""

    dims = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """The adjoint of a convolution over volumes; see `ConvTranspose1d`."""

    dims = 3
    function = staticmethod(F.conv_transpose3d)
