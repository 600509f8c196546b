"""Averages of a model's weights along its training, plain (SWA) or exponential (EMA).

Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018; Polyak
and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from itertools import chain
from typing import Any

from isograd.autograd.modes import no_grad
from isograd.nn.batchnorm import _BatchNorm
from isograd.nn.module import Module
from isograd.optim.lr_scheduler.base import LRScheduler, per_group
from isograd.optim.optimizer import Optimizer
from isograd.tensor.core import Tensor, as_array, wrap
from isograd.tensor.devices import device as device_of
from isograd.tensor.dtypes import int64

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AverageOne = Callable[[Tensor, Tensor, Any], Tensor]
AverageAll = Callable[[list[Tensor], list[Tensor], Any], None]


def get_swa_avg_fn() -> AverageOne:
    """The mean of all models seen, each with the same weight."""

    @no_grad()
    def average(averaged: Tensor, current: Tensor, n: Any) -> Tensor:
        result: Tensor = averaged + (current - averaged) / (n + 1)
        return result

    return average


def get_ema_avg_fn(decay: float = 0.999) -> AverageOne:
    """An exponential mean that keeps ``decay`` of what it was at each update."""
    _check_decay(decay)

    @no_grad()
    def average(averaged: Tensor, current: Tensor, n: Any) -> Tensor:
        return decay * averaged + (1 - decay) * current

    return average


def get_swa_multi_avg_fn() -> AverageAll:
    """As `get_swa_avg_fn`, in place over lists of tensors."""
    return _for_all(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageAll:
    """As `get_ema_avg_fn`, in place over lists of tensors."""
    return _for_all(get_ema_avg_fn(decay))


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1].")


def _for_all(one: AverageOne) -> AverageAll:
    @no_grad()
    def average(averaged: list[Tensor], current: list[Tensor], n: Any) -> None:
        for a, c in zip(averaged, current, strict=True):
            a.copy_(one(a, c, n) if a.is_floating_point() or a.is_complex() else c)

    return average


class AveragedModel(Module):
    """A copy of a model that holds the average of its parameters.

    Args:
        model: what is averaged; copied.
        device: where the averages are kept.
        avg_fn: ``(averaged, current, count) -> averaged``; the plain mean by default.
        multi_avg_fn: the same in place over lists of tensors.
        use_buffers: average the buffers too, instead of copying them.

    Example:
        >>> from isograd import nn
        >>> model = nn.Linear(2, 1)
        >>> average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
        >>> average.update_parameters(model)  # after each optimizer.step()
        >>> average.n_averaged.item()
        1
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: int | str | device_of | None = None,
        avg_fn: AverageOne | None = None,
        multi_avg_fn: AverageAll | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        where = None if device is None else device_of(device)
        self.register_buffer("n_averaged", wrap(as_array(0, int64, where)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's output."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average."""
        ours, theirs = list(self._averaged(self.module)), list(self._averaged(model))
        with no_grad():
            current = [t.detach().to(a.device) for a, t in zip(ours, theirs, strict=True)]
            if self.n_averaged.item() == 0:
                for a, c in zip(ours, current, strict=True):
                    a.copy_(c)
            else:
                self._average()([a.detach() for a in ours], current, self.n_averaged)
            if not self.use_buffers:
                for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                    a.copy_(b.detach().to(a.device))
            self.n_averaged.add_(1)

    def _averaged(self, model: Module) -> Iterator[Tensor]:
        return chain(model.parameters(), model.buffers() if self.use_buffers else ())

    def _average(self) -> AverageAll:
        if self.multi_avg_fn is not None:
            return self.multi_avg_fn
        return _for_all(self.avg_fn or get_swa_avg_fn())


@no_grad()
def update_bn(
    loader: Iterable[Any], model: Module, device: int | str | device_of | None = None
) -> None:
    """Compute the running statistics of batch normalization anew, over one pass of the data.

    Args:
        loader: batches; of tuples and lists the first entry is the input.
        model: its mode is put back in the end.
        device: where batches are moved to.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    training, momenta = model.training, [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    model.train()
    try:
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """Goes from the present rate to ``swa_lr`` in ``anneal_epochs`` epochs and stays there.

    Args:
        swa_lr: the last rate, one or one per group.
        anneal_strategy: ``cos`` or ``linear``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if anneal_epochs < 0 or anneal_epochs != int(anneal_epochs):
            raise ValueError(f"anneal_epochs must be >= 0, got {anneal_epochs}")
        rates = per_group(optimizer, swa_lr, "swa_lr")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _way(self, step: int) -> float:
        """How much of the way is done after so many steps, 0 to 1."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list[Any]:
        """The rates of ``last_epoch``, from those the epoch before."""
        self._warn_unless_inside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._way(step - 1), self._way(step)
        rates = []
        for group in self.optimizer.param_groups:
            end, lr = group["swa_lr"], group["lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates
