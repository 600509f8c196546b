"""Reverse-mode differentiation: torch.autograd's names."""

from __future__ import annotations

from isograd.autograd.backward import backward as backward
from isograd.autograd.backward import grad as grad
from isograd.autograd.modes import enable_grad as enable_grad
from isograd.autograd.modes import inference_mode as inference_mode
from isograd.autograd.modes import no_grad as no_grad
from isograd.autograd.modes import set_grad_enabled as set_grad_enabled

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]
