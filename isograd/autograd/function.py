"""``Function``: an operation whose forward and backward the user writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from isograd.autograd.node import Node, Packed, users_code
from isograd.autograd.recorder import state
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import mode, recorder
from isograd.tensor.inplace import recording
from isograd.tensor.spread import SpreadArray, noted_shape

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx(Node):
    """The ``ctx`` of forward and backward, and the node in the graph.

    ``ctx.save_for_backward(*tensors)`` keeps inputs and outputs safely; any other attribute may be
    set freely.
    """

    function: type[Function]

    def __init__(self) -> None:
        super().__init__()
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True
        self._saved: tuple[Any, ...] | None = ()
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._nondifferentiable: set[int] = set()
        self._output_kinds: list[Any] = []

    @property
    def name(self) -> str:
        return self.function.__name__ + "Backward"

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for the backward pass; they come back as ``ctx.saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward can only save variables, but got a "
                                f"{type(t).__name__}")  # fmt: skip
        self._to_save = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that the forward changed these inputs in place; they must be returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs have no gradient."""
        self._nondifferentiable = {id(t) for t in tensors}

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing output gradients are given as zeros (the default) or as None."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` kept.

        Raises:
            RuntimeError: after the graph was freed, or if a saved tensor was changed in place.
        """
        if self._saved is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved "
                "tensors after they have already been freed). Specify retain_graph=True if you "
                "need to backward through the graph a second time."
            )
        return tuple(self._unpack(entry) for entry in self._saved)

    def _unpack(self, entry: Any) -> Tensor | None:
        if entry is None:
            return None
        value, cell, version, output = entry
        if isinstance(value, Packed):
            return value.unpack()
        if cell[0] != version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: a tensor of shape {list(value.shape)} saved by {self.name} is "
                f"at version {cell[0]}; expected version {version} instead"
            )
        if output is None:
            return value
        new = wrap(value._array)
        new._version_cell, new._node, new._index = cell, self, output
        new._requires_grad = True
        return new

    def _keep(self, outputs: tuple[Any, ...]) -> None:
        entries: list[Any] = []
        for t in self._to_save:
            if t is None:
                entries.append(None)
                continue
            index = next((i for i, o in enumerate(outputs) if o is t), None)
            cell = t._share_version()
            if state.saved_hooks is not None:
                packed = Packed(t, *state.saved_hooks, is_output=index is not None)
                entries.append((packed, cell, cell[0], index))
            elif index is None:
                entries.append((t, cell, cell[0], None))
            else:
                own = wrap(t._array)
                entries.append((own, cell, cell[0], index if t._requires_grad else None))
        self._saved = tuple(entries)
        self._to_save = ()

    def release(self) -> None:
        self._saved = None

    def backward(self, grad: Any, needed: list[bool]) -> Any:
        grads = list(grad) if self.n_outputs > 1 else [grad]
        if self.materialize_grads:
            grads = [self._zeros(i) if g is None else g for i, g in enumerate(grads)]
        with users_code():
            results = self.function.backward(self, *grads)
        listed = results if isinstance(results, tuple) else (results,)
        extra = any(g is not None for g in listed[len(needed) :])
        if len(listed) < len(needed) or extra:
            raise RuntimeError(
                f"function {self.name} returned an incorrect number of gradients (expected "
                f"{len(needed)}, got {len(listed)})"
            )
        for i, g in enumerate(listed):
            if g is not None and not isinstance(g, Tensor):
                raise TypeError(f"{self.name}: gradient {i} must be a Tensor or None, got "
                                f"{type(g).__name__}")  # fmt: skip
            if g is None or not needed[i]:
                continue
            if not _reducible(g._array.shape, self.shapes[i]):
                raise RuntimeError(
                    f"Function {self.name} returned an invalid gradient at index {i} - got "
                    f"{list(g.shape)} but expected shape compatible with {list(self.shapes[i])}"
                )
        return [g if want else None for g, want in zip(listed, needed, strict=False)]

    def _zeros(self, i: int) -> Tensor | None:
        if self._output_kinds[i] is None:  # not a tensor
            return None
        array, shape = self._output_kinds[i]
        return wrap(array).new_zeros(shape)


class Function:
    """Subclass with static ``forward(ctx, *args)`` and ``backward(ctx, *grads)``; call ``apply``.

    ``forward`` may also be written without ``ctx`` beside ``setup_context(ctx, inputs, output)``.

    Example:
        >>> import isograd as torch
        >>> class Double(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x * 2
        ...
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         return g * 2
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> Double.apply(x).backward()
        >>> x.grad
        tensor(2.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation; must be overridden."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients of the inputs; must be overridden to be differentiated."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    setup_context: Callable[..., Any] | None = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run the forward and record it where an input wants a gradient."""
        ctx = FunctionCtx()
        ctx.function = cls
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        wanted = recording(*args)
        before, mode.grad = mode.grad, False
        try:
            if cls.setup_context is None:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        finally:
            mode.grad = before
        outputs = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        if wanted:
            outputs = cls._attach(ctx, args, outputs)
        else:
            ctx._saved = None
            dirty = {id(t) for t in ctx._dirty}
            outputs = tuple(
                o.detach() if isinstance(o, Tensor) and o._requires_grad and id(o) not in dirty
                and any(o is a for a in args) else o
                for o in outputs
            )  # fmt: skip
        return outputs if isinstance(result, (tuple, list)) else outputs[0]

    @classmethod
    def _attach(cls, ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> Any:
        edges: list[tuple[Any, int] | None] = []
        shapes: list[Any] = []
        kinds: list[Any] = []
        for a in args:
            is_tensor = isinstance(a, Tensor)
            shapes.append(noted_shape(a._array) if is_tensor else ())
            kinds.append(a._array.dtype if is_tensor else None)
            if is_tensor and a.requires_grad:
                edges.append((a, 0) if a._node is None else (a._node, a._index))
            else:
                edges.append(None)
        ctx.edges, ctx.shapes, ctx.dtypes = tuple(edges), tuple(shapes), tuple(kinds)
        ctx.n_outputs = len(outputs)
        dirty = {id(t) for t in ctx._dirty}
        made = []
        for i, o in enumerate(outputs):
            if isinstance(o, Tensor):
                ctx._output_kinds.append((_one_like(o._array), o._array.shape))
                written = o if id(o) in dirty else None
                if written is not None:
                    recorder().before_write(o, ctx.name)
                    o._bump()
                if any(o is a for a in args):
                    o = _alias(o)
                if id(outputs[i]) not in ctx._nondifferentiable and o.dtype.category > 1:
                    o._node, o._index, o._requires_grad = ctx, i, True
                if written is not None:
                    recorder().after_write(written, o)
                    o = written
            else:
                ctx._output_kinds.append(None)
            made.append(o)
        ctx._to_save = tuple(
            next((m for m, o in zip(made, outputs, strict=True) if o is t and isinstance(t, Tensor)
                  and not any(t is a for a in args)), t)
            for t in ctx._to_save
        )  # fmt: skip
        ctx._keep(tuple(made))
        return tuple(made)


def _one_like(array: Any) -> Any:
    """At most one element of an array's dtype, on its device."""
    if isinstance(array, SpreadArray):
        return array.backend.xp.zeros(1, array.dtype)
    return array.reshape(-1)[:1]


def _reducible(have: Any, shape: Any) -> bool:
    """Whether a gradient can be summed down to its input's shape."""
    extra = len(have) - len(shape)
    return extra >= 0 and all(s in (1, h) for h, s in zip(have[extra:], shape, strict=True))


def _alias(t: Tensor) -> Tensor:
    new = wrap(t._array)
    new._version_cell = t._share_version()
    return new


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a backward whose own derivative does not exist: asking for it raises."""

    @wraps(fn)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        before, mode.grad = mode.grad, False
        try:
            results = fn(ctx, *grads)
        finally:
            mode.grad = before
        if before and recording(*[g for g in grads if isinstance(g, Tensor)]):
            listed = results if isinstance(results, tuple) else (results,)
            return tuple(None if r is None else _Undifferentiable.apply(r, *grads) for r in listed)
        return results

    return wrapped


class _Undifferentiable(Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, *grads: Any) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with "
                           "@once_differentiable")  # fmt: skip
