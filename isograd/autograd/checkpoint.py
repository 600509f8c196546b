"""Activation checkpointing: keep a segment's inputs, compute the rest again in the backward pass.

Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from isograd.autograd.backward import backward as run_backward
from isograd.autograd.function import Function
from isograd.autograd.modes import enable_grad
from isograd.autograd.recorder import state
from isograd.autograd.saved_tensors import saved_tensors_hooks
from isograd.tensor.core import Tensor
from isograd.tensor.generator import default_generator

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool = False,
    preserve_rng_state: bool = True,
    context_fn: Callable[[], tuple[Any, Any]] | None = None,
    determinism_check: str = "default",
    debug: bool = False,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)`` without keeping its intermediate results.

    Args:
        use_reentrant: run the backward of the segment as a backward pass of its own (needs an input
            that requires a gradient); by default saved tensors are computed again when asked for.
        preserve_rng_state: the second run sees the random numbers of the first.
        determinism_check: ``"default"`` compares the second run's shapes with the first's.

    Raises:
        RuntimeError: if the second run saves other tensors than the first.
    """
    if debug:
        raise NotImplementedError("checkpoint: debug=True is not supported; use anomaly mode")
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check must be 'default' or 'none', got "
                         f"{determinism_check!r}")  # fmt: skip
    if use_reentrant:
        if kwargs or context_fn is not None:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs or ["context_fn"]))
        return _Reentrant.apply(function, preserve_rng_state, *args)
    return _run_saving_nothing(
        function, args, kwargs, preserve_rng_state, context_fn, determinism_check == "default"
    )


@contextmanager
def _random_state(saved: Any) -> Iterator[None]:
    if saved is None:
        yield
        return
    now = default_generator.state_array()
    default_generator.set_state_array(saved)
    try:
        yield
    finally:
        default_generator.set_state_array(now)


class _Stop(Exception):
    """All saved tensors of the segment are there again."""


class _Replay:
    """The saved tensors of a segment, by their order; computed again at the first request."""

    def __init__(self, rerun: Callable[[], Any], check: bool) -> None:
        self.rerun, self.check = rerun, check
        self.shapes: list[Any] = []
        self.values: list[Tensor] | None = None
        self.left = 0

    def pack(self, tensor: Tensor) -> int:
        self.shapes.append((tensor.shape, tensor.dtype))
        return len(self.shapes) - 1

    def unpack(self, index: int) -> Tensor:
        if self.values is None:
            self.values = self._recompute()
            self.left = 0
        value = self.values[index]
        self.left += 1
        if self.left == len(self.shapes):  # a walk over the whole segment: let go of the memory
            self.values = None
        return value

    def _recompute(self) -> list[Tensor]:
        values: list[Tensor] = []

        def keep(tensor: Tensor) -> int:
            values.append(tensor)
            if len(values) == len(self.shapes):
                raise _Stop
            return len(values) - 1

        outer = state.saved_hooks
        try:
            with saved_tensors_hooks(keep, lambda i: values[i]), enable_grad():
                self.rerun()
        except _Stop:
            state.saved_hooks = outer
        if len(values) != len(self.shapes):
            raise RuntimeError(
                "checkpoint: A different number of tensors was saved during the original forward "
                f"and recomputation: {len(self.shapes)} and {len(values)}"
            )
        if self.check:
            for i, (t, kind) in enumerate(zip(values, self.shapes, strict=True)):
                if (t.shape, t.dtype) != kind:
                    raise RuntimeError(
                        "checkpoint: Recomputed values for the following tensors have different "
                        f"metadata than during the forward pass: tensor {i}: {kind[0]} {kind[1]} "
                        f"and {t.shape} {t.dtype}"
                    )
        return values


def _run_saving_nothing(
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
    preserve: bool,
    context_fn: Any,
    check: bool,
) -> Any:
    contexts: tuple[AbstractContextManager[Any], AbstractContextManager[Any]] = (
        (nullcontext(), nullcontext()) if context_fn is None else context_fn()
    )
    saved_state = default_generator.state_array() if preserve else None
    kept = _versions((*args, *kwargs.values()))

    def rerun() -> Any:
        _check_versions(kept)
        with _random_state(saved_state), contexts[1]:
            return function(*args, **kwargs)

    replay = _Replay(rerun, check)
    with saved_tensors_hooks(replay.pack, replay.unpack), contexts[0]:
        return function(*args, **kwargs)


def _versions(values: Sequence[Any]) -> list[tuple[Tensor, int]]:
    return [(v, v._share_version()[0]) for v in values if isinstance(v, Tensor)]


def _check_versions(kept: list[tuple[Tensor, int]]) -> None:
    for t, version in kept:
        if t._version != version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: an input of checkpoint(), [{t.dtype} {list(t.shape)}], is at "
                f"version {t._version}; expected version {version} instead"
            )


class _Reentrant(Function):
    @staticmethod
    def forward(ctx: Any, function: Any, preserve: bool, *args: Any) -> Any:
        ctx.run = function
        ctx.args, ctx.kept = args, _versions(args)
        ctx.random = default_generator.state_array() if preserve else None
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        _check_versions(ctx.kept)
        fresh = [a.detach().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a
                 for a in ctx.args]  # fmt: skip
        with _random_state(ctx.random), enable_grad():
            result = ctx.run(*fresh)
        outputs = result if isinstance(result, (tuple, list)) else (result,)
        pairs = [(o, g) for o, g in zip(outputs, grads, strict=True)
                 if isinstance(o, Tensor) and o.requires_grad]  # fmt: skip
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        run_backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[f.grad if isinstance(f, Tensor) else None for f in fresh])


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool = False, **kwargs: Any
) -> Any:
    """Run a chain of functions in ``segments`` checkpointed parts (the last one is kept)."""
    chain: Sequence[Any] = (
        list(functions.children()) if hasattr(functions, "children") else functions
    )
    size = len(chain) // segments

    def run(start: int, end: int) -> Callable[[Any], Any]:
        def part(x: Any) -> Any:
            for f in chain[start:end]:
                x = f(x)
            return x

        return part

    for i in range(segments - 1):
        input = checkpoint(
            run(i * size, (i + 1) * size), input, use_reentrant=use_reentrant, **kwargs
        )
    return run((segments - 1) * size, len(chain))(input)
