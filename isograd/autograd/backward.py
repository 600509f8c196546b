"""``backward``, ``grad`` and what a tensor knows of gradients: the autograd floor's public face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from isograd.autograd.engine import run_backward
from isograd.autograd.node import KeepGrad, Node, _Handle
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import recorder
from isograd.tensor.spread import SpreadArray

__all__ = ["backward", "clear_grad", "grad"]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``.grad`` of the leaves they were made from.

    Args:
        grad_tensors: the gradient with respect to each tensor; not needed for scalars.
        retain_graph: keep the graph for another call; by default as ``create_graph``.
        create_graph: record the backward pass, for higher derivatives.
        inputs: add into these tensors' ``.grad`` only.

    Raises:
        RuntimeError: if a tensor has no history, or is not a scalar and has no gradient given.
    """
    roots, grads = _roots("backward", tensors, grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    wanted = None if inputs is None else _listed(inputs)
    if wanted is not None and not wanted:
        raise RuntimeError("backward: inputs argument cannot be empty.")
    run_backward(roots, grads, retain, create_graph, wanted)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of ``sum(outputs * grad_outputs)`` with respect to ``inputs``; ``.grad`` stays.

    Args:
        only_inputs: True; leave ``.grad`` of other leaves alone.
        allow_unused: give None for inputs the outputs do not depend on, instead of raising.
        materialize_grads: give zeros for them.

    Raises:
        RuntimeError: if an input does not require a gradient or was not used.
    """
    if not only_inputs:
        raise NotImplementedError("grad: expected only_inputs=True; call backward() for the others")
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched=True is not supported; loop over rows")
    roots, grads = _roots("grad", outputs, grad_outputs)
    wanted = _listed(inputs)
    for i, t in enumerate(wanted):
        if not t.requires_grad:
            raise RuntimeError(f"grad: One of the differentiated Tensors (input {i}) does not "
                               "require grad")  # fmt: skip
    retain = create_graph if retain_graph is None else retain_graph
    found = run_backward(roots, grads, retain, create_graph, wanted, accumulate=False)
    if materialize_grads:
        return tuple(t.new_zeros(t.shape) if g is None else g
                     for t, g in zip(wanted, found, strict=True))  # fmt: skip
    if not allow_unused and any(g is None for g in found):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return tuple(found)


def _listed(tensors: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _roots(name: str, tensors: Any, grads: Any) -> tuple[list[Tensor], list[Tensor]]:
    roots = _listed(tensors)
    given = [None] * len(roots) if grads is None else (
        [grads] if isinstance(grads, Tensor) else list(grads))  # fmt: skip
    if len(given) != len(roots):
        raise RuntimeError(f"{name}: got {len(roots)} tensors and {len(given)} gradients")
    out = []
    for i, (root, g) in enumerate(zip(roots, given, strict=True)):
        if not root.requires_grad:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn"
            )
        out.append(_root_grad(root, g))
    return roots, out


def _root_grad(root: Tensor, g: Any) -> Tensor:
    if g is None:
        if root.numel() != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if not root.is_floating_point():
            raise RuntimeError(
                f"grad can be implicitly created only for real scalar outputs but got {root.dtype}"
            )
        return _ones(root)
    if not isinstance(g, Tensor):
        raise TypeError(f"backward: gradients must be Tensors or None, got {type(g).__name__}")
    if g.shape != root.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output has a shape of {g.shape} and output has a shape of "
            f"{root.shape}."
        )
    return g


def _ones(root: Tensor) -> Tensor:
    array = root._array
    if isinstance(array, SpreadArray):
        return wrap(array.full(1, array.dtype))
    array = array.copy()
    array.fill(1)
    return wrap(array)


def _tensor_backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """See :func:`isograd.autograd.backward`."""
    backward(self, gradient, retain_graph, create_graph, inputs)


def _up_to_date(t: Tensor) -> Tensor:
    base = t._base
    if base is not None and base._epoch != t._epoch:
        recorder().refresh(t)
    return t


def _get_requires_grad(self: Tensor) -> bool:
    """Whether operations on this tensor are recorded."""
    return _up_to_date(self)._requires_grad


def _set_requires_grad(self: Tensor, value: bool) -> None:
    if _up_to_date(self)._node is not None:
        if not value:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        return
    if value and self.dtype.category < 2:
        raise RuntimeError(
            "only Tensors of floating point and complex dtype can require gradients, got "
            f"{self.dtype}"
        )
    self._requires_grad = bool(value)


def _requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Set ``requires_grad``; returns the tensor."""
    _set_requires_grad(self, requires_grad)
    return self


def _get_grad(self: Tensor) -> Tensor | None:
    """The gradient accumulated by `backward`, or None."""
    g = self._grad
    if g is not None and isinstance(g._array, SpreadArray):
        g._array = g._array.settled(self._array)
    return g


def _set_grad(self: Tensor, value: Tensor | None) -> None:
    if value is not None:
        if not isinstance(value, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value)}")
        if value.shape != self.shape:
            raise RuntimeError(
                f"assigned grad has data of a different size: expected {tuple(self.shape)}, got "
                f"{tuple(value.shape)}"
            )
        if value.device != self.device:
            raise RuntimeError(
                f"assigned grad has data located on a different device: expected {self.device}, "
                f"got {value.device}"
            )
    self._grad = value


