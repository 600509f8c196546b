"""The global view of the data: which part of every batch this process loads.

Under a global view a batch is one tensor that is cut over V positions, of which each process owns a
contiguous run. This floor knows no communicator: the floor that has one registers itself here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from isograd.tensor.core import Tensor

__all__ = ["GlobalView", "current_view", "register_view", "shares"]


class GlobalView(Protocol):
    """What the distributed floor offers to loaders.

    Attributes:
        positions: V, in how many pieces a batch is cut.
        first: first position that this process owns.
        count: how many positions it owns, at least one.
        rank: this process among the ``size`` that share the script.
    """

    @property
    def positions(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...

    def assemble(self, pieces: Sequence[Tensor], lengths: Sequence[int]) -> Tensor:
        """The tensor cut along dimension 0 whose own pieces these are.

        Args:
            pieces: one per own position, of equal shape but for dimension 0, of equal dtype.
            lengths: length along dimension 0 of all V pieces, own and others'.

        Returns:
            A tensor of global shape ``(sum(lengths), ...)``. No communication.
        """

    def cut(self, whole: Tensor) -> Tensor:
        """A tensor that every process holds whole, cut along dimension 0. No communication."""

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """Everybody's ``data``, by rank. All processes call it together."""


Provider = Callable[[], GlobalView | None]

_providers: list[Provider] = []


def register_view(provider: Provider) -> Callable[[], None]:
    """Let ``provider()`` answer `current_view` from now on; it gives None while there is none.

    Returns:
        A function that takes the provider away again.
    """
    _providers.append(provider)
    return lambda: _providers.remove(provider)


def current_view() -> GlobalView | None:
    """The view of the provider that came last and has one; None without."""
    for provider in reversed(_providers):
        view = provider()
        if view is not None:
            return view
    return None


def shares(n: int, parts: int) -> tuple[int, ...]:
    """Lengths of ``parts`` runs that divide ``n`` things: the first ``n % parts`` have one more.

    Example:
        >>> shares(10, 4)
        (3, 3, 2, 2)
    """
    each, more = divmod(n, parts)
    return (each + 1,) * more + (each,) * (parts - more)
