"""Hooks of modules: called before and after forward, and when gradients pass through.

A full backward hook sees the gradients of a module's inputs and outputs as a whole. For that the
inputs and outputs go through an identity whose backward reports the gradients that reach it.
"""

from __future__ import annotations

import itertools
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from isograd.autograd.function import Function
from isograd.tensor.core import Tensor
from isograd.tensor.inplace import recording

__all__ = ["HookedModule", "RemovableHandle", "around_calls"]

# At most one: ``(module, call, args, kwargs) -> call(args, kwargs)`` stands around every call.
around_calls: list[Callable[..., Any]] = []

_next_id = itertools.count().__next__

Hooks = OrderedDict[int, Any]


class RemovableHandle:
    """Takes a hook away again: ``remove()``, or leaving a ``with`` block.

    Args:
        hooks: the dictionary the hook goes into, under `id`.
        extra_dict: further dictionaries with entries under the same id.
    """

    def __init__(self, hooks: Any, *, extra_dict: Any = None) -> None:
        self.id = _next_id()
        extras = extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self._tables = [hooks, *(d for d in extras if d is not None)]

    def remove(self) -> None:
        """Forget the hook; a second call does nothing."""
        for table in self._tables:
            table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def hook_tables() -> dict[str, Hooks]:
    """Empty tables for all kinds of hooks, by attribute name."""
    return {name: OrderedDict() for name in _TABLES}


