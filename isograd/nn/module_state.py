"""A module's state as a dictionary of tensors: ``state_dict`` and ``load_state_dict``."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from isograd.autograd.modes import no_grad
from isograd.nn.module_hooks import Hooks, RemovableHandle
from isograd.nn.parameter import Parameter
from isograd.tensor.core import Tensor

__all__ = ["IncompatibleKeys", "StatefulModule"]

_EXTRA = "_extra_state"


class IncompatibleKeys(namedtuple("_IncompatibleKeys", ("missing_keys", "unexpected_keys"))):
    """What `load_state_dict` could not match."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__().replace("IncompatibleKeys", "_IncompatibleKeys", 1)

    __str__ = __repr__


class StatefulModule:
    """The part of Module that saves and loads its tensors."""

    _version: int = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: Hooks
    _state_dict_pre_hooks: Hooks
    _load_state_dict_pre_hooks: Hooks
    _load_state_dict_post_hooks: Hooks

    # -- hooks

    @staticmethod
    def _keep(table: Hooks, hook: Any) -> RemovableHandle:
        handle = RemovableHandle(table)
        table[handle.id] = hook
        return handle

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after ``state_dict()``."""
        return self._keep(self._state_dict_hooks, (hook, False))

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As the public form, but what the hook returns replaces the dictionary."""
        return self._keep(self._state_dict_hooks, (hook, True))

    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict()``."""
        return self._keep(self._state_dict_pre_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` before the module takes its tensors.
        """
        return self._keep(self._load_state_dict_pre_hooks, (hook, True))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., None], with_module: bool = False
    ) -> RemovableHandle:
        return self._keep(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after the module took its tensors."""
        return self._keep(self._load_state_dict_post_hooks, hook)

    # -- saving

    def get_extra_state(self) -> Any:
        """Further state to save; override together with `set_extra_state`."""
        raise RuntimeError("get_extra_state is not overridden: this module has no extra state")

    def set_extra_state(self, state: Any) -> None:
        """Take over what `get_extra_state` gave."""
        raise RuntimeError("set_extra_state is not overridden: this module has no extra state")

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not StatefulModule.get_extra_state

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by name; they share the module's memory.

        Args:
            destination: a dictionary to write into.
            prefix: put before every name.
            keep_vars: give the parameters themselves, not detached.
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local: dict[str, Any] = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook, replaces in list(self._state_dict_hooks.values()):
            result = hook(self, destination, prefix, local)
            if replaces and result is not None:
                destination = result
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Write this module's own tensors, not its children's."""
        for name, value in self._own_state().items():
            if value is not None:
                destination[prefix + name] = value if keep_vars else value.detach()
        if self._has_extra_state():
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor | None]:
        skipped = self._non_persistent_buffers_set
        kept = {k: v for k, v in self._buffers.items() if k not in skipped}
        return {**self._parameters, **kept}

    # -- loading

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the tensors of a dictionary into parameters and buffers of the same names.

        Args:
            strict: the names must be exactly those of ``self.state_dict()``.
            assign: take the tensors themselves instead of copying their values.

        Returns:
            The missing and the unexpected names.

        Raises:
            RuntimeError: with every name and shape that does not fit.
            TypeError: if ``state_dict`` is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        state = OrderedDict(state_dict)

        def load(module: Any, local_state: dict[str, Any], prefix: str) -> None:
            local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
            if assign:
                local["assign_to_params_buffers"] = assign
            module._load_from_state_dict(
                local_state, prefix, local, True, missing, unexpected, errors
            )
            for name, child in module._modules.items():
                if child is not None:
                    start = f"{prefix}{name}."
                    load(
                        child, {k: v for k, v in local_state.items() if k.startswith(start)}, start
                    )
            keys = IncompatibleKeys(missing, unexpected)
            for hook in list(module._load_state_dict_post_hooks.values()):
                if hook(module, keys) is not None:
                    raise TypeError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                        "expected to return new values, if incompatible_keys need to be modified, "
                        "it should be done inplace."
                    )

        load(self, state, "")
        if strict:
            errors[:0] = _key_errors(missing, unexpected)
        if errors:
            listed = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listed}"
            )
        return IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own tensors, not its children's; fill the three lists."""
        arguments = (
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )  # fmt: skip
        for hook, with_module in list(self._load_state_dict_pre_hooks.values()):
            hook(self, *arguments) if with_module else hook(*arguments)
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = self._own_state()
        for name, value in own.items():
            key = prefix + name
            if value is None:
                continue
            if key not in state_dict:
                missing_keys.append(key)
                continue
            error = _load_one(self, name, key, value, state_dict[key], assign)
            if error:
                error_msgs.append(error)
        expected = {name for name, value in own.items() if value is not None}
        if self._has_extra_state():
            expected.add(_EXTRA)
            if prefix + _EXTRA in state_dict:
                self.set_extra_state(state_dict[prefix + _EXTRA])
            else:
                missing_keys.append(prefix + _EXTRA)
        if strict:
            unexpected_keys.extend(
                key for key in state_dict
                if key.startswith(prefix) and not self._knows(key[len(prefix) :], expected)
            )  # fmt: skip

    def _knows(self, name: str, expected: set[str]) -> bool:
        head, dot, _ = name.partition(".")
        return head in self._modules if dot else name in expected


def _key_errors(missing: list[str], unexpected: list[str]) -> list[str]:
    lines = []
    for kind, keys in (("Missing", missing), ("Unexpected", unexpected)):
        if keys:
            quoted = ", ".join(f'"{k}"' for k in keys)
            lines.append(f"{kind} key(s) in state_dict: {quoted}. ")
    return lines


def _load_one(
    module: Any, name: str, key: str, target: Tensor, source: Any, assign: bool
) -> str | None:
    """Copy or assign one tensor; returns what is wrong, if something is."""
    if not isinstance(source, Tensor):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(source)}"
        )
    if target.ndim == 0 and tuple(source.shape) == (1,):
        source = source[0]  # as old versions of torch saved scalars
    if source.shape != target.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {source.shape} from checkpoint, "
            f"the shape in current model is {target.shape}."
        )
    try:
        with no_grad():
            if not assign:
                target.copy_(source)
            elif isinstance(target, Parameter) and not isinstance(source, Parameter):
                setattr(module, name, Parameter(source, requires_grad=target.requires_grad))
            else:
                setattr(module, name, source)
    except Exception as error:
        return (
            f'While copying the parameter named "{key}", whose dimensions in the model are '
            f"{target.shape} and whose dimensions in the checkpoint are {source.shape}, an "
            f"exception occurred : {error.args}."
        )
    return None
