"""DeviceMesh: V positions in a grid, of which every process owns a contiguous run.

With as many positions as processes this is torch's DeviceMesh. With more, a process plays several
positions, one after the other: so a mesh of any size runs in one process, and with V fixed a
program computes the same parts, whatever the number of processes.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.data.view import shares
from isograd.distributed.communicator import Communicator
from isograd.distributed.group import ProcessGroup, default_group
from isograd.distributed.rendezvous import init_process_group
from isograd.distributed.world import detect_world
from isograd.tensor.core import Tensor, wrap

__all__ = ["DeviceMesh", "init_device_mesh", "mesh_or_entered"]


class _Entered(threading.local):
    """The meshes of the ``with`` blocks that a thread is in."""

    def __init__(self) -> None:
        self.meshes: list[DeviceMesh] = []


_entered = _Entered()


def mesh_or_entered(name: str, mesh: DeviceMesh | None) -> DeviceMesh:
    """The mesh given, or else that of the innermost ``with mesh:``.

    Raises:
        RuntimeError: if there is neither.
    """
    if mesh is None and not _entered.meshes:
        raise RuntimeError(f"{name}: expected a device_mesh, or a call within `with mesh:`")
    return _entered.meshes[-1] if mesh is None else mesh


class DeviceMesh:
    """Positions 0..V-1 laid out in row order over ``shape``.

    Args:
        device_type: "cpu" or "cuda".
        mesh: the shape's positions as nested numbers ``0..V-1`` in row order, or the shape itself
            through `init_device_mesh`.
        mesh_dim_names: a name per dimension.
        group: the processes that own the positions; by default the default group, which is made
            where a launcher started several processes; else this process alone.
        reproducible: reductions go along one fixed tree over the positions, so that results are
            the same bits with any number of processes.

    Raises:
        ValueError: if there are fewer positions than processes.
    """

    def __init__(
        self,
        device_type: str,
        mesh: Any,
        *,
        mesh_dim_names: Sequence[str] | None = None,
        group: ProcessGroup | None = None,
        reproducible: bool = True,
    ) -> None:
        grid = np.asarray(mesh)
        if grid.size == 0 or not np.array_equal(grid.reshape(-1), np.arange(grid.size)):
            raise ValueError(
                "DeviceMesh: expected the positions 0..V-1 in row order, got "
                f"{grid.tolist()}; other orders are not supported"
            )
        self.device_type = device_type
        self.shape: tuple[int, ...] = tuple(int(n) for n in grid.shape) or (1,)
        self.mesh_dim_names = None if mesh_dim_names is None else tuple(mesh_dim_names)
        if self.mesh_dim_names is not None and len(self.mesh_dim_names) != len(self.shape):
            raise ValueError(
                f"DeviceMesh: expected {len(self.shape)} mesh_dim_names, got {self.mesh_dim_names}"
            )
        self.reproducible = reproducible
        self.implicit = False  # the mesh of unchanged scripts: replicated results are plain
        self._group = group if group is not None else _world()
        self.positions = math.prod(self.shape)  # V
        processes, rank = (
            (1, 0) if self._group is None else (self._group.size(), self._group.rank())
        )
        if self.positions < processes:
            raise ValueError(
                f"DeviceMesh: a mesh of {self.positions} positions {self.shape} cannot be divided "
                f"among {processes} processes; use at least {processes} positions or fewer ranks"
            )
        self.runs = shares(self.positions, processes)  # positions per process
        self.first = sum(self.runs[:rank])
        self.count = self.runs[rank]
        self._groups: dict[tuple[int, ...], ProcessGroup] = {}
        self.reducer: Any = None  # of replicated parameters' gradients (see `gradients`)

    @property
    def communicator(self) -> Communicator | None:
        """What connects the processes; None in a process alone."""
        return None if self._group is None or self._group.size() == 1 else self._group.communicator

    @property
    def processes(self) -> int:
        """W."""
        return len(self.runs)

    @property
    def ndim(self) -> int:
        """Number of mesh dimensions."""
        return len(self.shape)

    @property
    def mesh(self) -> Tensor:
        """The positions as a tensor of `shape`."""
        return wrap(self._grid())

    def _grid(self) -> Any:
        return np.arange(self.positions).reshape(self.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """Number of positions, or the length of a mesh dimension."""
        return self.positions if mesh_dim is None else self.shape[self.dim_of(mesh_dim)]

    def dim_of(self, name: int | str | None) -> int:
        """The number of a mesh dimension given by name or number.

        Raises:
            KeyError: for an unknown name.
            IndexError: for a number out of range.
            RuntimeError: for None, where there are several dimensions.
        """
        if name is None:
            if self.ndim != 1:
                raise RuntimeError(
                    f"DeviceMesh: this mesh has {self.ndim} dimensions: say which one is meant"
                )
            return 0
        if isinstance(name, int):
            if not -self.ndim <= name < self.ndim:
                raise IndexError(
                    f"DeviceMesh: there is no dimension {name} of a mesh of shape {self.shape}"
                )
            return name % self.ndim
        if name not in (self.mesh_dim_names or ()):
            raise KeyError(
                f"DeviceMesh: no mesh dimension is called {name!r}; there are {self.mesh_dim_names}"
            )
        return (self.mesh_dim_names or ()).index(name)

    def coordinates(self, position: int) -> tuple[int, ...]:
        """Where a position stands along each mesh dimension."""
        if len(self.shape) == 1:
            return (position,)
        return tuple(int(c) for c in np.unravel_index(position, self.shape))

    def get_coordinate(self) -> tuple[int, ...]:
        """Coordinates of this process's first position."""
        return self.coordinates(self.first)

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """Coordinate of this process's first position along a mesh dimension."""
        return self.coordinates(self.first)[self.dim_of(mesh_dim)]

    def get_rank(self) -> int:
        """Rank of this process among the mesh's."""
        return 0 if self._group is None else self._group.rank()

    def get_group(self, mesh_dim: int | str | None = None) -> ProcessGroup:
        """The group of the processes that differ from this one along a mesh dimension only.

        Raises:
            RuntimeError: where a process of several owns several positions, or has no group.
        """
        dim = self.dim_of(mesh_dim)
        found = self._along((dim,))
        if found is None:
            raise RuntimeError("DeviceMesh.get_group: this mesh lives in one process, without one")
        return found

    def get_all_groups(self) -> list[ProcessGroup]:
        """The groups along all mesh dimensions, in order."""
        return [self.get_group(dim) for dim in range(self.ndim)]

    def _along(self, dims: tuple[int, ...]) -> ProcessGroup | None:
        """The processes that differ from this one along ``dims``; all make the call together."""
        world = self._group
        if world is None or len(dims) == self.ndim or world.size() == 1:
            return world
        if self.positions != self.processes:
            raise RuntimeError(
                f"DeviceMesh.get_group: {self.processes} processes own {self.positions} positions: "
                "a group of processes along some mesh dimensions is not defined; use as many "
                "positions as processes"
            )
        if dims not in self._groups:
            last = range(self.ndim - len(dims), self.ndim)
            lines = np.moveaxis(self._grid(), dims, last)
            for line in lines.reshape(-1, math.prod(self.shape[d] for d in dims)):
                ranks = [int(p) for p in line]  # every process takes part in every split
                name = f"mesh{list(self.shape)}.{'.'.join(map(str, dims))}.{ranks[0]}"
                made = world.communicator.split(ranks, name)
                if made is not None:
                    self._groups[dims] = ProcessGroup(made, world.backend, name)
        return self._groups[dims]

    def __getitem__(self, names: str | tuple[str, ...]) -> DeviceMesh:
        """The mesh of some named dimensions, in their order, over this process's group there."""
        given = (names,) if isinstance(names, str) else tuple(names)
        dims = tuple(self.dim_of(name) for name in given)
        if not dims or list(dims) != sorted(set(dims)):
            raise KeyError(
                f"DeviceMesh: expected some of the dimensions {self.mesh_dim_names} in their "
                f"order, got {names!r}"
            )
        if len(dims) == self.ndim:
            return self
        shape = tuple(self.shape[d] for d in dims)
        return DeviceMesh(
            self.device_type, np.arange(math.prod(shape)).reshape(shape), mesh_dim_names=given,
            group=self._along(dims), reproducible=self.reproducible,
        )  # fmt: skip

    def __enter__(self) -> DeviceMesh:
        """Within ``with mesh:`` functions that are given no mesh use this one."""
        _entered.meshes.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _entered.meshes.pop()

    @staticmethod
    def from_group(
        group: ProcessGroup,
        device_type: str,
        mesh: Any = None,
        *,
        mesh_dim_names: Sequence[str] | None = None,
    ) -> DeviceMesh:
        """The mesh of a group's processes, one position each.

        Args:
            mesh: their numbers in row order, for a mesh of several dimensions.

        Raises:
            TypeError: for a list of groups, which is not supported.
        """
        if not isinstance(group, ProcessGroup):
            raise TypeError(
                f"DeviceMesh.from_group: expected one group, got {group!r}; make the mesh of "
                "several dimensions with init_device_mesh, which makes their groups"
            )
        grid = np.arange(group.size()) if mesh is None else mesh
        return DeviceMesh(device_type, grid, mesh_dim_names=mesh_dim_names, group=group)

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, DeviceMesh)
            and not self.implicit  # each view has a reducer of its own
            and self.shape == other.shape
            and self._group is other._group
            and self.device_type == other.device_type
            and self.implicit == other.implicit
            and self.reproducible == other.reproducible
        )

    def __hash__(self) -> int:
        return hash((self.shape, id(self._group), self.device_type))

    def __repr__(self) -> str:
        names = "" if self.mesh_dim_names is None else f", mesh_dim_names={self.mesh_dim_names}"
        return f"DeviceMesh({self.device_type!r}, {self._grid().tolist()}{names})"


