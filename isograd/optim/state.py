"""An optimizer's state as plain dicts, in torch's structure, and back."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from itertools import chain
from typing import Any

from isograd.tensor.core import Tensor

__all__ = ["load_state", "pack_state"]

Groups = list[dict[str, Any]]


def pack_state(state: dict[Any, Any], groups: Groups) -> dict[str, Any]:
    """Parameters become their index over all groups; state of other keys stays as it is."""
    index: dict[int, int] = {}
    packed = []
    for group in groups:
        for p in group["params"]:
            index.setdefault(id(p), len(index))
        options = {k: v for k, v in group.items() if k != "params"}
        packed.append({**options, "params": [index[id(p)] for p in group["params"]]})
    return {
        "state": {index[id(k)] if isinstance(k, Tensor) else k: v for k, v in state.items()},
        "param_groups": packed,
    }


def load_state(state_dict: dict[str, Any], groups: Groups) -> tuple[dict[Any, Any], Groups]:
    """The inverse of `pack_state` for the parameters of ``groups``.

    Raises:
        ValueError: if the groups do not match in number or size.
    """
    saved = deepcopy(state_dict["param_groups"])
    if len(saved) != len(groups):
        raise ValueError(
            "loaded state dict has a different number of parameter groups: "
            f"expected {len(groups)}, got {len(saved)}"
        )
    for i, (old, new) in enumerate(zip(saved, groups, strict=True)):
        if len(old["params"]) != len(new["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                f"optimizer's group: group {i} expects {len(new['params'])} parameters, "
                f"got {len(old['params'])}"
            )
    ids = chain.from_iterable(g["params"] for g in saved)
    params = dict(zip(ids, chain.from_iterable(g["params"] for g in groups), strict=True))
    state: dict[Any, Any] = defaultdict(dict)
    for key, value in state_dict["state"].items():
        p = params.get(key)
        state[key if p is None else p] = _fitted(value, p)
    return state, [_regrouped(old, new) for old, new in zip(saved, groups, strict=True)]


def _regrouped(saved: dict[str, Any], group: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in saved.items() if k != "param_names" or "param_names" in group}
    if "param_names" in group:
        kept["param_names"] = group["param_names"]
    return {**kept, "params": group["params"]}


def _fitted(value: Any, p: Tensor | None, key: str | None = None) -> Any:
    """A copy of the state whose tensors have the parameter's device and dtype."""
    if isinstance(value, Tensor):
        if p is None or key == "step" or (value.dim() == 0 and p.dim() > 0):  # a number
            return value.detach().clone()
        dtype = p.dtype if p.is_floating_point() or p.is_complex() else value.dtype
        return value.detach().to(device=p.device, dtype=dtype, copy=True)
    if isinstance(value, dict):
        return {k: _fitted(v, p, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fitted(v, p) for v in value)
    return deepcopy(value)
