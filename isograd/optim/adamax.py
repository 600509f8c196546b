"""Adamax: Adam with the infinity norm of the gradients in place of their root mean square.

m ← β1 m + (1-β1) g, u ← max(β2 u, |g| + ε), w ← w - γ / (1-β1ᵗ) · m / u. Kingma and Ba, "Adam: a
method for stochastic optimization", 2014, section 7.
"""

from __future__ import annotations

from typing import Any

from isograd.optim.arithmetic import Arithmetic
from isograd.optim.optimizer import (
    Group,
    Optimizer,
    Params,
    State,
    check_betas,
    check_lr,
    check_not_negative,
    count,
    number,
    numbers,
    scalar_state,
    zeros_like,
)
from isograd.tensor.core import Tensor

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adamax.

    Args:
        params: parameters or groups of them.
        lr: learning rate γ.
        betas: (β1, β2).
        eps: ε, keeps the denominator from zero.
        weight_decay: adds ``weight_decay * w`` to the gradient.
        maximize: ascend instead.
        foreach: a hint without effect.
    """

    array_states = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_betas(betas)
        check_not_negative(epsilon=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: Group) -> State:
        return {"step": scalar_state(), "exp_avg": zeros_like(p), "exp_inf": zeros_like(p)}

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        step = count(state)
        beta1, beta2 = group["betas"]
        lr = number(group["lr"]) / (1 - beta1**step)
        return numbers(beta1=beta1, beta2=beta2, lr=lr, eps=group["eps"])

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, size = do.xp, do.scratch[2]
        m, u = states["exp_avg"], states["exp_inf"]
        do.lerp(m, g, 1 - c.beta1)
        xp.multiply(u, c.beta2, out=u)
        xp.add(xp.absolute(g, out=size), c.eps, out=size)
        xp.maximum(u, size, out=u)
        do.addcdiv(w, m, u, -c.lr)
