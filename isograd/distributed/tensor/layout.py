"""Layout: which part of a tensor every position of a mesh holds.

A layout is a global shape, a placement per mesh dimension, and for every cut dimension the lengths
of its parts, in the order of the positions. Lengths need not be equal and may be 0. Where several
mesh dimensions cut the same tensor dimension, the parts are numbered in row order over them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

from isograd.data.view import shares
from isograd.distributed.tensor.mesh import DeviceMesh
from isograd.distributed.tensor.placement import Partial, Placement, Replicate, Shard

__all__ = ["Box", "Layout", "layout_of"]

Shape = tuple[int, ...]
Lengths = tuple[int, ...]
Box = tuple[Shape, Shape]  # starts, lengths


class Layout:
    """A tensor's shape and placement.

    Args:
        mesh: the mesh.
        shape: global shape.
        placements: one per mesh dimension.
        lengths: per cut tensor dimension the lengths of its parts; balanced where missing.
    """

    __slots__ = ("__dict__", "_hash", "lengths", "mesh", "placements", "shape")

    def __init__(
        self,
        mesh: DeviceMesh,
        shape: Shape,
        placements: tuple[Placement, ...],
        lengths: dict[int, Lengths] | None = None,
    ) -> None:
        self.mesh = mesh
        self.shape = shape
        self.placements = placements
        known = lengths or {}
        cuts = []
        for d in sorted({p.dim for p in placements if isinstance(p, Shard)}):
            parts = math.prod(mesh.shape[m] for m in self.cutters(d))
            cuts.append((d, known.get(d) or shares(shape[d], parts)))
        self.lengths: tuple[tuple[int, Lengths], ...] = tuple(cuts)
        self._hash = hash((mesh, shape, placements, self.lengths))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Layout)
            and self._hash == other._hash
            and self.shape == other.shape
            and self.placements == other.placements
            and self.lengths == other.lengths
            and self.mesh == other.mesh
        )

    def __repr__(self) -> str:
        return f"Layout({self.shape}, {list(self.placements)}, lengths={dict(self.lengths)})"

    def cutters(self, dim: int) -> tuple[int, ...]:
        """The mesh dimensions that cut tensor dimension ``dim``."""
        return tuple(
            m for m, p in enumerate(self.placements) if isinstance(p, Shard) and p.dim == dim
        )

    def lengths_of(self, dim: int) -> Lengths | None:
        """Lengths of the parts of ``dim``; None if it is not cut."""
        for d, lengths in self.lengths:
            if d == dim:
                return lengths
        return None

    @cached_property
    def replicated(self) -> bool:
        """Whether every position holds everything."""
        return all(isinstance(p, Replicate) for p in self.placements)

    @cached_property
    def partial(self) -> tuple[int, ...]:
        """The mesh dimensions along which parts must be reduced."""
        return tuple(m for m, p in enumerate(self.placements) if isinstance(p, Partial))

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        """Starts and lengths of every position's part."""
        cuts = [
            (d, self.cutters(d), list(accumulate(lengths, initial=0)), lengths)
            for d, lengths in self.lengths
        ]
        made = []
        for p in range(self.mesh.positions):
            starts, sizes = [0] * len(self.shape), list(self.shape)
            where = self.mesh.coordinates(p)
            for d, cutters, begins, lengths in cuts:
                part = 0
                for m in cutters:
                    part = part * self.mesh.shape[m] + where[m]
                starts[d], sizes[d] = begins[part], lengths[part]
            made.append((tuple(starts), tuple(sizes)))
        return tuple(made)

    @cached_property
    def writers(self) -> tuple[bool, ...]:
        """Per position, whether it is the first to hold its part (others hold copies)."""
        copied = [m for m, p in enumerate(self.placements) if isinstance(p, Replicate)]
        where = [self.mesh.coordinates(p) for p in range(self.mesh.positions)]
        return tuple(all(c[m] == 0 for m in copied) for c in where)

    @cached_property
    def twins(self) -> tuple[int, ...]:
        """Per position the first one with the same values: copies need computing once."""
        seen: dict[Any, int] = {}
        split = [m for m, p in enumerate(self.placements) if not isinstance(p, Replicate)]
        out = []
        for p in range(self.mesh.positions):
            where = self.mesh.coordinates(p)
            out.append(seen.setdefault(tuple(where[m] for m in split), p))
        return tuple(out)

    def with_placements(self, placements: Sequence[Placement]) -> Layout:
        """The same tensor placed otherwise; cuts that stay keep their lengths."""
        new = tuple(placements)
        known = {}
        for d, lengths in self.lengths:
            mine = tuple(m for m, p in enumerate(new) if isinstance(p, Shard) and p.dim == d)
            if mine == self.cutters(d):
                known[d] = lengths
        return Layout(self.mesh, self.shape, new, known)


def layout_of(
    name: str, mesh: DeviceMesh, shape: Sequence[int], placements: Sequence[Placement] | None
) -> Layout:
    """A checked layout with balanced parts.

    Raises:
        ValueError: for a wrong number of placements.
        IndexError: for a dimension that the tensor does not have.
        TypeError: for something that is no placement.
    """
    shape = tuple(int(n) for n in shape)
    given = [Replicate()] * mesh.ndim if placements is None else list(placements)
    if len(given) != mesh.ndim:
        raise ValueError(
            f"{name}: expected one placement per mesh dimension ({mesh.ndim}), got {given}"
        )
    checked: list[Placement] = []
    for p in given:
        if isinstance(p, Shard):
            if not -len(shape) <= p.dim < len(shape):
                raise IndexError(
                    f"{name}: Shard({p.dim}) of a tensor of shape {shape}: there is no such "
                    "dimension"
                )
            checked.append(Shard(p.dim % len(shape)))
        elif isinstance(p, (Replicate, Partial)):
            checked.append(p)
        else:
            raise TypeError(f"{name}: expected Shard, Replicate or Partial, got {p!r}")
    return Layout(mesh, shape, tuple(checked))
