"""Rprop: steps whose size follows the sign of the gradient alone, for full batches.

Where the gradient kept its sign the step δ grows by η+, where it turned δ shrinks by η- and the
element waits one step; w ← w - δ sign(g). Riedmiller and Braun, "A direct adaptive method for
faster backpropagation learning: the RPROP algorithm", 1993.
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
    count,
    number,
    numbers,
    require,
    scalar_state,
    zeros_like,
)
from isograd.tensor.core import Tensor

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Resilient backpropagation.

    Args:
        params: parameters or groups of them.
        lr: the first step size.
        etas: (η-, η+).
        step_sizes: (smallest, largest) step size.
        maximize: ascend instead.
        foreach: a hint without effect.
    """

    array_states = ("prev", "step_size")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        require(0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: Group) -> State:
        size, lr = zeros_like(p), number(group["lr"])
        size._array.fill(complex(lr, lr) if p.is_complex() else lr)
        return {"step": scalar_state(), "prev": zeros_like(p), "step_size": size}

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        count(state)
        return numbers(etas=group["etas"], step_sizes=group["step_sizes"])

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        xp, factor, kept = do.xp, do.scratch[2], do.scratch[3]
        prev, size = states["prev"], states["step_size"]
        xp.multiply(g, prev, out=factor)
        turned = factor < 0
        grew = factor > 0
        factor.fill(1)
        factor[grew] = c.etas[1]
        factor[turned] = c.etas[0]
        xp.multiply(size, factor, out=size)
        xp.clip(size, c.step_sizes[0], c.step_sizes[1], out=size)
        kept[...] = g
        kept[turned] = 0
        prev[...] = kept
        xp.multiply(xp.sign(kept, out=kept), size, out=kept)
        xp.subtract(w, kept, out=w)
