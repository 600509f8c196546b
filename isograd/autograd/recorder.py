"""The recorder: gives the results of operations their history.

It stands behind the door (`isograd.tensor.door`) and is called only where some input wants a
gradient. It also keeps histories right under in-place writes: a write to a view becomes a write to
its base, and other views of that base re-derive their history when next used.
"""

from __future__ import annotations

import threading
import traceback
from typing import Any

import numpy as np

from isograd.autograd.node import KeepGrad, Packed, PrimitiveNode, next_sequence
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply, looks_into, mode, register_recorder
from isograd.tensor.primitive import PRIMITIVES, Primitive
from isograd.tensor.spread import noted_shape

__all__ = ["RECORDER", "state", "view_scatter"]

_new = object.__new__
_ndarray = np.ndarray


class _State(threading.local):
    """Per thread: anomaly mode, and the innermost pack and unpack hooks."""

    anomaly = False
    check_nan = True
    saved_hooks: tuple[Any, Any] | None = None
    hook_stack: list[tuple[Any, Any]]

    def __init__(self) -> None:
        self.hook_stack = []


state = _State()


class GraphRecorder:
    """Implements `isograd.tensor.door.Recorder`."""

    def record(
        self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], outs: Any
    ) -> None:
        """Hang a node behind the outputs that can have a gradient."""
        plan = primitive._plan or primitive.plan()
        node: PrimitiveNode = _new(PrimitiveNode)
        edges: list[tuple[Any, int] | None] = []
        shapes: list[Any] = []
        kinds: list[Any] = []
        for t in inputs:
            if isinstance(t, Tensor):
                array = t._array
                shapes.append(array.shape if array.__class__ is _ndarray else noted_shape(array))
                kinds.append(array.dtype)
                if t._requires_grad:
                    made_by = t._node
                    edges.append((t, 0) if made_by is None else (made_by, t._index))
                    continue
            else:
                shapes.append(())
                kinds.append(None)
            edges.append(None)
        node.primitive = primitive
        node.params = params
        node.edges = tuple(edges)
        node.shapes = tuple(shapes)
        node.dtypes = tuple(kinds)
        node.pre_hooks = node.hooks = node.trace = None
        node.output_version = None
        node.saved_outputs = None
        hooks = state.saved_hooks
        saved = plan.saved_inputs
        if not saved:
            node.saved = node.versions = ()
        else:
            self._save_inputs(node, saved, inputs, hooks)
        if primitive.outputs == 1:
            node.n_outputs = 1
            self._attach(node, outs, 0)
            if plan.saves_output:
                if hooks is None:
                    cell = outs._version_cell
                    if cell is None:
                        cell = outs._version_cell = [0]
                    node.saved_outputs = ((outs._array, cell),)
                    node.output_version = cell[0]
                else:
                    node.saved_outputs = ((Packed(outs, hooks[0], hooks[1], is_output=True), None),)
        else:
            node.n_outputs = len(outs)
            for i, out in enumerate(outs):
                self._attach(node, out, i)
            if plan.saves_output:
                self._save_outputs(node, plan.saved_outputs, outs, hooks)
        node.sequence = next_sequence()
        if state.anomaly:
            node.trace = "".join(traceback.format_stack()[:-3])

    @staticmethod
    def _attach(node: PrimitiveNode, out: Tensor, index: int) -> None:
        if out._array.dtype.kind in "fcV":
            out._node = node
            out._index = index
            out._requires_grad = True

    @staticmethod
    def _save_outputs(
        node: PrimitiveNode, saved: frozenset[int] | None, outs: tuple[Tensor, ...], hooks: Any
    ) -> None:
        """Those of several that the vjps name; the others may be changed in place."""
        found: list[Any] = []
        for i, out in enumerate(outs):
            if saved is not None and i not in saved:
                found.append(None)
            elif hooks is None:
                found.append((out._array, out._share_version()))
            else:
                found.append((Packed(out, hooks[0], hooks[1], is_output=True), None))
        node.saved_outputs = tuple(found)
        if hooks is None:
            node.output_version = 0

    @staticmethod
    def _save_inputs(
        node: PrimitiveNode, saved: tuple[int, ...], inputs: tuple[Any, ...], hooks: Any
    ) -> None:
        values = inputs[-1 - saved[0] :] if saved[0] < 0 else tuple([inputs[i] for i in saved])
        if hooks is not None:
            values = tuple(
                Packed(v, hooks[0], hooks[1], is_output=False) if _packable(v) else v
                for v in values
            )
        node.saved = values
        versions = []
        for v in values:
            cell = v._version_cell if isinstance(v, Tensor) else None
            versions.append(0 if cell is None else cell[0])
        node.versions = tuple(versions)

    def refresh(self, view: Tensor) -> None:
        """Derive a view's history again from its base by the steps that made it."""
        base = view._base
        if base is None:
            return
        view._epoch = base._epoch
        made: Any = base
        before, mode.grad = mode.grad, True
        try:
            for primitive, params in view._view_chain:
                made = apply(primitive, made, **params)
        finally:
            mode.grad = before
        view._node, view._index = made._node, made._index
        view._requires_grad = made._requires_grad

    def before_write(self, target: Tensor, name: str) -> None:
        """Leaves that require a gradient, and views of them, must not be overwritten."""
        if target._requires_grad and target._node is None:
            raise RuntimeError(
                f"{name}: a leaf Variable that requires grad is being used in an in-place "
                "operation. Wrap it in torch.no_grad() if that is meant"
            )
        base = target._base
        if base is not None and base._requires_grad and base._node is None:
            raise RuntimeError(
                f"{name}: a view of a leaf Variable that requires grad is being used in an "
                "in-place operation. Wrap it in torch.no_grad() if that is meant"
            )

    def after_write(self, target: Tensor, result: Tensor) -> None:
        """Take over the result's history; for a view, its base's too."""
        base = target._base
        old_node = target._node
        target._requires_grad = result._requires_grad
        target._node, target._index = result._node, result._index
        if target._retains_grad and old_node is not None and target._node is not None:
            KeepGrad.move(target, old_node)
        if base is None:
            target._epoch += 1
            return
        old = wrap(base._array)
        old._requires_grad, old._node, old._index = base._requires_grad, base._node, base._index
        stand_in = wrap(base._array)
        chain = target._view_chain
        self.record(view_scatter, (old, result), {"chain": chain}, stand_in)
        base._node, base._index, base._requires_grad = stand_in._node, 0, True
        base._epoch += 1


