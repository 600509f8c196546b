"""ProcessGroup: ranks with a name and a communicator, and which group is the default.

The default group belongs to the process; a thread that plays a rank of a local world has its own.
"""

import threading
from collections.abc import Sequence

from isograd.data.world import register_world
from isograd.distributed.communicator import Communicator
from isograd.distributed.work import TraceEvent

__all__ = [
    "GroupMember",
    "ProcessGroup",
    "default_group",
    "get_backend",
    "get_global_rank",
    "get_group_rank",
    "get_process_group_ranks",
    "get_rank",
    "get_world_size",
    "group",
    "group_rank_of",
    "is_initialized",
    "resolve_group",
    "set_default_group",
    "set_thread_group",
]


class ProcessGroup:
    """A set of ranks that communicate, as torch.distributed.ProcessGroup.

    Args:
        communicator: what carries the data.
        backend: the name the user asked for.
        description: free text.
    """

    def __init__(self, communicator: Communicator, backend: str, description: str = "") -> None:
        self.communicator = communicator
        self.backend = backend
        self.group_desc = description
        self.children: list[ProcessGroup] = []  # groups made from a world, closed with it
        self.groups_made = 0  # counts also those this rank is not in, so that names agree

    @property
    def group_name(self) -> str:
        """Name of the group."""
        return self.communicator.name

    @property
    def ranks(self) -> tuple[int, ...]:
        """Global ranks of the members, in the order of their rank in the group."""
        return self.communicator.ranks

    @property
    def trace(self) -> list[TraceEvent]:
        """Times of past operations, when ISOGRAD_TRACE=1 or after `enable_trace`."""
        return self.communicator.trace

    def enable_trace(self, on: bool = True) -> None:
        """Record a TraceEvent per operation from now on."""
        self.communicator.tracing = on

    def name(self) -> str:
        """Name of the backend, as in torch."""
        return self.backend

    def rank(self) -> int:
        """Rank of this process in the group."""
        return self.communicator.rank

    def size(self) -> int:
        """Number of ranks."""
        return self.communicator.size

    def __repr__(self) -> str:
        return (
            f"ProcessGroup(name={self.group_name!r}, backend={self.backend!r}, "
            f"rank={self.rank()}, ranks={list(self.ranks)})"
        )


_process_world: list[ProcessGroup | None] = [None]
_thread = threading.local()


def default_group() -> ProcessGroup | None:
    """The default group of this thread, or else of the process; None before it is made."""
    own: ProcessGroup | None = getattr(_thread, "world", None)
    return own if own is not None else _process_world[0]


def set_default_group(world: ProcessGroup | None) -> None:
    """Make `world` the default: of this thread if it plays a rank, else of the process."""
    if getattr(_thread, "world", None) is not None:
        _thread.world = world
    else:
        _process_world[0] = world


def set_thread_group(world: ProcessGroup | None) -> None:
    """Make `world` the default group of the calling thread alone."""
    _thread.world = world


class _WorldProperty(type):
    """Gives a class the attribute WORLD: the default group, or None."""

    @property
    def WORLD(cls) -> ProcessGroup | None:
        return default_group()


class group(metaclass=_WorldProperty):
    """`group.WORLD` is the default group."""


class GroupMember(metaclass=_WorldProperty):
    """`GroupMember.WORLD` is the default group.

    NON_GROUP_MEMBER is what `new_group` returns to a rank that is not in the new group.
    """

    NON_GROUP_MEMBER = object()


def resolve_group(name: str, pg: object | None) -> ProcessGroup | None:
    """The group meant by an argument; None when this rank is not a member.

    Raises:
        ValueError: when there is no default group yet.
        TypeError: when `pg` is something else.
    """
    if pg is GroupMember.NON_GROUP_MEMBER:
        return None
    if pg is None:
        pg = default_group()
    if pg is None:
        raise ValueError(
            f"{name}: Default process group has not been initialized, please make sure to call "
            "init_process_group (a script without any distributed line needs none: `isograd run` "
            "divides its batches)."
        )
    if not isinstance(pg, ProcessGroup):
        raise TypeError(f"{name}: expected a ProcessGroup or None, got {type(pg).__name__}")
    return pg


def is_initialized() -> bool:
    """True between `init_process_group` and `destroy_process_group`."""
    return default_group() is not None


def get_rank(group: ProcessGroup | None = None) -> int:
    """Rank of this process in `group`; -1 when it is not a member."""
    pg = resolve_group("get_rank", group)
    return -1 if pg is None else pg.rank()


def get_world_size(group: ProcessGroup | None = None) -> int:
    """Number of ranks in `group`; -1 when this process is not a member."""
    pg = resolve_group("get_world_size", group)
    return -1 if pg is None else pg.size()


def get_backend(group: ProcessGroup | None = None) -> str:
    """The backend name the group was made with."""
    return _member("get_backend", group).backend


def get_process_group_ranks(group: ProcessGroup | None) -> list[int]:
    """Global ranks of the group, in group order."""
    return list(_member("get_process_group_ranks", group).ranks)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The global rank of a member."""
    ranks = _member("get_global_rank", group).ranks
    if not 0 <= group_rank < len(ranks):
        raise ValueError(f"get_global_rank: expected a rank in [0, {len(ranks)}), got {group_rank}")
    return ranks[group_rank]


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The rank in `group` of a global rank."""
    return group_rank_of("get_group_rank", _member("get_group_rank", group), global_rank)


def group_rank_of(name: str, pg: ProcessGroup, global_rank: int) -> int:
    """The rank in `pg` of a global rank.

    Raises:
        ValueError: when it is not a member.
    """
    ranks: Sequence[int] = pg.ranks
    if global_rank not in ranks:
        raise ValueError(
            f"{name}: global rank {global_rank} is not part of group {pg.group_name!r} "
            f"with ranks {list(ranks)}"
        )
    return ranks.index(global_rank)


def _member(name: str, group: ProcessGroup | None) -> ProcessGroup:
    pg = resolve_group(name, group)
    if pg is None:
        raise ValueError(f"{name}: this rank is not a member of the given group")
    return pg


def _data_world() -> tuple[int, int] | None:
    """What samplers see: (rank, size) of the default group."""
    pg = default_group()
    return None if pg is None else (pg.rank(), pg.size())


register_world(_data_world)
