"""The base of the learning rate schedulers: counting, and writing rates into the groups.

A scheduler gives the rates of its ``last_epoch`` (`get_lr`), as torch does mostly from the rates
of the epoch before, so that several schedulers can act on one optimizer in turn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from isograd.autograd.modes import no_grad
from isograd.optim.optimizer import Optimizer
from isograd.tensor.core import Tensor

__all__ = ["EPOCH_DEPRECATED", "LRScheduler", "per_group", "set_option"]

EPOCH_DEPRECATED = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler."
)
_OVERRIDDEN = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
    "initialization. Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`."
)
_WRONG_ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and "
    "later, you should call them in the opposite order: `optimizer.step()` before "
    "`lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the first value "
    "of the learning rate schedule."
)


class LRScheduler:
    """Sets the learning rates of an optimizer's groups, once per `step`.

    Args:
        optimizer: whose groups are scheduled.
        last_epoch: -1 to begin; else the epoch to resume after, with ``initial_lr`` in each group.

    Raises:
        KeyError: when resuming without ``initial_lr``.
        TypeError: if ``optimizer`` is none.
    """

    _unsaved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    "param 'initial_lr' is not specified in "
                    f"param_groups[{i}] when resuming scheduler with last_epoch >= 0"
                )
        self.base_lrs = [_copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_initial = False
        self._get_lr_called_within_step = False
        self._last_lr: list[Any] = []
        _watch(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The rates of ``last_epoch``, one per group. Call `get_last_lr` to read the rates."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr")

    def get_last_lr(self) -> list[Any]:
        """The rates set last, one per group."""
        return [_copied(lr) for lr in self._last_lr]

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch; call it after ``optimizer.step()``.

        Args:
            epoch: go there instead (deprecated).
        """
        if self._step_count == 1 and not self._is_initial:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATED, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _check_order(self) -> None:
        optimizer = self.optimizer
        if getattr(optimizer.step, "__func__", optimizer.step) is not type(optimizer).step:
            warnings.warn(_OVERRIDDEN, UserWarning, stacklevel=3)
        elif not optimizer.__dict__.get("_opt_called", True):
            warnings.warn(_WRONG_ORDER, UserWarning, stacklevel=3)

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._inside_step():
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                closed: Callable[[], list[Any]] | None = getattr(self, "_get_closed_form_lr", None)
                values = self.get_lr() if closed is None else closed()
        self._write(values)

    @contextmanager
    def _inside_step(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _write(self, values: list[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_option(group, "lr", lr)
        self._last_lr = self._group_lrs()

    def _group_lrs(self) -> list[Any]:
        return [_copied(group["lr"]) for group in self.optimizer.param_groups]

    def _lrs(self) -> list[Any]:
        """The rates as they are now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def _warn_unless_inside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer (and functions), to be saved with the optimizer's."""
        return {k: v for k, v in self.__dict__.items() if k not in self._unsaved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state of `state_dict`; load the optimizer's too, the rates are in it."""
        self.__dict__.update(state_dict)


def per_group(optimizer: Optimizer, value: Any, name: str) -> list[Any]:
    """One value per group, from a list of them or from one for all.

    Raises:
        ValueError: if the list has another length.
    """
    n = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * n
    if len(value) != n:
        raise ValueError(f"{name} must have the same length as optimizer.param_groups. "
                         f"{name} has {len(value)} values, param_groups has {n}.")  # fmt: skip
    return list(value)


def set_option(group: dict[str, Any], key: str, value: Any) -> None:
    """Write a group's option, into the tensor if it is one."""
    old = group[key]
    if isinstance(old, Tensor):
        with no_grad():
            old.fill_(value.item() if isinstance(value, Tensor) else value)
    else:
        group[key] = value.item() if isinstance(value, Tensor) else value


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _watch(optimizer: Optimizer) -> None:
    """From now on the optimizer notes that it stepped."""
    optimizer.__dict__.setdefault("_opt_called", False)
