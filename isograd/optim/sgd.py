"""Stochastic gradient descent with momentum.

With gradient g, momentum μ, dampening τ and rate γ: b ← μ b + (1 - τ) g (b = g at first), then w
← w - γ b, or with Nesterov's momentum w ← w - γ (g + μ b). Sutskever et al., "On the importance
of initialization and momentum in deep learning", 2013, where γ stands inside b instead.
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
    check_lr,
    check_not_negative,
    number,
    numbers,
    require,
    zeros_like,
)
from isograd.tensor.core import Tensor

__all__ = ["SGD"]

_BODY = """
g = sign * g + l2 * w;
if (momentum != 0) {
    momentum_buffer = first != 0 ? g : momentum * momentum_buffer + (1 - dampening) * g;
    g = nesterov != 0 ? g + momentum * momentum_buffer : momentum_buffer;
}
w -= lr * g;
"""
_PLAIN = "w -= lr * (sign * g + l2 * w);"

_MOMENTUM_RULE = DeviceRule(
    "isograd_sgd_momentum",
    ("lr", "sign", "l2", "momentum", "dampening", "nesterov", "first"),
    ("momentum_buffer",),
    _BODY,
)
_PLAIN_RULE = DeviceRule("isograd_sgd", ("lr", "sign", "l2"), (), _PLAIN)


class SGD(Optimizer):
    """Stochastic gradient descent.

    Args:
        params: parameters or groups of them.
        lr: learning rate γ.
        momentum: μ, how much of the last direction is kept.
        dampening: τ, how much of the gradient is left out of the momentum.
        weight_decay: adds ``weight_decay * w`` to the gradient.
        nesterov: look ahead along the momentum.
        maximize: ascend instead.
        foreach, fused: hints without effect.
    """

    array_states = ("momentum_buffer",)
    device_rules = (_MOMENTUM_RULE, _PLAIN_RULE)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(momentum=momentum, weight_decay=weight_decay)
        require(
            not nesterov or (momentum > 0 and dampening == 0),
            "Nesterov momentum requires a momentum and zero dampening",
        )
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        momentum = group["momentum"]
        first = momentum != 0 and state.get("momentum_buffer") is None
        if first:
            state["momentum_buffer"] = zeros_like(p)
        return numbers(
            lr=number(group["lr"]),
            momentum=momentum,
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            first=first,
        )

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        if c.momentum != 0:
            b = states["momentum_buffer"]
            if c.first:
                b[...] = g
            else:
                do.xp.multiply(b, c.momentum, out=b)
                do.axpy(b, g, 1 - c.dampening)
            if c.nesterov:
                ahead = do.scratch[2]
                ahead[...] = g
                do.axpy(ahead, b, c.momentum)
                g = ahead
            else:
                g = b
        do.axpy(w, g, -c.lr)
