"""``torch.autograd.graph``: what happens to tensors that the graph saves."""

from __future__ import annotations

from isograd.autograd.saved_tensors import save_on_cpu as save_on_cpu
from isograd.autograd.saved_tensors import saved_tensors_hooks as saved_tensors_hooks

__all__ = ["save_on_cpu", "saved_tensors_hooks"]