def _packable(value: Any) -> bool:
    """Leaves that require a gradient stay as they are: the graph holds them anyway."""
    return isinstance(value, Tensor) and (value._node is not None or not value._requires_grad)


def _view_scatter(xp: Any, base: Any, value: Any, *, chain: tuple[Any, ...]) -> Any:
    out = base.copy()
    seen = _seen(xp, out, chain)
    if looks_into(seen, out):
        seen[...] = value
    else:  # the base's memory was in another order: what was a view there is a copy here
        places = xp.arange(out.size).reshape(out.shape)
        out.reshape(-1)[_seen(xp, places, chain)] = value
    return out


def _seen(xp: Any, x: Any, chain: tuple[Any, ...]) -> Any:
    for primitive, params in chain:
        x = primitive.forward(xp, x, **params)
    return x


def _replay(g: Tensor, chain: tuple[Any, ...]) -> Tensor:
    for primitive, params in chain:
        g = apply(primitive, g, **params)
    return g


def _zero_view(g: Tensor, chain: tuple[Any, ...]) -> Tensor:
    return apply(view_scatter, g, g.new_zeros(()), chain=chain)


view_scatter = Primitive(
    "view_scatter",
    _view_scatter,
    vjp={"base": _zero_view, "value": lambda g, chain: _replay(g, chain)},
    samples=lambda make: [
        (
            (make(3, 4), make(4)),
            {"chain": ((PRIMITIVES["narrow"], {"dim": 0, "start": 1, "length": 1}),)},
        )
    ],
    doc="``base`` with the part that a chain of views selects replaced by ``value``.",
)

RECORDER = GraphRecorder()
register_recorder(RECORDER)
