"""Hooks on the tensors that the graph saves: pack them away, bring them back for the backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isograd.autograd.recorder import state
from isograd.tensor.core import Tensor

__all__ = ["save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Inside, ``pack_hook(tensor)`` is kept in a saved tensor's place, ``unpack_hook`` undoes it.

    Leaves that require a gradient are not packed: the graph holds them in any case.
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self._hooks = (pack_hook, unpack_hook)

    def __enter__(self) -> None:
        state.hook_stack.append(self._hooks)
        state.saved_hooks = self._hooks

    def __exit__(self, *exc: object) -> None:
        state.hook_stack.pop()
        state.saved_hooks = state.hook_stack[-1] if state.hook_stack else None


class save_on_cpu(saved_tensors_hooks):
    """Inside, saved tensors wait for the backward pass in the host's memory."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Tensor) -> tuple[Any, Tensor]:
            host = tensor.cpu()
            return tensor.device, host.pin_memory() if pin_memory else host

        def unpack(packed: tuple[Any, Tensor]) -> Tensor:
            home, tensor = packed
            return tensor.to(home)

        super().__init__(pack, unpack)
