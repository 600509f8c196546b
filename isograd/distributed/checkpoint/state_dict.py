"""States by parameter name: an optimizer's numbers mean something only beside the same script.

`Optimizer.state_dict` counts parameters; here their place is taken by their names in the model, so
that a state fits another order of groups, and a model with or without its wrapper of
`DistributedDataParallel`. torch's `torch.distributed.checkpoint.state_dict`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isograd.distributed.ddp import DistributedDataParallel
from isograd.nn.module import Module
from isograd.optim.optimizer import Optimizer

__all__ = [
    "get_model_state_dict",
    "get_optimizer_state_dict",
    "get_state_dict",
    "set_model_state_dict",
    "set_optimizer_state_dict",
    "set_state_dict",
]

Optimizers = Optimizer | Iterable[Optimizer]


def get_model_state_dict(model: Module, *, options: None = None) -> dict[str, Any]:
    """The model's state, with the names it has without a wrapper."""
    _no_options("get_model_state_dict", options)
    return dict(_unwrapped(model).state_dict())


def get_optimizer_state_dict(
    model: Module, optimizers: Optimizers, *, options: None = None
) -> dict[str, Any]:
    """``{"state": {name: state}, "param_groups": [...]}`` of all optimizers together.

    Raises:
        ValueError: if an optimizer has a parameter that is not the model's.
    """
    _no_options("get_optimizer_state_dict", options)
    names = _names(model)
    states: dict[str, Any] = {}
    groups: list[dict[str, Any]] = []
    for optimizer in _listed(optimizers):
        state = optimizer.state_dict()
        for group, numbered in zip(optimizer.param_groups, state["param_groups"]):
            own = [_name("get_optimizer_state_dict", names, p) for p in group["params"]]
            numbers = numbered["params"]
            mine = {n: state["state"][i] for n, i in zip(own, numbers) if i in state["state"]}
            states |= mine
            groups.append({**numbered, "params": own})
    return {"state": states, "param_groups": groups}


def get_state_dict(
    model: Module, optimizers: Optimizers, *, options: None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`get_model_state_dict` and `get_optimizer_state_dict`."""
    _no_options("get_state_dict", options)
    return get_model_state_dict(model), get_optimizer_state_dict(model, optimizers)


def set_model_state_dict(
    model: Module, model_state_dict: dict[str, Any], *, options: None = None
) -> Any:
    """Take over what `get_model_state_dict` gave; returns missing and unexpected keys."""
    _no_options("set_model_state_dict", options)
    return _unwrapped(model).load_state_dict(model_state_dict)


def set_optimizer_state_dict(
    model: Module,
    optimizers: Optimizers,
    optim_state_dict: dict[str, Any],
    *,
    options: None = None,
) -> None:
    """Take over what `get_optimizer_state_dict` gave.

    Raises:
        ValueError: if it lacks a parameter of an optimizer, or two parameters of a group stand in
            different groups of it.
    """
    _no_options("set_optimizer_state_dict", options)
    names, state = _names(model), optim_state_dict["state"]
    group_of = {n: g for g in optim_state_dict["param_groups"] for n in g["params"]}
    loads = []
    for optimizer in _listed(optimizers):
        numbered = optimizer.state_dict()
        new: dict[str, Any] = {"state": {}, "param_groups": []}
        for group, mine in zip(optimizer.param_groups, numbered["param_groups"]):
            own = [_name("set_optimizer_state_dict", names, p) for p in group["params"]]
            options_of = _one_group(own, group_of) if own else mine
            new["param_groups"].append({**options_of, "params": mine["params"]})
            new["state"] |= {i: state[n] for n, i in zip(own, mine["params"]) if n in state}
        loads.append((optimizer, {**numbered, **new}))
    for optimizer, new in loads:  # nothing is changed before all fit
        optimizer.load_state_dict(new)


def set_state_dict(
    model: Module,
    optimizers: Optimizers,
    *,
    model_state_dict: dict[str, Any],
    optim_state_dict: dict[str, Any],
    options: None = None,
) -> Any:
    """`set_model_state_dict` and `set_optimizer_state_dict`."""
    _no_options("set_state_dict", options)
    set_optimizer_state_dict(model, optimizers, optim_state_dict)
    return set_model_state_dict(model, model_state_dict)


def _unwrapped(model: Module) -> Module:
    while isinstance(model, DistributedDataParallel):
        model = model.module
    return model


def _names(model: Module) -> dict[int, str]:
    return {id(p): name for name, p in _unwrapped(model).named_parameters()}


def _name(call: str, names: dict[int, str], parameter: Any) -> str:
    if id(parameter) not in names:
        shape = list(parameter.shape)
        raise ValueError(f"{call}: a parameter of shape {shape} is not the model's")
    return names[id(parameter)]


def _one_group(own: list[str], group_of: dict[str, dict[str, Any]]) -> dict[str, Any]:
    missing = [n for n in own if n not in group_of]
    if missing:
        raise ValueError(
            f"set_optimizer_state_dict: {len(missing)} parameters are not in the state: "
            f"{', '.join(missing[:10])}"
        )
    if any(group_of[n] is not group_of[own[0]] for n in own):
        raise ValueError(
            f"set_optimizer_state_dict: the group of {own[0]} was several groups when it was saved"
        )
    return group_of[own[0]]


def _listed(optimizers: Optimizers) -> list[Optimizer]:
    return [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)


def _no_options(call: str, options: Any) -> None:
    if options is not None:
        raise TypeError(f"{call}: options are not supported, expected None")