def _world() -> ProcessGroup | None:
    """The default group, made now where a launcher started several processes, as torch does."""
    if default_group() is None and detect_world(os.environ).size > 1:
        init_process_group()
    return default_group()


def init_device_mesh(
    device_type: str,
    mesh_shape: Sequence[int],
    *,
    mesh_dim_names: Sequence[str] | None = None,
    group: ProcessGroup | None = None,
) -> DeviceMesh:
    """A mesh of ``mesh_shape`` over the default group, which is made if there is none.

    Args:
        device_type: "cpu" or "cuda".
        mesh_shape: lengths; their product V must be at least the number of processes. In one
            process alone, it plays all positions.
        mesh_dim_names: a name per dimension.

    Raises:
        RuntimeError: for a wrong device type or shape.
        ValueError: for fewer positions than processes, or names that do not fit.
    """
    if device_type not in ("cpu", "cuda"):
        raise RuntimeError(
            f"init_device_mesh: expected device_type 'cpu' or 'cuda', got {device_type!r}"
        )
    lengths = tuple(mesh_shape)
    if not lengths or any(n < 1 for n in lengths):
        raise RuntimeError(f"init_device_mesh: expected positive lengths, got {mesh_shape!r}")
    if mesh_dim_names is not None and len(set(mesh_dim_names)) != len(mesh_dim_names):
        raise RuntimeError(f"init_device_mesh: mesh_dim_names repeat: {mesh_dim_names!r}")
    grid = np.arange(math.prod(lengths)).reshape(lengths)
    return DeviceMesh(device_type, grid, mesh_dim_names=mesh_dim_names, group=group)
