"""A node of the graph: one recorded operation and the way back to its inputs."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

from isograd.tensor.core import Tensor, wrap
from isograd.tensor.primitive import Primitive

__all__ = [
    "AccumulateGrad", "KeepGrad", "Node", "PrimitiveNode", "next_sequence", "users_code", "walking",
]  # fmt: skip

next_sequence = itertools.count(1).__next__


class _Walking(threading.local):
    """Per thread: whether a backward pass runs code of ours, which writes to no views."""

    alone = False


walking = _Walking()


@contextmanager
def users_code() -> Iterator[None]:
    """Around what a backward pass calls that is not ours: hooks, Functions."""
    before, walking.alone = walking.alone, False
    try:
        yield
    finally:
        walking.alone = before


class Node:
    """Base of all nodes.

    ``edges[i]`` is None or ``(target, index)``: where the gradient of input ``i`` goes. The target
    is the node that made the input (``index``: as which output), or the leaf tensor itself.
    ``shapes`` and ``dtypes`` are those of the inputs, for reducing gradients to them.
    """

    __slots__ = (
        "__weakref__", "dtypes", "edges", "hooks", "metadata", "n_outputs", "output_version",
        "pre_hooks", "sequence", "shapes", "trace",
    )  # fmt: skip

    edges: tuple[tuple[Any, int] | None, ...]
    shapes: tuple[Any, ...]
    dtypes: tuple[Any, ...]
    n_outputs: int
    output_version: int | None
    pre_hooks: dict[int, list[Callable[[Any], Any]]] | None
    hooks: list[Callable[..., Any]] | None
    trace: Any

    def __init__(self) -> None:
        self.sequence = next_sequence()
        self.pre_hooks = None
        self.hooks = None
        self.output_version = None
        self.trace = None
        self.n_outputs = 1

    @property
    def name(self) -> str:
        return type(self).__name__

    def backward(self, grad: Any, needed: list[bool]) -> Any:
        """Gradients of the inputs; ``grad`` is a tuple where there are several outputs."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def release(self) -> None:
        """Drop what was saved; the graph can be walked only once after that."""

    def register_hook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node's backward."""
        if self.hooks is None:
            self.hooks = []
        return _Handle(self.hooks, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(grad_outputs)`` before this node's backward (outputs one by one)."""
        if self.pre_hooks is None:
            self.pre_hooks = {}
        wrapped = lambda g: (hook((g,)) or (g,))[0]  # noqa: E731
        return _Handle(self.pre_hooks.setdefault(0, []), wrapped)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """As torch: the nodes (``AccumulateGrad`` for leaves) that receive the gradients."""
        out: list[tuple[Any, int]] = []
        for edge in self.edges:
            if edge is None:
                out.append((None, 0))
            elif isinstance(edge[0], Tensor):
                out.append((AccumulateGrad(edge[0]), 0))
            else:
                out.append(edge)
        return tuple(out)

    def __repr__(self) -> str:
        return f"<{self.name} object at {id(self):#x}>"


class AccumulateGrad:
    """The face of a leaf in ``next_functions``; ``variable`` is the leaf."""

    name = "AccumulateGrad"
    next_functions = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def register_hook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook((), (grad,))`` after the gradient was added to the leaf."""
        register: Any = self.variable.register_post_accumulate_grad_hook
        return register(lambda leaf: hook((), (leaf.grad,)))


class _Handle:
    """Takes a hook away again: ``remove()``, or leaving a ``with`` block."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks: list[Any] | None = hooks
        self._hook = hook
        hooks.append(hook)

    def remove(self) -> None:
        """Forget the hook; a second call does nothing."""
        hooks, self._hooks = self._hooks, None
        for i, hook in enumerate(hooks or ()):
            if hook is self._hook and hooks is not None:
                del hooks[i]
                return

    def __enter__(self) -> _Handle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class KeepGrad:
    """The hook of ``retain_grad``: runs after all others, follows its tensor through writes."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = ref(tensor)

    def __call__(self, g: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor._grad = g.clone() if tensor._grad is None else tensor._grad + g

    @staticmethod
    def move(tensor: Tensor, old: Node) -> None:
        """After a write: from the node that made the old values to that of the new ones."""
        new: Node = tensor._node
        for hooks in (old.pre_hooks or {}).values():
            for hook in [h for h in hooks if isinstance(h, KeepGrad) and h.tensor() is tensor]:
                hooks.remove(hook)
                if new.pre_hooks is None:
                    new.pre_hooks = {}
                new.pre_hooks.setdefault(tensor._index, []).append(hook)


_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


class PrimitiveNode(Node):
    """A recorded primitive with what its vjps asked to keep."""

    __slots__ = ("params", "primitive", "saved", "saved_outputs", "versions")

    primitive: Primitive
    params: dict[str, Any]
    saved: tuple[Any, ...] | None
    versions: tuple[int, ...]
    saved_outputs: tuple[Any, ...] | None

    @property
    def name(self) -> str:
        words = self.primitive.name.split("_")
        return "".join(w[:1].upper() + w[1:] for w in words) + "Backward0"

    def backward(self, grad: Any, needed: list[bool]) -> Any:
        plan = self.primitive.plan()
        if self.saved is None:
            raise RuntimeError(_FREED)
        if plan.joint is not None:
            return plan.joint(self, grad)
        return [
            rule(self, grad) if want and rule is not None else None
            for rule, want in zip(plan.rules, needed, strict=True)
        ]

    def release(self) -> None:
        plan = self.primitive.plan()
        if plan.saved_inputs or plan.saves_output:
            self.saved = None
            self.saved_outputs = None

    def input(self, i: int) -> Any:
        """The i-th saved input, if it still holds the values it had."""
        saved = self.saved
        if saved is None:
            raise RuntimeError(_FREED)
        value = saved[i]
        if isinstance(value, Tensor):
            cell = value._version_cell
            if cell is not None and cell[0] != self.versions[i]:
                raise RuntimeError(self._modified(value, cell[0], self.versions[i]))
        elif isinstance(value, Packed):
            return value.unpack()
        return value

    def inputs(self) -> tuple[Any, ...]:
        """All inputs of a variadic primitive."""
        if self.saved is None:
            raise RuntimeError(_FREED)
        return tuple(self.input(i) for i in range(len(self.saved)))

    def output(self, i: int) -> Tensor:
        """The i-th output, rebuilt with its history."""
        if self.saved_outputs is None:
            raise RuntimeError(_FREED)
        array, cell = self.saved_outputs[i]
        if isinstance(array, Packed):
            new = array.unpack()
        else:
            if cell[0] != self.output_version:
                raise RuntimeError(self._modified(wrap(array), cell[0], self.output_version))
            new = wrap(array)
            new._version_cell = cell
        new._node, new._index = self, i
        new._requires_grad = new.dtype.category > 1
        return new

    def outputs(self) -> tuple[Tensor, ...]:
        """All outputs."""
        return tuple(self.output(i) for i in range(len(self.saved_outputs or ())))

    def needs(self) -> tuple[bool, ...]:
        """Which inputs want a gradient."""
        return tuple(edge is not None for edge in self.edges)

    def _modified(self, value: Tensor, now: int, then: int | None) -> str:
        where = (
            f"; recorded at\n{self.trace}"
            if self.trace
            else (
                ". Hint: enable anomaly detection to find the operation that failed to compute its "
                "gradient, with torch.autograd.set_detect_anomaly(True)."
            )
        )
        return (
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: [{value.dtype} {list(value.shape)}], which is saved by {self.name}, is at "
            f"version {now}; expected version {then} instead{where}"
        )


class Packed:
    """A saved tensor in the form that a pack hook gave it."""

    __slots__ = ("index", "node", "packed", "requires_grad", "unpack_hook")

    def __init__(self, tensor: Tensor, pack: Any, unpack: Any, is_output: bool) -> None:
        self.packed = pack(tensor.detach())
        self.unpack_hook = unpack
        self.requires_grad = tensor._requires_grad
        self.node: Any = None if is_output else tensor._node
        self.index = tensor._index

    def unpack(self) -> Tensor:
        """The tensor again, tied to the graph as the saved one was."""
        with users_code():
            value: Tensor = self.unpack_hook(self.packed)
        if not isinstance(value, Tensor):
            raise TypeError(
                f"saved_tensors_hooks: the unpack hook must return a Tensor, got "
                f"{type(value).__name__}"
            )
        new = value.detach()
        new._node, new._index, new._requires_grad = self.node, self.index, self.requires_grad
        return new
