"""Averaged stochastic gradient descent: keeps the mean of the later iterates beside the parameter.

w ← (1 - λ ηₜ) w - ηₜ g, a ← a + μₜ (w - a), then ηₜ₊₁ = γ / (1 + λ γ t)^α, μₜ₊₁ = 1 / max(1, t -
t0). Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
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

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Averaged stochastic gradient descent. The mean is ``optimizer.state[p]["ax"]``.

    Args:
        params: parameters or groups of them.
        lr: learning rate γ.
        lambd: λ, decay.
        alpha: α, power of the step size's decay.
        t0: the step after which averaging starts.
        weight_decay: adds ``weight_decay * w`` to the gradient.
        maximize: ascend instead.
        foreach: a hint without effect.
    """

    array_states = ("ax",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(weight_decay=weight_decay)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: Group) -> State:
        return {
            "step": scalar_state(),
            "eta": scalar_state(number(group["lr"])),
            "mu": scalar_state(1.0),
            "ax": zeros_like(p),
        }

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        eta, mu = number(state["eta"]), number(state["mu"])
        t = count(state)
        lr, lambd = number(group["lr"]), group["lambd"]
        state["eta"]._array[...] = lr / ((1 + lambd * lr * t) ** group["alpha"])
        state["mu"]._array[...] = 1 / max(1, t - group["t0"])
        return numbers(eta=eta, mu=mu, lambd=lambd)

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, step, mean = do.xp, do.scratch[2], states["ax"]
        xp.multiply(w, 1 - c.lambd * c.eta, out=w)
        do.axpy(w, g, -c.eta)
        if c.mu == 1:
            mean[...] = w
        else:
            xp.subtract(w, mean, out=step)
            xp.multiply(step, c.mu, out=step)
            xp.add(mean, step, out=mean)
