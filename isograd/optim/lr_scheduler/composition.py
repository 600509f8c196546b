"""Schedulers made of schedulers: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from isograd.optim.lr_scheduler.base import LRScheduler
from isograd.optim.lr_scheduler.plateau import ReduceLROnPlateau
from isograd.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    _unsaved = ("optimizer", "_schedulers")
    _schedulers: list[LRScheduler]

    def _check(self, optimizer: Optimizer) -> None:
        name = type(self).__name__
        if not self._schedulers:
            raise ValueError(f"{name} expects at least one scheduler to be chained, but got none.")
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{name}: scheduler {i} is a {type(scheduler).__name__}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires "
                    f"additional kwargs to be specified when calling `step`, but got one at "
                    f"index {i} in the given schedulers sequence."
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got "
                    f"scheduler {type(scheduler).__name__} at index {i} has another one"
                )

    def _initial_step(self) -> None:
        """As part of another composition: the first step of the parts is not out of order."""
        flags = self.optimizer.__dict__
        before = flags.get("_opt_called", False)
        flags["_opt_called"] = True
        try:
            super()._initial_step()
        finally:
            flags["_opt_called"] = before

    def state_dict(self) -> dict[str, Any]:
        """The state, those of the parts included."""
        parts = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": parts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state of `state_dict`."""
        rest = dict(state_dict)
        parts = rest.pop("_schedulers")
        self.__dict__.update(rest)
        for scheduler, part in zip(self._schedulers, parts, strict=True):
            scheduler.load_state_dict(part)


class SequentialLR(_Composed):
    """One scheduler up to each milestone, then the next from its start.

    Args:
        schedulers: one more than milestones.
        milestones: the epochs at which the next scheduler takes over.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        self._schedulers = list(schedulers)
        self._check(optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than "
                f"the number of milestone points, but got number of schedulers {len(schedulers)} "
                f"and the number of milestones to be equal to {len(milestones)}"
            )
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:  # undo what making the schedulers has set
            group["lr"] = group["initial_lr"]
        for scheduler in self._schedulers:
            _undo(scheduler)
        self._schedulers[0]._initial_step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Composed):
    """Several schedulers, all stepped each epoch; their factors multiply."""

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._schedulers = list(schedulers)
        if optimizer is None and self._schedulers:
            optimizer = getattr(self._schedulers[0], "optimizer", None)
        self._check(optimizer)  # type: ignore[arg-type]
        self.optimizer = optimizer  # type: ignore[assignment]
        self._last_lr = self._group_lrs()

    def step(self) -> None:  # type: ignore[override]
        """Step all."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._group_lrs()


def _undo(scheduler: LRScheduler) -> None:
    for part in getattr(scheduler, "_schedulers", ()):
        _undo(part)
    if hasattr(scheduler, "last_epoch"):
        scheduler.last_epoch -= 1
