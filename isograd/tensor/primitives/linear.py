"""The affine map of a layer, ``x @ weight.T + bias``, as one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.dtypes import is_low_precision
from isograd.tensor.primitive import PRIMITIVES, Primitive, Sample
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.products import contract, matmul

__all__ = ["linear"]

_product = PRIMITIVES["matmul"].forward


def _forward(xp: Any, x: Any, weight: Any, bias: Any) -> Any:
    """(..., I), (O, I), (O,) -> (..., O)."""
    flat = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    if xp is np and is_low_precision(x.dtype):
        wide = np.matmul(flat.astype(np.float32), weight.astype(np.float32).T)
        if bias is not None:
            wide += bias
        out = wide.astype(x.dtype)
    else:
        out = np.matmul(flat, weight.T) if xp is np else _product(xp, flat, weight.T)
        if bias is not None:
            out += bias
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], weight.shape[0])


def _samples(make: Any) -> list[Sample]:
    return [
        ((make(4, 3), make(2, 3), make(2)), {}),
        ((make(2, 2, 3), make(2, 3), make(2)), {}),
        ((make(4, 3), make(2, 3), None), {}),
    ]


def _cuts(params: Any, x: Any, weight: Any, bias: Any) -> list[Cut]:
    last = len(x) - 1
    cuts = [Cut((d, None, None), (d,)) for d in range(last)]
    cuts.append(Cut((None, 0, 0 if bias else None), (last,)))
    if not bias:  # every part would add it
        cuts += [Cut((last, 1, None), ("sum",)), Cut(("sum", None, None), ("sum",)),
                 Cut((None, "sum", None), ("sum",))]  # fmt: skip
    return cuts


_linear: Primitive = Primitive(
    "linear",
    _forward,
    vjp={
        "x": lambda g, weight: matmul(g, conj(weight)),
        "weight": lambda g, x: contract(g, conj(x)),
        "bias": lambda g: g.sum(tuple(range(g.ndim - 1))) if g.ndim > 1 else g,
    },
    cuts=_cuts,
    samples=_samples,
    doc="``x @ weight.T + bias``.",
)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``.

    Shape:
        (*, in), weight (out, in) or (in,), bias (out,) -> (*, out); a vector weight gives (*).

    Raises:
        RuntimeError: if the shapes do not fit or the dtypes differ.
    """
    x, w = input._array, weight._array
    if w.ndim != 2 or x.ndim == 0 or (bias is not None and bias._array.shape != w.shape[:1]):
        return _unusual(input, weight, bias)
    if x.shape[-1] != w.shape[1]:
        rows = x.size // max(1, x.shape[-1])
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
            f"{w.shape[1]}x{w.shape[0]}): linear expects {w.shape[1]} input features, got input "
            f"of shape {tuple(x.shape)}"
        )
    if x.dtype != w.dtype or (bias is not None and bias._array.dtype != w.dtype):
        raise RuntimeError(
            "mat1 and mat2 must have the same dtype, but got "
            f"{_scalar_type(input)} and {_scalar_type(weight)}"
            + ("" if bias is None else f" and bias {_scalar_type(bias)}")
        )
    return apply(_linear, input, weight, bias)


def _scalar_type(t: Tensor) -> str:
    names = {"float16": "Half", "float32": "Float", "float64": "Double", "bfloat16": "BFloat16",
             "int64": "Long", "int32": "Int", "bool": "Bool"}  # fmt: skip
    return names.get(t.dtype.name, t.dtype.name)


def _unusual(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A vector as weight, or a bias that broadcasts."""
    if weight.ndim == 1:
        if bias is not None and bias.ndim:
            raise RuntimeError(
                f"linear: a weight vector takes a bias of no dimensions, got {list(bias.shape)}"
            )
        out = matmul(input, weight)
    elif weight.ndim == 2 and input.ndim:
        out = linear(input, weight)
    else:
        raise RuntimeError(
            f"linear: expected input (*, in) and weight (out, in) or (in,), got "
            f"{list(input.shape)} and {list(weight.shape)}"
        )
    return out if bias is None else out + bias
