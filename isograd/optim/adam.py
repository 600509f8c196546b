"""Adam: steps scaled by running means of the gradient and of its square.

m ← β1 m + (1-β1) g, v ← β2 v + (1-β2) g², and with both corrected for their start at zero,
m̂ = m / (1-β1ᵗ), v̂ = v / (1-β2ᵗ): w ← w - γ m̂ / (√v̂ + ε). AMSGrad uses the largest v so far.
Kingma and Ba, "Adam: a method for stochastic optimization", 2014; Reddi et al., "On the convergence
of Adam and beyond", 2018.
"""

from __future__ import annotations

from typing import Any

from isograd.optim.arithmetic import Arithmetic
from isograd.optim.kernels import DeviceRule
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

__all__ = ["Adam"]

_BODY = """
w *= shrink;
g = sign * g + l2 * w;
exp_avg += (1 - beta1) * (g - exp_avg);
exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g * g;
"""
_STEP = "w -= step_size * exp_avg / (sqrt({v}) / root_correction2 + eps);"
_MAX = "max_exp_avg_sq = max_exp_avg_sq > exp_avg_sq ? max_exp_avg_sq : exp_avg_sq;\n"
_NUMBERS = (
    "sign", "l2", "shrink", "beta1", "beta2", "step_size", "root_correction2", "eps",
)  # fmt: skip
_RULE = DeviceRule(
    "isograd_adam", _NUMBERS, ("exp_avg", "exp_avg_sq"), _BODY + _STEP.format(v="exp_avg_sq")
)
_AMSGRAD_RULE = DeviceRule(
    "isograd_amsgrad",
    _NUMBERS,
    ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    _BODY + _MAX + _STEP.format(v="max_exp_avg_sq"),
)


class Adam(Optimizer):
    """Adam.

    Args:
        params: parameters or groups of them.
        lr: learning rate γ.
        betas: (β1, β2), how much of the running means is kept each step.
        eps: ε, keeps the denominator from zero.
        weight_decay: adds ``weight_decay * w`` to the gradient, or with
            ``decoupled_weight_decay`` shrinks w by ``lr * weight_decay`` instead (AdamW).
        amsgrad: divide by the largest v so far.
        maximize: ascend instead.
        foreach, fused: hints without effect.
    """

    array_states = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    device_rules = (_RULE, _AMSGRAD_RULE)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr)
        check_betas(betas)
        check_not_negative(epsilon=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: Group) -> State:
        state = {"step": scalar_state(), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(p)
        return state

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        step = count(state)
        beta1, beta2 = number(group["betas"][0]), number(group["betas"][1])
        return numbers(
            beta1=beta1,
            beta2=beta2,
            step_size=number(group["lr"]) / (1 - beta1**step),
            root_correction2=(1 - beta2**step) ** 0.5,
            eps=group["eps"],
        )

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, denominator = do.xp, do.scratch[2]
        m, v = states["exp_avg"], states["exp_avg_sq"]
        do.lerp(m, g, 1 - c.beta1)
        do.decay_and_add_square(v, g, c.beta2)
        if "max_exp_avg_sq" in states:
            v = xp.maximum(states["max_exp_avg_sq"], v, out=states["max_exp_avg_sq"])
        xp.sqrt(v, out=denominator)
        xp.divide(denominator, c.root_correction2, out=denominator)
        xp.add(denominator, c.eps, out=denominator)
        do.addcdiv(w, m, denominator, -c.step_size)
