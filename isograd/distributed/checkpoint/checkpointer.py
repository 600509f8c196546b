"""A run's checkpoints in one folder: numbered by step, old ones pruned, the newest found again."""

from __future__ import annotations

import logging
import os
import re
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from isograd.distributed.checkpoint.folder import checked, checkpoints, delete
from isograd.distributed.checkpoint.index import Index
from isograd.distributed.checkpoint.loader import load_with, verify_with
from isograd.distributed.checkpoint.peers import Outcome, Peers, agree, peers_of
from isograd.distributed.checkpoint.saver import start_save
from isograd.distributed.group import ProcessGroup
from isograd.serialization.errors import CheckpointError

__all__ = ["Checkpointer"]

_log = logging.getLogger(__name__)
_NAME = re.compile(r"step-(\d+)")


class Checkpointer:
    """Saves a run step by step and finds where to go on; all ranks of the group use it together.

    A checkpoint that is damaged, or still being written, counts for nothing in the policy. The
    newest complete one is never deleted.

    Args:
        folder: where ``step-00000012`` and so on stand; all ranks see it.
        keep_last: how many of the newest to keep; None for all.
        keep_every: keep also those whose step is a multiple of this.
        process_group: as in `save`.

    Example:
        >>> checkpointer = Checkpointer("runs/a", keep_last=2, keep_every=1000)  # doctest: +SKIP
        >>> step = checkpointer.load({"model": model, "optimizer": optimizer}) or 0
        >>> checkpointer.async_save(step, {"model": model, "optimizer": optimizer})
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        keep_last: int | None = None,
        keep_every: int | None = None,
        process_group: ProcessGroup | None = None,
    ) -> None:
        for name, value in (("keep_last", keep_last), ("keep_every", keep_every)):
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"Checkpointer: expected {name} >= 1 or None, got {value!r}")
        if keep_every is not None and keep_last is None:
            raise ValueError("Checkpointer: keep_every needs keep_last; without it all are kept")
        self.folder = Path(os.path.abspath(folder))
        self.keep_last, self.keep_every = keep_last, keep_every
        self._group = process_group

    def save(self, step: int, state_dict: dict[str, Any]) -> Index | None:
        """Write the checkpoint of a step, then prune; see `isograd.distributed.checkpoint.save`."""
        return self._start(step, state_dict, False).result()

    def async_save(self, step: int, state_dict: dict[str, Any]) -> Future[Index | None]:
        """As `save`, written in the background; see `isograd.distributed.checkpoint.async_save`."""
        return self._start(step, state_dict, True)

    def wait(self) -> None:
        """Until no save is running; errors are those of its future."""
        peers = self._peers("wait")
        if peers is not None:
            peers.wait()

    def steps(self) -> list[int]:
        """The steps of the complete checkpoints, in the order they were written."""
        return [step_of(path) for path in self._numbered()]

    def load(
        self, state_dict: dict[str, Any], step: int | None = None, *, strict: bool = True
    ) -> int | None:
        """Fill a state from the newest complete checkpoint, or from that of a step.

        A damaged one is reported in a warning, and the one before is taken.

        Returns:
            The step, or None if there is no checkpoint yet.

        Raises:
            CheckpointError: if that step's is missing or damaged, or it holds another state.
        """
        peers = self._peers("load")
        if peers is None:
            return None
        peers.wait()
        if step is not None:
            load_with(peers, state_dict, self._path(step), strict, True)
            return step
        outcome = Outcome()
        with outcome:
            outcome.value = [str(p) for p in self._numbered()] if peers.rank == 0 else None
        told = agree(peers.exchange, outcome, "load", str(self.folder))[0]
        for path in map(Path, reversed(told)):
            try:
                verify_with(peers, path)
            except CheckpointError as error:
                warnings.warn(f"load: {path.name} is passed over: {error.reason}", stacklevel=2)
                continue
            load_with(peers, state_dict, path, strict, False)
            return step_of(path)
        return None

    def prune(self) -> list[int]:
        """Delete what the policy does not keep; returns those steps. For one rank to call."""
        if self.keep_last is None:
            return []
        paths, good = self._numbered(), 0
        while paths and good < self.keep_last:
            good += _whole(paths.pop())
        gone = [p for p in paths if not self._kept_for_good(step_of(p))]
        for path in gone:
            delete(path)
        return [step_of(path) for path in gone]

    def _start(
        self, step: int, state_dict: dict[str, Any], in_background: bool
    ) -> Future[Index | None]:
        name = "async_save" if in_background else "save"
        if type(step) is not int or step < 0:
            raise ValueError(f"{name}: expected a step >= 0, got {step!r}")
        peers = self._peers(name)
        if peers is None:
            nothing: Future[Index | None] = Future()
            nothing.set_result(None)
            return nothing
        return start_save(state_dict, self._path(step), peers, in_background, self._after)

    def _after(self) -> None:
        try:
            self.prune()
        except OSError as error:  # the checkpoint itself is good
            _log.warning("pruning %s failed: %s", self.folder, error)

    def _kept_for_good(self, step: int) -> bool:
        return self.keep_every is not None and step % self.keep_every == 0

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _numbered(self) -> list[Path]:
        return [p for p in checkpoints(self.folder) if _NAME.match(p.name)]

    def _peers(self, name: str) -> Peers | None:
        return peers_of(f"Checkpointer.{name}", self._group)


def _whole(path: Path) -> bool:
    """Whether a checkpoint's files are there in full length; its data is not read."""
    try:
        checked(path, verify=False)
    except CheckpointError:
        return False
    return True


def step_of(path: Path) -> int:
    """The step of a checkpoint, from its name."""
    found = _NAME.match(path.name)
    if found is None:
        raise ValueError(f"{path} is no checkpoint of a step")
    return int(found[1])
