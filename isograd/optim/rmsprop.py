"""RMSprop: steps scaled by a running mean of the squared gradient.

v ← α v + (1-α) g², w ← w - γ g / (√v + ε). Centered: the variance v - m², with m the running mean
of g, in place of v. With momentum: b ← μ b + g / (√v + ε), w ← w - γ b. Tieleman and Hinton,
Coursera lecture 6.5, 2012; Graves, "Generating sequences with recurrent neural networks", 2013
(centered).
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

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop.

    Args:
        params: parameters or groups of them.
        lr: learning rate γ.
        alpha: α, how much of the running means is kept each step.
        eps: ε, keeps the denominator from zero.
        weight_decay: adds ``weight_decay * w`` to the gradient.
        momentum: μ.
        centered: divide by the standard deviation about the running mean.
        maximize: ascend instead.
        foreach: a hint without effect.
    """

    array_states = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: Group) -> State:
        state = {"step": scalar_state(), "square_avg": zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = zeros_like(p)
        return state

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        count(state)
        return numbers(
            lr=number(group["lr"]),
            alpha=group["alpha"],
            eps=group["eps"],
            momentum=group["momentum"],
            centered=group["centered"],
        )

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, root = do.xp, do.scratch[2]
        v = states["square_avg"]
        do.decay_and_add_square(v, g, c.alpha)
        root[...] = v
        if c.centered:
            m = states["grad_avg"]
            do.lerp(m, g, 1 - c.alpha)
            do.addcmul(root, m, m, -1)
        xp.sqrt(root, out=root)
        xp.add(root, c.eps, out=root)
        if c.momentum > 0:
            b = states["momentum_buffer"]
            xp.multiply(b, c.momentum, out=b)
            do.addcdiv(b, g, root, 1)
            do.axpy(w, b, -c.lr)
        else:
            do.addcdiv(w, g, root, -c.lr)
