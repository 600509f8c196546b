"""Adadelta: steps in the parameter's own units, from running means of squared gradients and steps.

v ← ρ v + (1-ρ) g², Δ = g √(u + ε) / √(v + ε), u ← ρ u + (1-ρ) Δ², w ← w - γ Δ. Zeiler, "ADADELTA:
an adaptive learning rate method", 2012.
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
    require,
    scalar_state,
    zeros_like,
)
from isograd.tensor.core import Tensor

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta.

    Args:
        params: parameters or groups of them.
        lr: γ, scales the step.
        rho: ρ, how much of the running means is kept each step.
        eps: ε, also sets the size of the first steps.
        weight_decay: adds ``weight_decay * w`` to the gradient.
        maximize: ascend instead.
        foreach: a hint without effect.
    """

    array_states = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        require(0 <= rho <= 1, f"Invalid rho value: {rho}")
        check_not_negative(epsilon=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: Group) -> State:
        return {"step": scalar_state(), "square_avg": zeros_like(p), "acc_delta": zeros_like(p)}

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        count(state)
        return numbers(lr=number(group["lr"]), rho=group["rho"], eps=group["eps"])

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, root, delta = do.xp, do.scratch[2], do.scratch[3]
        v, u = states["square_avg"], states["acc_delta"]
        do.decay_and_add_square(v, g, c.rho)
        xp.sqrt(xp.add(v, c.eps, out=root), out=root)
        xp.sqrt(xp.add(u, c.eps, out=delta), out=delta)
        xp.divide(delta, root, out=delta)
        xp.multiply(delta, g, out=delta)
        do.decay_and_add_square(u, delta, c.rho)
        do.axpy(w, delta, -c.lr)
