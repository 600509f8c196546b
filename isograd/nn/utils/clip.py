"""Bound the gradients of a model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from isograd.autograd.modes import no_grad
from isograd.tensor.core import Tensor
from isograd.tensor.creation import tensor
from isograd.tensor.primitives.shape import stack

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _norm(x: Tensor, p: float) -> Tensor:
    if math.isinf(p):
        return x.abs().max()
    if p == 2:
        flat = x.reshape(-1)
        return flat.dot(flat).sqrt()
    if p == 1:
        return x.abs().sum()
    return (x.abs() ** p).sum() ** (1 / p)


def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors taken as one vector.

    Args:
        norm_type: which norm; ``inf`` is the largest magnitude.
        foreach: has no meaning here.

    Raises:
        RuntimeError: if the norm is not finite and ``error_if_nonfinite``.
    """
    listed = _listed(tensors)
    p = float(norm_type)
    if not listed:
        return tensor(0.0)
    with no_grad():
        where = listed[0].device
        norms = [_norm(t.detach(), p).to(where) for t in listed]
        total = _norm(stack(norms), p)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(
            f"The total norm of order {p} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite "
            "norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients by ``max_norm / total_norm`` if that is below 1."""
    with no_grad():
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for p in _listed(parameters):
            if p.grad is not None:
                p.grad.mul_(factor.to(p.grad.device, p.grad.dtype))


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients, in place, so that their common norm is at most ``max_norm``.

    Returns:
        The norm they had.
    """
    listed = _listed(parameters)
    grads = [p.grad for p in listed if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(listed, max_norm, total, foreach)
    return total


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Cut every element of the gradients off at ``-clip_value`` and ``clip_value``, in place."""
    bound: Any = float(clip_value)
    with no_grad():
        for p in _listed(parameters):
            if p.grad is not None:
                p.grad.clamp_(min=-bound, max=bound)
