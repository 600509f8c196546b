"""Reverse-mode differentiation: torch.autograd's names."""

from __future__ import annotations

from isograd.autograd import functional as functional
from isograd.autograd import graph as graph
from isograd.autograd.anomaly import detect_anomaly as detect_anomaly
from isograd.autograd.anomaly import is_anomaly_enabled as is_anomaly_enabled
from isograd.autograd.anomaly import set_detect_anomaly as set_detect_anomaly
from isograd.autograd.backward import backward as backward
from isograd.autograd.backward import grad as grad
from isograd.autograd.engine import queue_callback as queue_callback
from isograd.autograd.function import Function as Function
from isograd.autograd.function import once_differentiable as once_differentiable
from isograd.autograd.gradcheck import GradcheckError as GradcheckError
from isograd.autograd.gradcheck import gradcheck as gradcheck
from isograd.autograd.gradcheck import gradgradcheck as gradgradcheck
from isograd.autograd.modes import enable_grad as enable_grad
from isograd.autograd.modes import inference_mode as inference_mode
from isograd.autograd.modes import no_grad as no_grad
from isograd.autograd.modes import set_grad_enabled as set_grad_enabled
from isograd.autograd.variable import Variable as Variable

__all__ = [
    "Function", "GradcheckError", "Variable", "backward", "detect_anomaly", "enable_grad",
    "functional", "grad", "gradcheck", "gradgradcheck", "graph", "inference_mode",
    "is_anomaly_enabled", "no_grad", "once_differentiable", "queue_callback", "set_detect_anomaly",
    "set_grad_enabled",
]  # fmt: skip
