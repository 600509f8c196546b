"""One CUDA kernel per update rule: parameter, gradient and state are read and written once.

A rule is a few lines of C over one element; CuPy compiles it when a CUDA parameter is first
stepped. Arithmetic is in float32 for float16 and bfloat16, else in the parameter's own dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from isograd.tensor.dtypes import is_low_precision

__all__ = ["DeviceRule", "launch"]


@dataclass(frozen=True)
class DeviceRule:
    """An update rule in C.

    Attributes:
        coefficients: names of the numbers the rule uses, fields of the coefficients.
        states: names of the state arrays it reads and writes.
        body: statements on ``w``, ``g``, the states and the coefficients, all of type ``C``.
    """

    name: str
    coefficients: tuple[str, ...]
    states: tuple[str, ...]
    body: str


@cache
def _compiled(rule: DeviceRule, number: str) -> Any:
    """The kernel for coefficients of one dtype, ``C`` in the rule."""
    import cupy

    inputs = ["T gradient", *(f"{number} {name}" for name in rule.coefficients)]
    outputs = ["T parameter", *(f"T {name}_" for name in rule.states)]
    load = ["C w = parameter;", "C g = gradient;", *(f"C {s} = {s}_;" for s in rule.states)]
    store = ["parameter = w;", *(f"{s}_ = {s};" for s in rule.states)]
    body = "\n".join([*load, rule.body, *store])
    kind = "double" if number == "float64" else "float"
    return cupy.ElementwiseKernel(
        ", ".join(inputs), ", ".join(outputs), body, rule.name, preamble=f"typedef {kind} C;"
    )


def launch(rule: DeviceRule, w: Any, g: Any, states: Sequence[Any], coefficients: Any) -> bool:
    """Run the rule on CuPy arrays of one real dtype; False if their dtypes do not allow it."""
    if w.dtype.kind == "c" or any(a.dtype != w.dtype for a in (g, *states)):
        return False
    number = np.dtype(np.float32) if is_low_precision(w.dtype) else w.dtype
    numbers = [number.type(getattr(coefficients, name)) for name in rule.coefficients]
    with w.device:
        _compiled(rule, number.name)(g, *numbers, w, *states)
    return True