def clear_grad(leaf: Tensor, set_to_none: bool) -> None:
    """Forget a leaf's gradient, or set it to zero where it is: whoever holds it sees that."""
    g = leaf._grad
    if g is None or set_to_none:
        leaf._grad = None
        return
    if g.grad_fn is not None:
        leaf._grad = g = g.detach()
    g._requires_grad = False
    g._array.fill(0)  # of one in pieces nobody has to know what it was
    g._bump()


def _grad_fn(self: Tensor) -> Node | None:
    """The node that made this tensor, or None for a leaf."""
    node: Node | None = _up_to_date(self)._node
    return node


def _register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> _Handle:
    """Call ``hook(grad)`` when this tensor's gradient is known; it may return another one.

    Raises:
        RuntimeError: if the tensor does not require a gradient.
    """
    if not _get_requires_grad(self):
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = self._node
    if node is None:
        if self._hooks is None:
            self._hooks = []
        return _Handle(self._hooks, hook)
    if node.pre_hooks is None:
        node.pre_hooks = {}
    return _Handle(node.pre_hooks.setdefault(self._index, []), hook)


def _register_post_hook(self: Tensor, hook: Callable[[Tensor], None]) -> _Handle:
    """Call ``hook(tensor)`` after a gradient was added to this leaf's ``.grad``.

    Raises:
        RuntimeError: if the tensor is not a leaf that requires a gradient.
    """
    if self._node is not None or not self._requires_grad:
        raise RuntimeError(
            "post accumulate grad hooks can only be registered on leaf tensors that require grad"
        )
    if self._post_accumulate_hooks is None:
        self._post_accumulate_hooks = []
    return _Handle(self._post_accumulate_hooks, hook)


def _retain_grad(self: Tensor) -> None:
    """Make `backward` keep this non-leaf tensor's gradient in ``.grad``."""
    if not _get_requires_grad(self):
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self._node is None or self._retains_grad:
        return
    self._retains_grad = True
    _register_hook(self, KeepGrad(self))


def _detach_(self: Tensor) -> Tensor:
    """Cut this tensor off its history, in place."""
    if self._base is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead")
    self._node, self._index, self._requires_grad = None, 0, False
    return self


def _is_inference(self: Tensor) -> bool:
    """Always False: results of `inference_mode` are ordinary tensors without a history."""
    return False


def _install() -> None:
    namespace: dict[str, Any] = {
        "backward": _tensor_backward,
        "requires_grad": property(_get_requires_grad, _set_requires_grad),
        "requires_grad_": _requires_grad_,
        "grad": property(_get_grad, _set_grad),
        "grad_fn": property(_grad_fn),
        "is_leaf": property(lambda self: _up_to_date(self)._node is None),
        "output_nr": property(lambda self: self._index),
        "retains_grad": property(lambda self: self._retains_grad),
        "register_hook": _register_hook,
        "register_post_accumulate_grad_hook": _register_post_hook,
        "retain_grad": _retain_grad,
        "detach_": _detach_,
        "is_inference": _is_inference,
    }
    for name, value in namespace.items():
        setattr(Tensor, name, value)


_install()
