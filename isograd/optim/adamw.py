"""AdamW: Adam whose weight decay does not pass through the running means.

w ← (1 - γ λ) w, then Adam's step on the bare gradient. Loshchilov and Hutter, "Decoupled weight
decay regularization", 2017.
"""

from __future__ import annotations

from isograd.optim.adam import Adam
from isograd.optim.optimizer import Params
from isograd.tensor.core import Tensor

__all__ = ["AdamW"]


class AdamW(Adam):
    """AdamW. The arguments are `Adam`'s; ``weight_decay`` is λ."""

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=True,
        )  # fmt: skip
