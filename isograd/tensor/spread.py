"""SpreadArray: what a tensor holds whose elements lie in several pieces, perhaps in many processes.

This floor only knows that there is such a thing and what it must answer; the distributed floor
fills it in. It has the shape and dtype of the whole, and stands where a NumPy or CuPy array would.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from isograd.tensor.core import Tensor
    from isograd.tensor.primitive import Primitive

__all__ = ["SpreadArray", "SpreadShape", "noted_shape", "whole"]


class SpreadShape(tuple[int, ...]):
    """The shape of an array in pieces, as a graph keeps it.

    Attributes:
        fit: brings a gradient to where the pieces lay.
    """

    fit: Callable[[Tensor], Tensor]


class SpreadArray(ABC):
    """An array in pieces with the face of one array.

    Besides what is named here it has ``shape``, ``dtype``, ``ndim``, ``size``, ``strides``,
    ``flags``, ``base``, ``copy()``, ``astype()``, ``item()``, ``fill()`` and assignment to
    ``[...]``.
    """

    __slots__ = ()

    shape: tuple[int, ...]
    dtype: Any

    @abstractmethod
    def whole(self) -> Any:
        """All elements in one array of this process; a call that all owners make together."""

    @abstractmethod
    def apply(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Run an operation of which this is an input; returns tensors."""

    @abstractmethod
    def full(self, value: Any, dtype: Any) -> Any:
        """An array cut as this one with every element ``value``."""

    @abstractmethod
    def fill(self, value: Any) -> None:
        """Set every element, without looking at what they were."""

    @abstractmethod
    def shares(self, other: Any) -> bool:
        """Whether another array, in pieces or not, may hold one of the pieces, too."""

    @abstractmethod
    def settled(self, leaf: Any) -> Any:
        """This array as the gradient of a leaf that holds the array ``leaf``."""

    @abstractmethod
    def landed(self, leaf: Any) -> None:
        """This is now the gradient of the tensor ``leaf``, which will be read later."""

    def cut(self) -> int | None:
        """The dimension that alone is cut, if a plain array may be cut alike; None otherwise."""
        return None

    def cut_alike(self, array: Any, dim: int) -> Any:
        """A plain array in new memory, cut along ``dim`` as this one is along `cut`."""
        raise TypeError(f"{type(self).__name__}: there is no dimension that alone is cut")

    def beside(self, others: Sequence[Any]) -> list[list[Any]]:
        """Own pieces, each once, followed by those of ``others`` (brought to where this lies)."""
        raise TypeError(
            f"{type(self).__name__}: it has no pieces that can be written by themselves"
        )

    def noted(self) -> tuple[int, ...]:
        """The shape, with where the pieces lie if gradients should lie there, too."""
        return self.shape

    @property
    @abstractmethod
    def backend(self) -> Any:
        """The backend of the pieces."""


def whole(array: Any) -> Any:
    """The array itself, or all elements of one in pieces."""
    if array.__class__ is np.ndarray or not isinstance(array, SpreadArray):
        return array
    return array.whole()


def noted_shape(array: Any) -> tuple[int, ...]:
    """An array's shape for a graph to keep."""
    shape: tuple[int, ...] = array.noted() if isinstance(array, SpreadArray) else array.shape
    return shape


def share_memory(a: Any, b: Any) -> bool:
    """Whether two arrays, of which one is in pieces, may hold the same memory."""
    if isinstance(a, SpreadArray):
        return a.shares(b)
    return isinstance(b, SpreadArray) and b.shares(a)
