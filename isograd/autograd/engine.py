"""The engine: walks the graph backwards, from the roots to the leaves.

A first pass counts how many gradients each node will receive; a node runs when all have come,
the latest recorded first, and a leaf receives its sum at once when its last gradient has come, so
that hooks on parameters (and with them the all-reduce of gradients) run while the rest of the
backward pass still does. Nothing recurses: the depth of the graph is limited by memory alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from isograd.autograd.node import KeepGrad, Node, PrimitiveNode, users_code, walking
from isograd.autograd.recorder import state
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import mode
from isograd.tensor.dtypes import from_numpy
from isograd.tensor.spread import SpreadArray, SpreadShape, share_memory

__all__ = ["queue_callback", "run_backward"]

_ndarray = np.ndarray


class _Local(threading.local):
    depth = 0

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []


_local = _Local()


def queue_callback(callback: Callable[[], None]) -> None:
    """Call ``callback()`` when the backward pass that is running now ends without an error.

    Raises:
        RuntimeError: outside of a backward pass.
    """
    if _local.depth == 0:
        raise RuntimeError("queue_callback: there is no backward pass running in this thread")
    _local.callbacks.append(callback)


def run_backward(
    roots: Sequence[Tensor],
    grads: Sequence[Tensor],
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[Tensor] | None = None,
    accumulate: bool = True,
) -> list[Tensor | None]:
    """Differentiate ``sum(root * grad)``.

    Args:
        inputs: differentiate with respect to these only; None means all leaves.
        accumulate: add into ``.grad``; otherwise return the gradients of ``inputs``.
    """
    walk = _Walk(inputs, retain_graph, create_graph, accumulate)
    before = mode.grad
    mode.grad = create_graph
    alone, walking.alone = walking.alone, True
    _local.depth += 1
    try:
        walk.run(roots, grads)
        walking.alone = False
        if _local.depth == 1:
            while _local.callbacks:
                _local.callbacks.pop(0)()
    finally:
        _local.depth -= 1
        mode.grad, walking.alone = before, alone
        if _local.depth == 0:
            _local.callbacks.clear()
    return walk.captured


class _Walk:
    """One backward pass."""

    def __init__(
        self, inputs: Sequence[Tensor] | None, retain: bool, create: bool, accumulate: bool
    ) -> None:
        self.retain, self.create, self.accumulate = retain, create, accumulate
        self.buffers: dict[Any, Any] = {}
        self.aliased: dict[int, Any] = {}  # arrays that more than one gradient may share
        self.owned: set[int] = set()  # ids of sums made here, free to be added to in place
        self.heap: list[tuple[int, Node]] = []
        self.inputs = inputs
        self.captured: list[Tensor | None] = [None] * len(inputs or ())
        self.capture: dict[Any, list[tuple[int, int]]] = {}
        for i, t in enumerate(inputs or ()):
            target = t if t._node is None else t._node
            self.capture.setdefault(target, []).append((t._index if t._node is not None else 0, i))

    def run(self, roots: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
        starts: list[tuple[Any, int]] = [
            (t if t._node is None else t._node, t._index if t._node is not None else 0)
            for t in roots
        ]
        counts = self._count([target for target, _ in starts])
        needed = self._needed(counts) if self.inputs is not None else None
        waiting = dict.fromkeys((target for target, _ in starts), None)
        for (target, index), g in zip(starts, grads, strict=True):
            self.aliased[id(g._array)] = g._array
            self._add(target, index, g)
        for target in waiting:
            if counts[target] == 0:
                self._ready(target)
        while self.heap:
            node = heappop(self.heap)[1]
            grad = self._take(node)
            if node.pre_hooks is not None and grad is not None:
                grad = _pre_hooks(node, grad)
            if node in self.capture:
                self._captures(node, grad)
            if needed is None or node in needed:
                self._run_node(node, grad, counts, needed)

    def _count(self, starts: list[Any]) -> dict[Any, int]:
        """How many gradients each target will get, by a walk over everything reachable."""
        counts: dict[Any, int] = dict.fromkeys(starts, 0)
        stack = [s for s in counts if isinstance(s, Node)]
        while stack:
            for edge in stack.pop().edges:
                if edge is not None:
                    target = edge[0]
                    if target in counts:
                        counts[target] += 1
                    else:
                        counts[target] = 1
                        if target.__class__ is PrimitiveNode or isinstance(target, Node):
                            stack.append(target)
        return counts

    def _needed(self, counts: dict[Any, int]) -> set[Any]:
        """The nodes on a way to one of ``inputs``."""
        nodes = sorted((n for n in counts if isinstance(n, Node)), key=lambda n: n.sequence)
        needed: set[Any] = set()
        wanted = set(self.capture)
        for node in nodes:  # an edge always leads to an earlier node
            for edge in node.edges:
                if edge is not None and (edge[0] in wanted or edge[0] in needed):
                    needed.add(node)
                    break
        return needed

    def _ready(self, target: Any) -> None:
        if isinstance(target, Node):
            heappush(self.heap, (-target.sequence, target))
        else:
            self._leaf(target)

    def _add(self, target: Any, index: int, g: Tensor) -> None:
        if isinstance(target, Node) and target.n_outputs > 1:
            slots = self.buffers.setdefault(target, [None] * target.n_outputs)
            slots[index] = g if slots[index] is None else self._sum(slots[index], g)
            return
        have = self.buffers.get(target)
        self.buffers[target] = g if have is None else self._sum(have, g)

    def _take(self, target: Any) -> Any:
        """What came together for a target; from here on others may hold it, so it is not ours."""
        grad = self.buffers.pop(target, None)
        if self.owned:
            for g in grad if grad.__class__ is list else (grad,):
                self.owned.discard(id(g))
        return grad

    def _sum(self, a: Tensor, b: Tensor) -> Tensor:
        if self.create:
            return a + b
        if (
            id(a) in self.owned
            and a._array.__class__ is b._array.__class__
            and a._array.dtype == b._array.dtype
        ):
            a._array += b._array
            return a
        total: Tensor = a + b
        self.owned.discard(id(a))  # another tensor may get this id
        self.owned.add(id(total))
        return total

    def _run_node(
        self, node: Node, grad: Any, counts: dict[Any, int], needed: set[Any] | None
    ) -> None:
        edges = node.edges
        if needed is None:
            wants = [edge is not None for edge in edges]
        else:
            wants = [
                edge is not None and (edge[0] in needed or edge[0] in self.capture)
                for edge in edges
            ]
        results: Any = None
        if grad is not None and (node.n_outputs == 1 or _some(grad)):
            results = self._backward(node, grad, wants)
        for i, edge in enumerate(edges):
            if edge is None:
                continue
            target, index = edge
            if results is not None and wants[i] and results[i] is not None:
                g = self._fit(node, i, results[i], grad)
                if node.shapes[i].__class__ is SpreadShape and isinstance(target, Node):
                    g = node.shapes[i].fit(g)  # gradients of parameters stay parts of sums
                self._add(target, index, g)
            counts[target] -= 1
            if counts[target] == 0:
                self._ready(target)
        if not self.retain:
            node.release()

    def _backward(self, node: Node, grad: Any, wants: list[bool]) -> Any:
        if not state.anomaly and node.hooks is None:
            return node.backward(grad, wants)
        try:
            results = node.backward(grad, wants)
            if state.anomaly:
                _check_nan(node, results)
        except Exception as error:
            if node.trace:
                error.add_note(f"The forward call that made {node.name}:\n{node.trace}")
            raise
        for hook in list(node.hooks or ()):  # a hook may take itself away
            outer = grad if isinstance(grad, (tuple, list)) else (grad,)
            with users_code():
                changed = hook(tuple(results), tuple(outer))
            if changed is not None:
                results = list(changed) if isinstance(changed, (tuple, list)) else [changed]
        return results

    def _fit(self, node: Node, i: int, g: Tensor, came: Any) -> Tensor:
        """Reduce a gradient to its input's shape and dtype."""
        array = g._array
        shape = node.shapes[i]
        if array.shape != shape:
            g = _reduce_to(g, shape, node)
            array = g._array
        kind = node.dtypes[i]
        if array.dtype is not kind and array.dtype != kind:
            g = _cast_to(g, kind)
            array = g._array
        if came.__class__ is tuple or came.__class__ is list:
            for c in came:
                if c is not None and (c._array is array or share_memory(array, c._array)):
                    self.aliased[id(array)] = array
        elif array is came._array or array.base is not None:
            self.aliased[id(array)] = array
        elif array.__class__ is not _ndarray or came._array.__class__ is not _ndarray:
            if share_memory(array, came._array):
                self.aliased[id(array)] = array
        if node.__class__ is not PrimitiveNode or node.hooks:
            self.aliased[id(array)] = array  # users' code may hold it, or give it twice
        return g

    def _captures(self, node: Node, grad: Any) -> None:
        for index, i in self.capture[node]:
            found = grad if node.n_outputs == 1 or grad is None else grad[index]
            if self.accumulate and found is not None and self.inputs is not None:
                _accumulate(self.inputs[i], found, self.create, True)
            self.captured[i] = found

    def _leaf(self, leaf: Tensor) -> None:
        g = self._take(leaf)
        if g is None:
            return
        if leaf._hooks:
            for hook in list(leaf._hooks):
                g = _hooked(hook, g)
        if self.inputs is not None:
            if leaf in self.capture:
                for _, i in self.capture[leaf]:
                    self.captured[i] = g
                if self.accumulate:
                    _accumulate(leaf, g, self.create, True)
            return
        shared = bool(leaf._hooks) or id(g._array) in self.aliased
        _accumulate(leaf, g, self.create, shared)


