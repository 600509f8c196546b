"""Layouts and memory formats: torch's constants, and tensors laid out by them.

A memory format is an order of the dimensions in memory; the shape stays as it is. Channels last
keeps the channels of a pixel side by side: strides of (N, C, H, W) as if it were (N, H, W, C).
"""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "layout", "memory_format",
    "order_of", "preserve_format", "sparse_coo", "strided",
]  # fmt: skip


class layout:
    """How a tensor's elements are kept. Tensors here are always ``strided``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class memory_format:
    """An order of dimensions in memory."""

    def __init__(self, name: str, order: tuple[int, ...] = ()) -> None:
        self._name = name
        self._order = order

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


strided: Final = layout("strided")
sparse_coo: Final = layout("sparse_coo")
contiguous_format: Final = memory_format("contiguous_format")
preserve_format: Final = memory_format("preserve_format")
channels_last: Final = memory_format("channels_last", (0, 2, 3, 1))
channels_last_3d: Final = memory_format("channels_last_3d", (0, 2, 3, 4, 1))


def order_of(name: str, form: Any, ndim: int | None = None) -> tuple[int, ...]:
    """The dimensions in the order of memory, outermost first; empty for row order.

    Args:
        name: the operation, for errors.
        form: a memory format, or None for row order.
        ndim: the tensor's number of dimensions, which must fit the format.

    Raises:
        TypeError: for anything but a memory format.
        RuntimeError: if the format is for another number of dimensions.
    """
    if form is None:
        return ()
    if not isinstance(form, memory_format):
        raise TypeError(
            f"{name}: memory_format expected a torch.memory_format, got {type(form).__name__}"
        )
    order = form._order
    if order and ndim is not None and len(order) != ndim:
        kind = form._name
        raise RuntimeError(
            f"{name}: required rank {len(order)} tensor to use {kind} format, got {ndim}"
        )
    return order
