"""RAdam: Adam that takes plain momentum steps until its variance estimate can be trusted.

With ρ∞ = 2/(1-β2) - 1 and ρₜ = ρ∞ - 2 t β2ᵗ/(1-β2ᵗ): if ρₜ > 5, w ← w - γ m̂ rₜ √(1-β2ᵗ) / (√v +
ε) where rₜ = √[(ρₜ-4)(ρₜ-2)ρ∞ / ((ρ∞-4)(ρ∞-2)ρₜ)]; else w ← w - γ m̂. Liu et al., "On the
variance of the adaptive learning rate and beyond", 2019.
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

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """RAdam.

    Args:
        params: parameters or groups of them.
        lr: learning rate γ.
        betas: (β1, β2).
        eps: ε, keeps the denominator from zero.
        weight_decay: adds ``weight_decay * w`` to the gradient, or with
            ``decoupled_weight_decay`` shrinks w by ``lr * weight_decay`` instead.
        maximize: ascend instead.
        foreach: a hint without effect.
    """

    array_states = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_betas(betas)
        check_not_negative(epsilon=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: Group) -> State:
        return {"step": scalar_state(), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        t = count(state)
        beta1, beta2 = group["betas"]
        return numbers(
            beta1=beta1,
            beta2=beta2,
            correction1=1 - beta1**t,
            root_correction2=(1 - beta2**t) ** 0.5,
            rectification=_rectification(t, beta2),
            lr=number(group["lr"]),
            eps=group["eps"],
        )

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, step, denominator = do.xp, do.scratch[2], do.scratch[3]
        m, v = states["exp_avg"], states["exp_avg_sq"]
        do.lerp(m, g, 1 - c.beta1)
        do.decay_and_add_square(v, g, c.beta2)
        xp.divide(m, c.correction1, out=step)
        xp.multiply(step, c.lr, out=step)
        if c.rectification is not None:
            xp.sqrt(v, out=denominator)
            xp.add(denominator, c.eps, out=denominator)
            adaptive = xp.divide(c.root_correction2, denominator, out=denominator)
            xp.multiply(step, adaptive, out=step)
            xp.multiply(step, c.rectification, out=step)
        xp.subtract(w, step, out=w)


def _rectification(t: float, beta2: float) -> float | None:
    """rₜ, or None while the variance estimate is not to be used."""
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho <= 5:
        return None
    ratio = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
    return float(ratio**0.5)
