"""Who writes or reads a checkpoint together, and how they agree that nobody failed.

Everything goes over the control plane of the group. A save in the background has a control plane
of its own, split off at the first such save: its exchanges could otherwise fall between the
training's collectives in a different order on each rank.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

from isograd.data.view import current_view
from isograd.distributed.checkpoint.errors import CheckpointException
from isograd.distributed.communicator import Communicator
from isograd.distributed.group import ProcessGroup, default_group, resolve_group
from isograd.serialization.errors import CheckpointError

__all__ = ["Outcome", "Peers", "agree", "peers_of"]

Exchange = Callable[[bytes], list[bytes]]


class _View(Protocol):
    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...
    def exchange_bytes(self, data: bytes) -> list[bytes]: ...


class Peers:
    """The ranks of one group, for checkpoints.

    Args:
        rank, size: of this process.
        exchange: all-gathers byte strings.
        owner: the communicator to split for saves in the background; None without one.
        group: the group that is to close the split communicator.
        viewed: they share a script that knows of one process only: file names are rank 0's.

    Attributes:
        running: the save in the background that was started last.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        exchange: Exchange,
        owner: Communicator | None = None,
        group: ProcessGroup | None = None,
        viewed: bool = False,
    ) -> None:
        self.rank, self.size, self.exchange, self.viewed = rank, size, exchange, viewed
        self.running: Future[Any] | None = None
        self._owner, self._group = owner, group
        self._background: Exchange | None = exchange if size == 1 else None

    def background(self) -> Exchange | None:
        """An exchange that may run beside the group's own calls; None if there can be none.

        The first call is collective.
        """
        owner = self._owner
        if self._background is None and owner is not None and _threads(owner):
            plane = owner.split(range(self.size), f"{owner.name}.checkpoint")
            if plane is not None:
                self._background = plane.exchange_bytes
                if self._group is not None:
                    closing = cast(Communicator, _ControlPlane(plane, self))
                    self._group.children.append(ProcessGroup(closing, "mpi", "checkpoints"))
        return self._background

    def meant(self, path: Path) -> Path:
        """The file that is meant by a name: with a view rank 0's, since names may hold the time."""
        if not self.viewed or self.size == 1:
            return path
        return Path(self.exchange(str(path).encode())[0].decode())

    def wait(self) -> None:
        """Until the save in the background is over; its error is its own."""
        if self.running is not None:
            self.running.exception()
            self.running = None


class _ControlPlane:
    """What the world closes: first the save that uses the plane ends, then the plane."""

    def __init__(self, plane: Communicator, peers: Peers) -> None:
        self._plane, self._peers = plane, peers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)

    def close(self) -> None:
        """Wait for the running save, then free the communicator."""
        self._peers.wait()
        self._plane.close()


def _threads(owner: Communicator) -> bool:
    """Whether a second thread may communicate."""
    transport = getattr(owner, "_transport", None)
    return bool(getattr(transport, "asynchronous", True))


_known: WeakKeyDictionary[Any, Peers] = WeakKeyDictionary()
_alone = Peers(0, 1, lambda data: [data])


def peers_of(name: str, process_group: Any = None, alone: bool = False) -> Peers | None:
    """The ranks that take part in a call.

    Args:
        name: the call, for messages.
        process_group: asked first; then the global view, then the default group.
        alone: this process by itself.

    Returns:
        The same object for the same group; None on a rank outside of it.
    """
    if alone:
        return _alone
    view: _View | None = None if process_group is not None else current_view()
    if view is not None:
        world: ProcessGroup | None = getattr(view, "group", None)
        if world is not None:
            return _of_group(world, world, True)
        return _remembered(
            view, lambda: Peers(view.rank, view.size, view.exchange_bytes, viewed=True)
        )
    if process_group is None and default_group() is None:
        return _alone
    group = resolve_group(name, process_group)
    if group is None:
        return None
    return _of_group(group, default_group() or group, False)


def _of_group(group: ProcessGroup, closer: ProcessGroup, viewed: bool) -> Peers:
    plane = group.communicator
    return _remembered(
        plane, lambda: Peers(plane.rank, plane.size, plane.exchange_bytes, plane, closer, viewed)
    )


def _remembered(key: Any, make: Callable[[], Peers]) -> Peers:
    found = _known.get(key)
    if found is None:
        found = _known[key] = make()
    return found


class Outcome:
    """What a rank tells the others after its part: a value, or why it failed.

    Example:
        >>> outcome = Outcome()
        >>> with outcome:
        ...     outcome.value = 1 / 0
        >>> outcome.error
        ZeroDivisionError('division by zero')
    """

    def __init__(self) -> None:
        self.value: Any = None
        self.error: Exception | None = None

    def __enter__(self) -> Outcome:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, Exception):
            self.error = error
            return True
        return False

    def told(self) -> bytes:
        """For the exchange."""
        if self.error is None:
            return json.dumps({"value": self.value}).encode()
        if isinstance(self.error, CheckpointError):
            return json.dumps({"error": self.error.reason}).encode()
        return json.dumps({"error": f"{type(self.error).__name__}: {self.error}"}).encode()


def agree(exchange: Exchange, outcome: Outcome, task: str, where: str) -> list[Any]:
    """Everybody's values, or an error on all ranks.

    Raises:
        Exception: this rank's own error, when it is the only one of its group.
        CheckpointException: when some rank failed, with what each of them said.
    """
    answers = [json.loads(answer) for answer in exchange(outcome.told())]
    failures = {rank: a["error"] for rank, a in enumerate(answers) if "error" in a}
    if not failures:
        return [a["value"] for a in answers]
    if outcome.error is not None and len(answers) == 1:
        raise outcome.error
    raise CheckpointException(task, where, failures, len(answers)) from outcome.error