def _some(grads: Any) -> bool:
    for g in grads:
        if g is not None:
            return True
    return False


def _pre_hooks(node: Node, grad: Any) -> Any:
    for index, hooks in (node.pre_hooks or {}).items():
        for hook in sorted(hooks, key=_is_last):
            if node.n_outputs == 1:
                grad = _hooked(hook, grad)
            elif grad[index] is not None:
                grad[index] = _hooked(hook, grad[index])
    return grad


def _hooked(hook: Any, g: Tensor) -> Tensor:
    with users_code():
        changed = hook(g)
    if changed is None:
        return g
    if not isinstance(changed, Tensor):
        raise TypeError(
            f"expected a hook to return a Tensor or None, but it returned "
            f"{type(changed).__name__!r}"
        )
    if changed.shape != g.shape:
        raise RuntimeError(
            f"hook {getattr(hook, '__name__', type(hook).__name__)!r} has changed the size of "
            f"value: from {tuple(g.shape)} to {tuple(changed.shape)}"
        )
    return changed


def _is_last(hook: Any) -> bool:
    return hook.__class__ is KeepGrad


def _accumulate(leaf: Tensor, g: Tensor, create: bool, shared: bool) -> None:
    have = leaf._grad
    if have is None:
        if create:
            leaf._grad = g.clone()  # the graph, other leaves or the caller may hold this one
        else:
            array = g._array
            leaf._grad = wrap(array.copy() if shared or array.base is not None else array)
    elif create:
        leaf._grad = have + g
    else:
        if isinstance(g._array, SpreadArray) and not isinstance(have._array, SpreadArray):
            if have._base is None:
                have._array = have._array + g._array  # in place would not leave it to `g`
            else:
                have._array += g._array.whole()  # into one buffer of many gradients, say
        else:
            have._array += g._array
        have._bump()
    array = leaf._grad._array  # type: ignore[union-attr]
    if isinstance(array, SpreadArray):
        array.landed(leaf)
    for hook in list(leaf._post_accumulate_hooks or ()):
        with users_code():
            hook(leaf)


