"""NAdam: Adam with Nesterov's momentum.

Adam's m and v, a momentum that warms up, μₜ = β1 (1 - 0.96^(tψ) / 2), and its running product Πₜ:
w ← w - γ [(1-μₜ) g / (1-Πₜ) + μₜ₊₁ m / (1-Πₜ₊₁)] / (√v̂ + ε). Dozat, "Incorporating Nesterov
momentum into Adam", 2016.
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

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """NAdam.

    Args:
        params: parameters or groups of them.
        lr: learning rate γ.
        betas: (β1, β2).
        eps: ε, keeps the denominator from zero.
        weight_decay: adds ``weight_decay * w`` to the gradient, or with
            ``decoupled_weight_decay`` shrinks w by ``lr * weight_decay`` instead.
        momentum_decay: ψ.
        maximize: ascend instead.
        foreach: a hint without effect.
    """

    array_states = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_betas(betas)
        check_not_negative(epsilon=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: Group) -> State:
        return {
            "step": scalar_state(),
            "mu_product": scalar_state(1.0),
            "exp_avg": zeros_like(p),
            "exp_avg_sq": zeros_like(p),
        }

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        t = count(state)
        beta1, beta2 = group["betas"]
        lr, decay = number(group["lr"]), group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * (0.96 ** (t * decay)))
        mu_next = beta1 * (1.0 - 0.5 * (0.96 ** ((t + 1) * decay)))
        state["mu_product"]._array[...] *= mu
        product = float(state["mu_product"]._array)
        return numbers(
            beta1=beta1,
            beta2=beta2,
            correction2=1 - beta2**t,
            eps=group["eps"],
            gradient_size=-lr * (1.0 - mu) / (1.0 - product),
            mean_size=-lr * mu_next / (1.0 - product * mu_next),
        )

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, denominator = do.xp, do.scratch[2]
        m, v = states["exp_avg"], states["exp_avg_sq"]
        do.lerp(m, g, 1 - c.beta1)
        do.decay_and_add_square(v, g, c.beta2)
        xp.divide(v, c.correction2, out=denominator)
        xp.sqrt(denominator, out=denominator)
        xp.add(denominator, c.eps, out=denominator)
        do.addcdiv(w, g, denominator, c.gradient_size)
        do.addcdiv(w, m, denominator, c.mean_size)
