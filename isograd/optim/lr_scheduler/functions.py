"""Schedules given by a function of the epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isograd.optim.lr_scheduler.base import LRScheduler
from isograd.optim.optimizer import Optimizer

__all__ = ["LambdaLR", "MultiplicativeLR"]

Function = Callable[[int], float]


class _ByFunction(LRScheduler):
    _unsaved = ("optimizer", "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Function | list[Function], last_epoch: int = -1
    ) -> None:
        n = len(optimizer.param_groups)
        given = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * n
        if len(given) != n:
            raise ValueError(f"Expected {n} lr_lambdas, but got {len(given)}")
        for i, fn in enumerate(given):
            if not callable(fn):
                raise TypeError(f"lr_lambda should be a function, but got {type(fn)} for group {i}")
        self.lr_lambdas = given
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """The state; of the functions only the attributes of callable objects are kept."""
        kept = [getattr(fn, "__dict__", None) or None for fn in self.lr_lambdas]
        functions = [
            None if _is_function(fn) else k for fn, k in zip(self.lr_lambdas, kept, strict=True)
        ]
        return {**super().state_dict(), "lr_lambdas": functions}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; functions stay, callable objects take their attributes."""
        rest = dict(state_dict)
        for fn, kept in zip(self.lr_lambdas, rest.pop("lr_lambdas"), strict=True):
            if kept is not None:
                fn.__dict__.update(kept)
        self.__dict__.update(rest)


def _is_function(fn: Any) -> bool:
    return hasattr(fn, "__code__")


class LambdaLR(_ByFunction):
    """The initial rate times ``lr_lambda(epoch)``; one function, or one per group."""

    def get_lr(self) -> list[Any]:
        self._warn_unless_inside_step()
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * fn(self.last_epoch) for base, fn in pairs]


class MultiplicativeLR(_ByFunction):
    """The rate before times ``lr_lambda(epoch)``; one function, or one per group."""

    def get_lr(self) -> list[Any]:
        self._warn_unless_inside_step()
        if self._is_initial:
            return self._lrs()
        pairs = zip(self._lrs(), self.lr_lambdas, strict=True)
        return [lr * fn(self.last_epoch) for lr, fn in pairs]