_TABLES = (
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks",
    "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_backward_pre_hooks",
    "_backward_hooks", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


class HookedModule:
    """The part of Module that registers hooks and calls them."""

    forward: Callable[..., Any]
    _forward_pre_hooks: Hooks
    _forward_pre_hooks_with_kwargs: Hooks
    _forward_hooks: Hooks
    _forward_hooks_with_kwargs: Hooks
    _forward_hooks_always_called: Hooks
    _backward_pre_hooks: Hooks
    _backward_hooks: Hooks

    def _add(self, table: str, hook: Any, prepend: bool, **flags: bool) -> RemovableHandle:
        hooks = getattr(self, table)
        flagged = {name: getattr(self, table + "_" + name) for name in flags}
        handle = RemovableHandle(hooks, extra_dict=list(flagged.values()))
        hooks[handle.id] = hook
        for name, wanted in flags.items():
            if wanted:
                flagged[name][handle.id] = True
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; what it returns replaces the arguments.

        Args:
            prepend: call it before the hooks there are.
            with_kwargs: call ``hook(module, args, kwargs)``, which returns None or both.
        """
        return self._add("_forward_pre_hooks", hook, prepend, with_kwargs=with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward; what it returns replaces the output.

        Args:
            prepend: call it before the hooks there are.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: call it also if forward raised.
        """
        return self._add(
            "_forward_hooks", hook, prepend, with_kwargs=with_kwargs, always_called=always_call
        )

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the inputs' gradients are there.

        Both are tuples with None where there is no gradient; what the hook returns replaces
        ``grad_input``.
        """
        return self._add("_backward_hooks", hook, prepend)

    register_backward_hook = register_full_backward_hook

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before gradients enter; its result replaces them."""
        return self._add("_backward_pre_hooks", hook, prepend)

    # -- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if around_calls:
            return around_calls[0](self, self._called, args, kwargs)
        return self._called(args, kwargs)

    def _called(self, args: Any, kwargs: Any) -> Any:
        if not (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
        ):
            return self.forward(*args, **kwargs)
        called: set[int] = set()
        try:
            return self._call_hooked(args, kwargs, called)
        except Exception:
            self._call_remaining(args, kwargs, called)
            raise

    def _call_hooked(self, args: Any, kwargs: Any, called: set[int]) -> Any:
        for key, hook in list(self._forward_pre_hooks.items()):
            args, kwargs = self._call_pre_hook(key, hook, args, kwargs)
        gate = None
        if self._backward_hooks or self._backward_pre_hooks:
            gate = _Gate(self)
            args = gate.inputs(args)
        result = self.forward(*args, **kwargs)
        for key, hook in list(self._forward_hooks.items()):
            called.add(key)
            changed = self._call_forward_hook(key, hook, args, kwargs, result)
            result = result if changed is None else changed
        return result if gate is None else gate.outputs(result)

    def _call_pre_hook(self, key: int, hook: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if key not in self._forward_pre_hooks_with_kwargs:
            changed = hook(self, args)
            if changed is None:
                return args, kwargs
            return (changed if isinstance(changed, tuple) else (changed,)), kwargs
        changed = hook(self, args, kwargs)
        if changed is None:
            return args, kwargs
        if not isinstance(changed, tuple) or len(changed) != 2:
            raise RuntimeError(
                "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                f"{changed}."
            )
        return changed

    def _call_forward_hook(self, key: int, hook: Any, args: Any, kwargs: Any, result: Any) -> Any:
        if key in self._forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _call_remaining(self, args: Any, kwargs: Any, called: set[int]) -> None:
        """After an exception: the ``always_call`` hooks that have not been called yet."""
        for key in [k for k in self._forward_hooks_always_called if k not in called]:
            try:
                self._call_forward_hook(key, self._forward_hooks[key], args, kwargs, None)
            except Exception as error:
                warnings.warn(
                    f"module forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                    stacklevel=3,
                )


class _Identity(Function):
    """Passes tensors on and reports the gradients that come back."""

    @staticmethod
    def forward(ctx: Any, report: Any, *tensors: Tensor) -> Any:
        ctx.report = report
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *ctx.report(grads))


class _Gate:
    """One call of a module with backward hooks: collects its gradients and calls the hooks."""

    def __init__(self, module: HookedModule) -> None:
        self.module = module
        self.hooks = list(module._backward_hooks.values())
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.grad_outputs: tuple[Any, ...] | None = None
        self.watches_inputs = False
        self.input_count = 0

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_count = len(args)
        tracked = [i for i, a in enumerate(args) if isinstance(a, Tensor) and recording(a)]
        if not self.hooks or not tracked:
            return args
        self.watches_inputs = True

        def report(grads: tuple[Any, ...]) -> tuple[Any, ...]:
            whole: list[Any] = [None] * len(args)
            for i, g in zip(tracked, grads, strict=True):
                whole[i] = g
            if self.grad_outputs is None:  # the backward did not pass through the outputs
                return grads
            changed = self._call_hooks(tuple(whole))
            self.grad_outputs = None
            return tuple(changed[i] for i in tracked)

        return self._through(args, tracked, report)

    def outputs(self, result: Any) -> Any:
        single = isinstance(result, Tensor)
        if not single and not isinstance(result, (tuple, list)):
            return result
        values = (result,) if single else tuple(result)
        tracked = [i for i, v in enumerate(values) if isinstance(v, Tensor) and recording(v)]
        if not tracked:
            return result

        def report(grads: tuple[Any, ...]) -> tuple[Any, ...]:
            whole: list[Any] = [None] * len(values)
            for i, g in zip(tracked, grads, strict=True):
                whole[i] = g
            changed = self._call_pre_hooks(tuple(whole))
            self.grad_outputs = changed
            if self.hooks and not self.watches_inputs:
                self._call_hooks((None,) * self.input_count)
            return tuple(changed[i] for i in tracked)

        values = self._through(values, tracked, report)
        if single:
            return values[0]
        make = getattr(type(result), "_make", type(result))
        return make(values)

    @staticmethod
    def _through(values: tuple[Any, ...], tracked: list[int], report: Any) -> tuple[Any, ...]:
        passed = _Identity.apply(report, *(values[i] for i in tracked))
        out = list(values)
        for i, value in zip(tracked, passed, strict=True):
            out[i] = value
        return tuple(out)

    def _call_pre_hooks(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.pre_hooks:
            grads = _replaced(hook(self.module, grads), grads, "Backward pre hook", "grad_output")
        return grads

    def _call_hooks(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            new = hook(self.module, grads, self.grad_outputs)
            grads = _replaced(new, grads, "Backward hook", "grad_input")
        return grads


def _replaced(new: Any, old: tuple[Any, ...], what: str, name: str) -> tuple[Any, ...]:
    if new is None:
        return old
    listed = new if isinstance(new, tuple) else (new,)
    if len(listed) != len(old):
        raise RuntimeError(
            f"{what} returned an invalid number of {name}, got {len(listed)}, but expected "
            f"{len(old)}"
        )
    return listed
