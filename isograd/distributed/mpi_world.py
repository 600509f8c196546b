"""The MPI process's world: made once, shared by every init_process_group that follows.

Holds what belongs to the process and not to a group: the duplicate of MPI_COMM_WORLD, the
watchdog, and the guard over the process's exit.
"""

import warnings

from isograd.distributed.checked import CheckedCommunicator
from isograd.distributed.conductor import broken_groups
from isograd.distributed.exit_guard import ExitGuard
from isograd.distributed.mpi import MpiTransport
from isograd.distributed.mpi_buffers import mpi_module
from isograd.distributed.progress import finish_all
from isograd.distributed.watchdog import Watchdog
from isograd.distributed.world import World, check_world

__all__ = ["MpiWorld", "communicator_over_mpi", "leave_world", "mpi_world"]

_world: "MpiWorld | None" = None


class MpiWorld:
    """MPI as this process sees it.

    Args:
        world: what the launcher announced; compared with what MPI says.
    """

    def __init__(self, world: World) -> None:
        mpi = mpi_module()
        check_world(world, mpi.COMM_WORLD.size)
        self._mpi = mpi
        self._base = mpi.COMM_WORLD.Dup()
        self.rank, self.size = self._base.rank, self._base.size
        self.threads = mpi.Query_thread() >= mpi.THREAD_MULTIPLE
        if not self.threads and self.rank == 0:
            warnings.warn(
                "isograd.distributed: the MPI library does not give MPI_THREAD_MULTIPLE, so "
                "asynchronous operations run at the call and ranks that hang cannot be asked "
                "where they stand",
                RuntimeWarning,
                stacklevel=2,
            )
        self._watchdog = Watchdog(self._base.Dup(), running=self.threads and self.size > 1)
        if self.size > 1:
            guard = ExitGuard(self.rank, self.abort, self._leave, self._watchdog.activity)
            guard.install()

    def transport(self, name: str) -> MpiTransport:
        """A fresh transport over all ranks; collective."""
        comm, side = self._base.Dup(), self._base.Dup()
        return MpiTransport(name, comm, side, range(self.size), self._watchdog, self.threads)

    def abort(self, code: int) -> None:
        """End all ranks now."""
        self._mpi.COMM_WORLD.Abort(code)

    def leave(self, text: str) -> None:
        """Say goodbye and finalize, before an end that runs no exit handlers."""
        if self._leave(text) and not self._mpi.Is_finalized():
            self._mpi.Finalize()

    def _leave(self, text: str) -> bool:
        if self._mpi.Is_finalized():
            return True
        self._watchdog.say_goodbye(text)
        finish_all()  # hears of others' goodbyes while it waits
        self._watchdog.stop()
        return not broken_groups


def mpi_world(world: World) -> MpiWorld:
    """The process's MpiWorld, made at the first call; collective then."""
    global _world
    if _world is None:
        _world = MpiWorld(world)
    return _world


def leave_world(text: str) -> None:
    """Leave in good order where the process is about to end without exit handlers.

    Args:
        text: how it ends, for ranks that still wait for this one.
    """
    if _world is not None:
        _world.leave(text)


def communicator_over_mpi(
    world: World, name: str, timeout: float | None, check: bool | None = None
) -> CheckedCommunicator:
    """A communicator over all MPI ranks; collective."""
    mine = mpi_world(world)
    return CheckedCommunicator(mine.transport(name), range(mine.size), timeout, check)
