"""Placements: how a tensor lies along one dimension of a mesh, in DTensor's words."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Partial", "Placement", "Replicate", "Shard"]


class Placement:
    """Base of the placements."""

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether it is a Shard (of dimension ``dim``)."""
        return isinstance(self, Shard) and (dim is None or self.dim == dim)

    def is_replicate(self) -> bool:
        """Whether it is Replicate."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Whether it is Partial (of this reduction)."""
        return isinstance(self, Partial) and reduce_op in (None, self.reduce_op)


@dataclass(frozen=True)
class Replicate(Placement):
    """Every position holds all of it."""


@dataclass(frozen=True)
class Shard(Placement):
    """The tensor is cut along ``dim``: every position holds a part, which may be empty."""

    dim: int

    def __post_init__(self) -> None:
        if not isinstance(self.dim, int):
            raise TypeError(f"Shard: expected a dimension, got {self.dim!r}")


@dataclass(frozen=True, repr=False)
class Partial(Placement):
    """Every position holds a part of a sum (or maximum, minimum, product) of the whole's shape."""

    reduce_op: str = "sum"

    def __post_init__(self) -> None:
        if self.reduce_op not in ("sum", "max", "min", "product"):
            raise ValueError(
                f"Partial: expected 'sum', 'max', 'min' or 'product', got {self.reduce_op!r}"
            )

    def __repr__(self) -> str:
        return f"Partial({self.reduce_op})"
