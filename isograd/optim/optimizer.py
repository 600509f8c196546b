"""The base of all optimizers: groups of parameters, their state, and the loop over them.

An optimizer of one rule per element gives three short methods: what state a parameter starts with
(`init_state`), which numbers this step uses (`coefficients`), and the rule itself (`apply`), which
reads as the paper's formula. The loop over parameters, blocks and devices is here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import wraps
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from isograd.autograd.backward import clear_grad
from isograd.autograd.modes import enable_grad, no_grad
from isograd.autograd.node import _Handle
from isograd.optim.arithmetic import Arithmetic, Workspace, for_blocks
from isograd.optim.groups import check_group, check_params, named_params
from isograd.optim.kernels import DeviceRule, launch
from isograd.optim.state import load_state, pack_state
from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.dtypes import float32, float64, get_default_dtype
from isograd.tensor.spread import SpreadArray

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

Params = Iterable[Any]
Group = dict[str, Any]
State = dict[str, Any]

_global_pre_hooks: list[Any] = []
_global_post_hooks: list[Any] = []


class Optimizer:
    """Base class of the optimizers.

    Args:
        params: tensors, ``(name, tensor)`` pairs, or dicts with ``"params"`` and options of their
            own.
        defaults: the options of groups that do not set them. ``foreach`` and ``fused`` are hints
            without effect: every step is already one fused pass per parameter. ``differentiable``
            and ``capturable`` are not supported.
    """

    array_states: ClassVar[tuple[str, ...]] = ()  # state with one value per parameter element
    _opt_called: bool  # set where a learning rate scheduler watches the order of calls
    device_rules: ClassVar[tuple[DeviceRule, ...]] = ()  # the one with the states at hand is run

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: dict[Any, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._set_up()
        for group in check_params(params):
            self.add_param_group(group)

    def _set_up(self) -> None:
        self._workspace = Workspace()
        self._stepping = False
        self._step_pre_hooks: list[Any] = []
        self._step_post_hooks: list[Any] = []
        self._state_dict_hooks: dict[str, list[Any]] = defaultdict(list)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])  # type: ignore[method-assign]

    # -- the rule, given by a subclass

    def init_state(self, p: Tensor, group: Group) -> State:
        """State of a parameter before its first step, by torch's names."""
        return {}

    def coefficients(self, p: Tensor, state: State, group: Group) -> Any:
        """The numbers of this step for this parameter; counts the step."""
        raise NotImplementedError(f"{type(self).__name__} defines neither step nor coefficients")

    def apply(self, do: Arithmetic, w: Any, g: Any, states: dict[str, Any], c: Any) -> None:
        """Update the parameter ``w`` and its states in place from the gradient ``g``.

        All are arrays of one flat block; ``c`` is what `coefficients` gave.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither step nor apply")

    # -- the loop

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew, gradients included; called once, before the update.

        Returns:
            What ``closure`` returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    grad = p.grad
                    if grad is not None:
                        self._update(p, grad, group)
        return loss

    def _update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        state = self.state.get(p)
        if not state:
            state = self.init_state(p, group)
        c = self.coefficients(p, state, group)
        if state:
            self.state[p] = state
        self._set_common(c, group)
        names = [name for name in self.array_states if state.get(name) is not None]
        w, g = p._array, grad._array
        arrays = [state[name]._array for name in names]
        if w.__class__ is np.ndarray or not isinstance(w, SpreadArray):
            self._update_array(names, c, w, g, arrays)
        else:
            for part in w.beside([g, *self._alike(w, names, state)]):
                self._update_array(names, c, part[0], part[1], part[2:])
        p._bump()

    def _update_array(self, names: list[str], c: Any, w: Any, g: Any, arrays: list[Any]) -> None:
        xp = backend_of(w).xp
        if xp is np or not self._on_device(w, g, names, arrays, c):
            for_blocks(self._rule(names, c), xp, w, g, arrays, self._workspace)

    def _alike(self, w: SpreadArray, names: list[str], state: State) -> list[Any]:
        """The state's arrays in pieces; plain ones, which were loaded, are cut as ``w``."""
        for name in names:
            if not isinstance(state[name]._array, SpreadArray):
                cut = wrap(w.full(0, state[name]._array.dtype))
                cut._array[...] = state[name]._array
                state[name] = cut
        return [state[name]._array for name in names]

    def _set_common(self, c: Any, group: Group) -> None:
        """Weight decay and sign of the gradient, which all rules share."""
        decay = number(group.get("weight_decay", 0))
        decoupled = group.get("decoupled_weight_decay", False)
        c.sign = -1.0 if group.get("maximize", False) else 1.0
        c.l2 = 0.0 if decoupled else decay
        c.shrink = 1.0 - number(group["lr"]) * decay if decoupled else 1.0

    def _rule(self, names: list[str], c: Any) -> Any:
        def rule(do: Arithmetic, w: Any, g: Any, arrays: list[Any]) -> None:
            xp = do.xp
            if c.shrink != 1:
                xp.multiply(w, c.shrink, out=w)
            if c.sign < 0:
                g = xp.negative(g, out=do.scratch[0])
            if c.l2 != 0:  # g + l2 w
                t = do.scratch[1]
                xp.multiply(w, c.l2, out=t)
                g = xp.add(g, t, out=do.scratch[0])
            self.apply(do, w, g, dict(zip(names, arrays, strict=True)), c)

        return rule

    def _on_device(self, w: Any, g: Any, names: list[str], arrays: list[Any], c: Any) -> bool:
        for rule in self.device_rules:
            if rule.states == tuple(names):
                return launch(rule, w, g, arrays, c)
        return False

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or with ``set_to_none=False`` fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                clear_grad(p, set_to_none)

    # -- groups and state

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own, for instance layers unfrozen later.

        Raises:
            TypeError: if ``params`` is a set or holds something that is no tensor.
            ValueError: if a parameter is not a leaf or is in a group already.
        """
        group = named_params(param_group)
        check_group(group, self.defaults, self.param_groups)
        self.param_groups.append(group)

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {index: state}, "param_groups": [...]}``, parameters by their index.

        The tensors are the optimizer's own, not copies.
        """
        for hook in list(self._state_dict_hooks["pre"]):
            hook(self)
        packed = pack_state(self.state, self.param_groups)
        for hook in list(self._state_dict_hooks["post"]):
            result = hook(self, packed)
            packed = packed if result is None else result
        return packed

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state of `state_dict`, this library's or torch's; tensors are copied.

        State takes the dtype and device of its parameter, except ``step``.

        Raises:
            ValueError: if the groups do not match in number or size.
        """
        state_dict = dict(state_dict)
        for hook in list(self._state_dict_hooks["load_pre"]):
            result = hook(self, state_dict)
            state_dict = state_dict if result is None else result
        state, groups = load_state(state_dict, self.param_groups)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in list(self._state_dict_hooks["load_post"]):
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_workspace" not in self.__dict__:
            self._set_up()
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    # -- hooks

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> _Handle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return new ones."""
        return _Handle(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., None]) -> _Handle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return _Handle(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., None], prepend: bool = False
    ) -> _Handle:
        """Call ``hook(optimizer)`` before `state_dict`."""
        return self._register("pre", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> _Handle:
        """Call ``hook(optimizer, state_dict)`` after `state_dict`; it may return another one."""
        return self._register("post", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> _Handle:
        """Call ``hook(optimizer, state_dict)`` before loading; it may return another one."""
        return self._register("load_pre", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., None], prepend: bool = False
    ) -> _Handle:
        """Call ``hook(optimizer)`` after loading."""
        return self._register("load_post", hook, prepend)

    def _register(self, when: str, hook: Callable[..., Any], prepend: bool) -> _Handle:
        hooks = self._state_dict_hooks[when]
        handle = _Handle(hooks, hook)
        if prepend:
            hooks.insert(0, hooks.pop())
        return handle


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """Run the hooks around a step, once also where a step calls its parent's."""

    @wraps(step)
    def wrapper(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if self._stepping:
            return step(self, *args, **kwargs)
        self._stepping = True
        try:
            args, kwargs = _before_step(self, args, kwargs)
            result = step(self, *args, **kwargs)
            for hook in [*self._step_post_hooks, *_global_post_hooks]:
                hook(self, args, kwargs)
        finally:
            self._stepping = False
        if "_opt_called" in self.__dict__:  # a learning rate scheduler wants to know
            self._opt_called = True
        return result

    return wrapper


def _before_step(self: Optimizer, args: Any, kwargs: Any) -> tuple[Any, Any]:
    for hook in [*_global_pre_hooks, *self._step_pre_hooks]:
        result = hook(self, args, kwargs)
        if result is None:
            continue
        if not isinstance(result, tuple) or len(result) != 2:
            raise RuntimeError(
                f"step: a pre hook must return None or (args, kwargs), got {result!r}"
            )
        args, kwargs = result
    return args, kwargs


Optimizer.step = _hooked(Optimizer.step)  # type: ignore[method-assign]


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> _Handle:
    """Call ``hook(optimizer, args, kwargs)`` before each step of every optimizer."""
    return _Handle(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., None]) -> _Handle:
    """Call ``hook(optimizer, args, kwargs)`` after each step of every optimizer."""
    return _Handle(_global_post_hooks, hook)


# -- what the rules share


def number(value: Any) -> float:
    """A Python number of an option that may be a tensor of one element."""
    return float(value.item()) if isinstance(value, Tensor) else value


def require(condition: bool, message: str) -> None:
    """Raise ValueError with ``message`` unless the condition holds."""
    if not condition:
        raise ValueError(message)


def check_lr(lr: Any) -> None:
    """A learning rate is a number or a tensor of one element, and not negative."""
    if isinstance(lr, Tensor):
        require(lr.numel() == 1, f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
    require(number(lr) >= 0, f"Invalid learning rate: {lr}")


def check_betas(betas: Any) -> None:
    """Both betas are in [0, 1)."""
    for i, beta in enumerate(betas):
        require(0 <= number(beta) < 1, f"Invalid beta parameter at index {i}: {number(beta)}")


def check_not_negative(**values: float) -> None:
    """Every named value is at least 0."""
    for name, value in values.items():
        require(number(value) >= 0, f"Invalid {name} value: {value}")


def scalar_state(value: float = 0.0) -> Tensor:
    """A number kept as a tensor of no dimensions on the CPU, as torch keeps ``step``."""
    d = float64 if get_default_dtype() is float64 else float32
    return wrap(np.array(value, d.np))


def zeros_like(p: Tensor) -> Tensor:
    """Zeros of a parameter's shape, dtype and device."""
    if isinstance(p._array, SpreadArray):
        return wrap(p._array.full(0, p._array.dtype))
    return wrap(backend_of(p._array).xp.zeros_like(p._array))


def count(state: State) -> float:
    """Add one to the state's ``step``; returns it."""
    step = state["step"]
    if not isinstance(step, Tensor):
        step = state["step"] = scalar_state(float(step))
    step._array[...] += 1
    return float(step._array)


def numbers(**values: float | None) -> SimpleNamespace:
    """The coefficients of a step."""
    return SimpleNamespace(**values)
