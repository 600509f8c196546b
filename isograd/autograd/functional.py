"""Derivatives of functions: ``jacobian``, ``hessian``, ``vjp``, ``jvp``, ``vhp``, ``hvp``.

Forward-mode products come from two reverse passes: the gradient is linear in its seed ``v``, so
differentiating ``v -> J^T v`` along ``u`` gives ``J u``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isograd.autograd.backward import grad
from isograd.autograd.modes import enable_grad
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.primitives.shape import stack

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]


def _tuple(value: Any, name: str) -> tuple[Tensors, bool]:
    if isinstance(value, Tensor):
        return (value,), False
    if not isinstance(value, (tuple, list)) or not all(isinstance(v, Tensor) for v in value):
        raise TypeError(
            f"{name} must be a Tensor or a tuple of Tensors, got {type(value).__name__}"
        )
    return tuple(value), True


def _fresh(inputs: Tensors, create_graph: bool) -> Tensors:
    if create_graph:
        return tuple(
            t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs
        )
    return tuple(t.detach().requires_grad_() for t in inputs)


def _run(func: Callable[..., Any], inputs: Any, create_graph: bool) -> Any:
    xs, many = _tuple(inputs, "inputs")
    with enable_grad():
        xs = _fresh(xs, create_graph)
        outs, many_out = _tuple(func(*xs), "outputs of the function")
    return xs, many, outs, many_out


def _gradients(outs: Tensors, xs: Tensors, seeds: Any, create: bool, strict: bool) -> Tensors:
    live = [(o, s) for o, s in zip(outs, seeds, strict=True) if o.requires_grad]
    if strict and len(live) < len(outs):
        raise RuntimeError("an output of the function is independent of its inputs (strict=True)")
    if not live:
        return tuple(x.new_zeros(x.shape) for x in xs)
    found = grad([o for o, _ in live], xs, [s for _, s in live], create_graph=create,
                 retain_graph=True, allow_unused=True)  # fmt: skip
    if strict and any(g is None for g in found):
        raise RuntimeError("the function is independent of one of its inputs (strict=True)")
    return tuple(x.new_zeros(x.shape) if g is None else g for x, g in zip(xs, found, strict=True))


def _maybe(values: Tensors, many: bool) -> Any:
    return values if many else values[0]


def _detached(values: Tensors, create_graph: bool) -> Tensors:
    return values if create_graph else tuple(v.detach() for v in values)


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """All partial derivatives: for output ``o`` and input ``x`` a tensor ``o.shape + x.shape``."""
    if strategy != "reverse-mode":
        raise NotImplementedError(f"jacobian: strategy {strategy!r} is not supported")
    xs, many, outs, many_out = _run(func, inputs, create_graph)
    blocks = []
    for o in outs:
        rows: list[Tensors] = []
        flat = o.reshape(-1)
        for i in range(flat.numel()):
            unit = flat.new_ones(())
            rows.append(_gradients((flat[i],), xs, (unit,), create_graph, strict))
        made = []
        for k, x in enumerate(xs):
            if rows:
                made.append(stack([r[k] for r in rows]).reshape((*o.shape, *x.shape)))
            else:
                made.append(x.new_zeros((*o.shape, *x.shape)))
        blocks.append(_maybe(_detached(tuple(made), create_graph), many))
    return tuple(blocks) if many_out else blocks[0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    **kwargs: Any,
) -> Any:
    """All second derivatives of a function with one scalar output."""
    xs, many = _tuple(inputs, "inputs")

    def first(*values: Tensor) -> Any:
        out = func(*values)
        if not isinstance(out, Tensor) or out.numel() != 1:
            raise RuntimeError("The function given to hessian should return a single scalar Tensor")
        return _gradients((out.reshape(()),), values, (out.new_ones(()),), True, strict)

    found = jacobian(first, xs, create_graph=create_graph, **kwargs)
    return found if many else found[0][0]


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
        strict: bool = False) -> Any:  # fmt: skip
    """``(func(inputs), v^T J)``."""
    xs, many, outs, many_out = _run(func, inputs, create_graph)
    seeds = _seeds(v, outs, "v")
    with enable_grad():
        found = _gradients(outs, xs, seeds, create_graph, strict)
    return _maybe(_detached(outs, create_graph), many_out), _maybe(
        _detached(found, create_graph), many
    )


def _seeds(v: Any, like: Tensors, name: str) -> Tensors:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector {name} can only be None if the function returns a single scalar value"
            )
        return (like[0].new_ones(like[0].shape),)
    seeds, _ = _tuple(v, name)
    for i, (s, o) in enumerate(zip(seeds, like, strict=True)):
        if s.shape != o.shape:
            raise RuntimeError(f"{name}[{i}] has shape {tuple(s.shape)}, expected {tuple(o.shape)}")
    return seeds


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
        strict: bool = False) -> Any:  # fmt: skip
    """``(func(inputs), J v)``."""
    xs, _, outs, many_out = _run(func, inputs, create_graph)
    along = _seeds(v, xs, "v")
    with enable_grad():
        dummies = tuple(wrap(o._array * 0).requires_grad_() for o in outs)
        back = _gradients(outs, xs, dummies, True, strict)
        found = _gradients(back, dummies, along, create_graph, False)
    return _maybe(_detached(outs, create_graph), many_out), _maybe(
        _detached(found, create_graph), many_out
    )


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
        strict: bool = False) -> Any:  # fmt: skip
    """``(func(inputs), v^T H)`` of a function with one scalar output."""
    xs, many, outs, _ = _run(func, inputs, True)
    if len(outs) != 1 or outs[0].numel() != 1:
        raise RuntimeError("The function given to vhp should return a single scalar Tensor")
    along = _seeds(v, xs, "v")
    with enable_grad():
        first = _gradients(outs, xs, (outs[0].new_ones(outs[0].shape),), True, strict)
        found = _gradients(first, xs, along, create_graph, strict)
    return _detached(outs, create_graph)[0], _maybe(_detached(found, create_graph), many)


def hvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
        strict: bool = False) -> Any:  # fmt: skip
    """``(func(inputs), H v)``; equal to `vhp`, since the Hessian is symmetric."""
    return vhp(func, inputs, v, create_graph, strict)
