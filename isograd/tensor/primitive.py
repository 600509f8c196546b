"""The record of a primitive: everything about one operation in one place.

A vjp says what it needs by the names of its parameters, and nothing else is kept alive:

    ``g``          the gradient of the output (``gs``: of all outputs, None where unused)
    ``out``        the output (``outs``: all of them; ``out0``, ``out1``, ...: that one alone)
    an input name  that input, as the tensor or number it was
    ``x_shape``    the shape of input ``x`` (``xs_shapes``: of all, for ``*xs``)
    ``needs``      for `vjp_all`: which inputs want a gradient
    anything else  the parameter of that name

vjps are written with Tensor operations, so gradients of gradients need no second rule. A gradient
may come back broadcast or promoted: the engine reduces it to its input's shape and dtype.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from isograd.tensor.cuts import Cuts, elementwise

__all__ = ["PRIMITIVES", "Primitive", "Sample"]

PRIMITIVES: dict[str, Primitive] = {}

_SINGLE_OUTPUT = re.compile(r"out\d*").fullmatch

Sample = tuple[tuple[Any, ...], dict[str, Any]]  # inputs as float64 arrays or numbers, and params


class Primitive:
    """One operation.

    Args:
        name: unique name; the node of a result is called ``<Name>Backward``.
        forward: ``forward(xp, *inputs, **params)`` on arrays; keyword-only arguments are params.
            A string names a ufunc of ``xp`` instead (inputs are then ``x`` or ``x, y``).
        vjp: gradient rule per input name; a missing input is not differentiable.
        vjp_all: one rule that returns the gradients of all inputs as a tuple.
        promotion: ``"same"`` inputs are brought to one dtype; ``"float"`` also integers become
            floats; None leaves inputs alone.
        view: the result may look into the first input's memory.
        outputs: number of outputs; 0 means a tuple of any length.
        low_precision: float16 and bfloat16 inputs are computed in float32 and rounded once.
        samples: inputs on which the suite checks values and gradients; called with a function
            ``make(*shape, low=-2.0, high=2.0)`` that draws a float64 array.
        reference: NumPy function of the inputs and params for the value, if not `forward` itself.
        nondifferentiable: says on purpose that there is no gradient.
        cuts: the ways to compute it in parts (`isograd.tensor.cuts`); without, it needs its inputs
            whole. A ufunc's are those of operations on elements.
    """

    __slots__ = (
        "_plan", "cuts", "doc", "forward", "inputs", "low_precision", "name", "nondifferentiable",
        "outputs", "params", "promotion", "reference", "samples", "ufunc", "variadic", "view",
        "vjp", "vjp_all",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any] | str,
        *,
        vjp: dict[str, Callable[..., Any]] | None = None,
        vjp_all: Callable[..., Any] | None = None,
        promotion: str | None = None,
        view: bool = False,
        outputs: int = 1,
        low_precision: bool = False,
        samples: Callable[[Callable[..., Any]], list[Sample]] | None = None,
        reference: Callable[..., Any] | None = None,
        nondifferentiable: bool = False,
        cuts: Cuts | None = None,
        doc: str = "",
    ) -> None:
        if name in PRIMITIVES:
            raise ValueError(f"primitive {name!r} is defined twice")
        self.name = name
        self.ufunc = forward if isinstance(forward, str) else None
        if isinstance(forward, str):
            nin = getattr(np, forward).nin
            self.inputs: tuple[str, ...] = ("x", "y")[:nin]
            self.params: tuple[str, ...] = ()
            self.variadic = False
            self.forward: Callable[..., Any] = _ufunc(forward)
        else:
            code = forward.__code__
            names = code.co_varnames
            count, only = code.co_argcount, code.co_kwonlyargcount
            self.variadic = bool(code.co_flags & 4)
            self.params = names[count : count + only]
            last = (names[count + only],) if self.variadic else ()
            self.inputs = names[1:count] + last
            self.forward = forward
        self.vjp = vjp or {}
        self.vjp_all = vjp_all
        self.promotion = promotion
        self.view = view
        self.outputs = outputs
        self.low_precision = low_precision
        self.samples = samples
        self.reference = reference
        self.nondifferentiable = nondifferentiable
        self.cuts = elementwise() if cuts is None and self.ufunc is not None else cuts
        self.doc = doc
        self._plan: Plan | None = None
        PRIMITIVES[name] = self

    @property
    def differentiable(self) -> bool:
        return bool(self.vjp) or self.vjp_all is not None

    def plan(self) -> Plan:
        """What to save at the forward and how to call the vjps; made at first use."""
        if self._plan is None:
            self._plan = Plan(self)
        return self._plan

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def _ufunc(name: str) -> Callable[..., Any]:
    numpy_ufunc = getattr(np, name)

    def forward(xp: Any, *arrays: Any) -> Any:
        if xp is np:
            return numpy_ufunc(*arrays)
        return getattr(xp, name)(*arrays)

    return forward


class Plan:
    """A primitive's vjps made callable on a node.

    ``saved_inputs`` are the positions of inputs to keep (-1 - n: all of a variadic primitive's but
    the first n),
    ``saves_output`` whether outputs are kept, ``saved_outputs`` which of several (None: all),
    ``rules`` a function ``(node, g)`` per input position (or None), ``joint`` the same for all
    inputs at once.
    """

    __slots__ = ("joint", "rules", "saved_inputs", "saved_outputs", "saves_output")

    def __init__(self, primitive: Primitive) -> None:
        rules = dict(primitive.vjp)
        if primitive.vjp_all is not None:
            rules["*"] = primitive.vjp_all
        used = {name for fn in rules.values() for name in _arguments(fn)}
        if primitive.variadic:
            named = len(primitive.inputs) - 1  # inputs before the variadic ones; those are not kept
            self.saved_inputs: tuple[int, ...] = (
                (-1 - named,) if primitive.inputs[-1] in used else ()
            )
        else:
            self.saved_inputs = tuple(i for i, n in enumerate(primitive.inputs) if n in used)
        single = {int(name[3:] or 0) for name in used if _SINGLE_OUTPUT(name)}
        self.saves_output = bool(single) or "outs" in used
        self.saved_outputs = None if "outs" in used else frozenset(single)
        built = {name: self._call(primitive, fn) for name, fn in rules.items()}
        self.joint = built.get("*")
        self.rules = [built.get(name) for name in primitive.inputs]

    def _call(self, primitive: Primitive, fn: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        arguments = ", ".join(self._source(primitive, name) for name in _arguments(fn))
        file = f"{os.path.dirname(__file__)}{os.sep}<vjp of {primitive.name}>"  # for tracebacks
        code = compile(f"lambda node, g: fn({arguments})", file, "eval")
        made: Callable[[Any, Any], Any] = eval(code, {"fn": fn})
        return made

    def _source(self, primitive: Primitive, name: str) -> str:
        if name in ("g", "gs"):
            return "g"
        if name == "outs":
            return "node.outputs()"
        if _SINGLE_OUTPUT(name):
            return f"node.output({int(name[3:] or 0)})"
        if name == "needs":
            return "node.needs()"
        if primitive.variadic and name == primitive.inputs[-1]:
            return "node.inputs()"
        if name in primitive.inputs:
            return f"node.input({self.saved_inputs.index(primitive.inputs.index(name))})"
        if name.endswith("_shape") and name[:-6] in primitive.inputs:
            return f"node.shapes[{primitive.inputs.index(name[:-6])}]"
        if name.endswith("_shapes"):
            return "node.shapes"
        if name in primitive.params:
            return f"node.params[{name!r}]"
        raise ValueError(
            f"primitive {primitive.name}: a vjp asks for {name!r}, which is neither an input "
            f"{primitive.inputs} nor a parameter {primitive.params}"
        )


def _arguments(fn: Callable[..., Any]) -> Iterator[str]:
    code = fn.__code__
    return iter(code.co_varnames[: code.co_argcount])
