"""Parameter groups: what an optimizer accepts, and torch's words for what it does not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import chain
from typing import Any

from isograd.tensor.core import Tensor

__all__ = ["check_group", "check_params", "named_params", "required"]


class _Required:
    """Stands in the defaults for an option that every group must set."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def check_params(params: Any) -> list[dict[str, Any]]:
    """The groups in an optimizer's first argument.

    Raises:
        TypeError: for a single tensor.
        ValueError: if there is nothing to optimize.
    """
    if isinstance(params, Tensor):
        raise TypeError(
            "params argument given to the optimizer should be an iterable of Tensors or dicts, "
            f"but got {params.type()}"
        )
    groups = list(params)
    if not groups:
        raise ValueError("optimizer got an empty parameter list")
    return groups if isinstance(groups[0], dict) else [{"params": groups}]


def named_params(group: dict[str, Any]) -> dict[str, Any]:
    """A copy of the group with a list of tensors, and their names aside if they were given."""
    if not isinstance(group, dict):
        raise TypeError(f"param_group must be a dict, but got {type(group)}")
    params = group["params"]
    if isinstance(params, Tensor):
        params = [params]
    elif isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering "
            "of tensors in sets will change between runs. Please use a list instead."
        )
    params = list(params)
    named = [isinstance(p, tuple) for p in params]
    if not any(named):
        return {**group, "params": params}
    if not all(named):
        raise ValueError("all optimizer params should be with/without names. Some are missing.")
    return {
        **group,
        "params": [p for _, p in params],
        "param_names": [name for name, _ in params],
    }


def check_group(
    group: dict[str, Any], defaults: dict[str, Any], others: Iterable[dict[str, Any]]
) -> None:
    """Fill in the defaults and check the tensors and flags of a new group."""
    others = list(others)
    for p in group["params"]:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {type(p)}"
            )
        if not defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")
    for name, default in defaults.items():
        if default is required and name not in group:
            raise ValueError(
                f"parameter group didn't specify a value of required optimization parameter {name}"
            )
        group.setdefault(name, default)
    _check_flags(group)
    if others and ("param_names" in group) != ("param_names" in others[0]):
        raise ValueError("all optimizer param groups should be with/without names.")
    if len({id(p) for p in group["params"]}) != len(group["params"]):
        warnings.warn(
            "optimizer contains a parameter group with duplicate parameters", stacklevel=5
        )
    known = {id(p) for p in chain.from_iterable(g["params"] for g in others)}
    if any(id(p) in known for p in group["params"]):
        raise ValueError("some parameters appear in more than one parameter group")


def _check_flags(group: dict[str, Any]) -> None:
    for flag in ("differentiable", "capturable"):
        if group.get(flag):
            raise NotImplementedError(f"optimizer: {flag}=True is not supported; leave it False")
    if group.get("foreach") and group.get("fused"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
