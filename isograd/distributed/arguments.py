"""Arguments of the functional API: tensors to arrays, groups to communicators, ranks to ranks."""

import warnings
from collections.abc import Sequence
from typing import Any

from isograd.distributed.group import ProcessGroup, group_rank_of, resolve_group
from isograd.tensor.core import Tensor
from isograd.tensor.spread import SpreadArray

__all__ = ["array_of", "arrays_of", "member_of", "peer_rank", "written"]


def member_of(name: str, group: object | None) -> ProcessGroup | None:
    """The group, or None with torch's warning on a rank outside it."""
    pg = resolve_group(name, group)
    if pg is None:
        rank = resolve_group(name, None)
        where = "?" if rank is None else rank.rank()
        warnings.warn(
            f"Running {name} on global rank {where} which does not belong to the given group.",
            UserWarning,
            stacklevel=3,
        )
    return pg


def array_of(name: str, tensor: Any, role: str = "tensor") -> Any:
    """The array behind a plain tensor.

    Raises:
        TypeError: for anything else, a distributed tensor included.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: expected {role} to be a Tensor, got {type(tensor).__name__}")
    if isinstance(tensor._array, SpreadArray):
        raise TypeError(
            f"{name}: expected {role} to be a local tensor, got a distributed one; it is "
            "communicated by its operations (redistribute it, or pass its local part)"
        )
    return tensor._array


def arrays_of(name: str, tensors: Sequence[Any], role: str, count: int) -> list[Any]:
    """The arrays behind a list of one tensor per rank."""
    if not isinstance(tensors, (list, tuple)) or len(tensors) != count:
        got = len(tensors) if isinstance(tensors, (list, tuple)) else type(tensors).__name__
        raise ValueError(
            f"{name}: expected {role} to hold {count} tensors, one per rank, got {got}"
        )
    return [array_of(name, t, role) for t in tensors]


def peer_rank(
    name: str,
    pg: ProcessGroup,
    role: str,
    global_rank: int | None,
    group_rank: int | None,
    default: int | None = None,
) -> int:
    """The group rank meant by torch's pair of arguments (`src`, `group_src`)."""
    if global_rank is not None and group_rank is not None:
        raise ValueError(f"{name}: pass {role} or group_{role}, not both")
    if group_rank is not None:
        if not 0 <= group_rank < pg.size():
            raise ValueError(
                f"{name}: expected group_{role} in [0, {pg.size()}) of group {pg.group_name!r}, "
                f"got {group_rank}"
            )
        return group_rank
    if global_rank is not None:
        return group_rank_of(name, pg, global_rank)
    if default is None:
        raise ValueError(f"{name}: pass {role} (a global rank) or group_{role}")
    return group_rank_of(name, pg, default)


def written(*tensors: Tensor) -> None:
    """Count a change of the memory of `tensors`, so autograd notices stale saved values."""
    for tensor in tensors:
        tensor._bump()
