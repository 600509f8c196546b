"""``Join``: ranks with fewer inputs keep the others company until all are done.

A rank that leaves its loop early enters shadow mode: it takes part in every collective of the
ranks that still train, with zeros, so nobody hangs and nothing is padded. Before each step the
active ranks make themselves known; when none is left, the rank that trained longest gives its
state to all.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from isograd.distributed.group import ProcessGroup

__all__ = ["Join", "JoinHook", "Joinable"]


class JoinHook:
    """What a joinable does for the ranks that are done."""

    def main_hook(self, active: list[int]) -> None:
        """Shadow one step of the ranks in ``active``."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """Once, when all ranks are done."""


class Joinable(ABC):
    """Something with collectives in its step, such as DistributedDataParallel."""

    _join_context: Join | None = None  # the block this takes part in, while it is open

    @abstractmethod
    def join_hook(self, **kwargs: Any) -> JoinHook:
        """The hook that shadows this joinable's collectives."""

    @property
    @abstractmethod
    def join_process_group(self) -> ProcessGroup:
        """The group its collectives run in."""


class Join:
    """``with Join([model]):`` around the training loop allows ranks different numbers of inputs.

    Args:
        joinables: things whose collectives are shadowed; the first counts the active ranks.
        enable: False makes the block do nothing.
        throw_on_early_termination: raise on all ranks when the first runs out, instead.
        kwargs: for the joinables' hooks, e.g. ``divide_by_initial_world_size``.

    Traffic: one extra all-gather of 8 bytes per rank and step.
    """

    def __init__(
        self,
        joinables: Sequence[Joinable],
        enable: bool = True,
        throw_on_early_termination: bool = False,
        **kwargs: Any,
    ) -> None:
        if not joinables:
            raise ValueError("Join: expects at least one joinable, got none")
        self._joinables = list(joinables)
        self._enable = enable
        self._throw = throw_on_early_termination
        self._kwargs = kwargs
        self._group = joinables[0].join_process_group
        self._active = list(range(self._group.size()))

    def __enter__(self) -> Join:
        for j in self._joinables:
            j._join_context = self if self._enable else None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._enable and kind is None:
                self._company()
        finally:
            for j in self._joinables:
                j._join_context = None

    def _company(self) -> None:
        hooks = [j.join_hook(**self._kwargs) for j in self._joinables]
        last, steps = True, 0
        while True:
            active = active_ranks(self._group, False)
            if not active:
                break
            if self._throw:
                raise RuntimeError(_EXHAUSTED.format(rank=self._group.rank()))
            last = False
            steps += 1
            if steps == 1000:
                warnings.warn(
                    "Join: this rank has shadowed 1000 steps of the others; the inputs are very "
                    "unevenly spread", stacklevel=3,
                )  # fmt: skip
            for hook in hooks:
                hook.main_hook(active)
        for hook in hooks:
            hook.post_hook(last)

    @staticmethod
    def notify_join_context(joinable: Joinable) -> list[int]:
        """Called by a joinable before each step's collectives: the ranks that are still active.

        Raises:
            RuntimeError: if a rank has run out and that was to raise.
        """
        group, context = joinable.join_process_group, joinable._join_context
        if context is None:
            return list(range(group.size()))
        if joinable is context._joinables[0]:  # one count per step, whatever takes part in it
            context._active = active_ranks(group, True)
            if len(context._active) < group.size() and context._throw:
                raise RuntimeError(_EXHAUSTED.format(rank=group.rank()))
        return context._active

    def option(self, name: str, default: Any) -> Any:
        """A keyword argument given to the block."""
        return self._kwargs.get(name, default)


_EXHAUSTED = (
    "Join (rank {rank}): Detected at least one rank that exhausted inputs. "
    "Throwing across all ranks."
)


def active_ranks(group: ProcessGroup, active: bool) -> list[int]:
    """The ranks that still have inputs; every rank of the group calls this once per step."""
    flags = np.zeros(group.size(), np.int64)
    group.communicator.all_gather(flags, np.array([int(active)], np.int64))
    return [rank for rank, flag in enumerate(flags) if flag]
