"""Adagrad: steps scaled by all squared gradients seen so far.

s ← s + g², w ← w - γₜ g / (√s + ε) with γₜ = γ / (1 + (t-1) η). Duchi, Hazan and Singer, "Adaptive
subgradient methods for online learning and stochastic optimization", 2011.
"""

from __future__ import annotations

from typing import Any

from isograd.optim.arithmetic import Arithmetic
from isograd.optim.optimizer import (
    Group,
    Optimizer,
    Params,
    State,
    check_lr,
    check_not_negative,
    count,
    number,
    numbers,
    scalar_state,
    zeros_like,
)
from isograd.tensor.core import Tensor

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad.

    Args:
        params: parameters or groups of them.
        lr: learning rate γ.
        lr_decay: η.
        weight_decay: adds ``weight_decay * w`` to the gradient.
        initial_accumulator_value: where s starts.
        eps: ε, keeps the denominator from zero.
        maximize: ascend instead.
        foreach, fused: hints without effect.
    """

    array_states = ("sum",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            epsilon=eps,
        )
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        """See `Optimizer.add_param_group`; the state is there from the start, as in torch."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            self.state[p] = self.init_state(p, group)

    def init_state(self, p: Tensor, group: Group) -> State:
        total = zeros_like(p)
        value = group["initial_accumulator_value"]
        total._array.fill(complex(value, value) if p.is_complex() else value)
        return {"step": scalar_state(), "sum": total}

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        step = count(state)
        lr = number(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        return numbers(lr=lr, eps=group["eps"])

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, root = do.xp, do.scratch[2]
        s = states["sum"]
        do.addcmul(s, g, g, 1)
        xp.sqrt(s, out=root)
        xp.add(root, c.eps, out=root)
        do.addcdiv(w, g, root, -c.lr)