def _reduce_to(g: Tensor, shape: Any, node: Node) -> Tensor:
    """Sum over the dimensions along which the input was broadcast; expand a smaller gradient."""
    have = g._array.shape
    if len(have) < len(shape) or any(
        h == 1 and s != 1 for h, s in zip(have[len(have) - len(shape) :], shape, strict=True)
    ):
        return g.expand(shape)
    extra = len(have) - len(shape)
    dims = list(range(extra))
    for i, (h, s) in enumerate(zip(have[extra:], shape, strict=True)):
        if h != s:
            if s != 1:
                raise RuntimeError(
                    f"Function {node.name} returned an invalid gradient: got {list(have)} but "
                    f"expected shape compatible with {list(shape)}"
                )
            dims.append(extra + i)
    if dims:
        g = g.sum(dims, keepdim=True)
    return g.reshape(shape)


def _cast_to(g: Tensor, kind: Any) -> Tensor:
    if g._array.dtype.kind == "c" and kind.kind != "c":
        g = g.real
    from_dtype = g._array.dtype
    if from_dtype == kind:
        return g
    return g.to(from_numpy(kind))


def _check_nan(node: Node, results: Any) -> None:
    if not state.check_nan:
        return
    for i, g in enumerate(results):
        if isinstance(g, Tensor) and g._array.dtype.kind in "fcV":
            if bool(np.any(np.isnan(np.asarray(g.detach().numpy(force=True)).astype(complex)))):
                raise RuntimeError(
                    f"Function '{node.name}' returned nan values in its {i}th output."
                )
