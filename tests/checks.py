"""The one test helper: an operation against its reference, and its gradients.

``check_op(fn, ref, *inputs)`` compares shape, dtype and values with a NumPy reference and the
gradients with finite differences in float64, first and (where claimed) second order.
Tolerances come from one table per dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import isograd
from isograd.autograd import gradcheck, gradgradcheck

# relative and absolute, per dtype name
TOLERANCE = {
    "float16": (2e-3, 1e-3),
    "bfloat16": (1.6e-2, 1e-2),
    "float32": (1e-5, 1e-6),
    "float64": (1e-10, 1e-12),
    "complex64": (1e-5, 1e-6),
    "complex128": (1e-10, 1e-12),
}


def assert_close(got: Any, want: Any, dtype: str = "float32", what: str = "") -> None:
    """Equal shapes, and values within the dtype's tolerance (nan equals nan)."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    rtol, atol = TOLERANCE.get(dtype, (0.0, 0.0))
    np.testing.assert_allclose(
        got.astype(want.dtype if want.dtype.kind == "c" else np.float64), want, rtol, atol,
        err_msg=what,
    )  # fmt: skip


def draw(seed: int = 0) -> Callable[..., Any]:
    """``make(*shape, low=-2.0, high=2.0)``: float64 arrays, the same for the same seed."""
    rng = np.random.default_rng(seed)

    def make(*shape: int, low: float = -2.0, high: float = 2.0) -> Any:
        return rng.uniform(low, high, shape)

    return make


def check_op(
    fn: Callable[..., Any],
    ref: Callable[..., Any],
    *inputs: Any,
    dtypes: Sequence[str] = ("float32", "float64"),
    grad: bool = True,
    second: bool = True,
    **params: Any,
) -> None:
    """Values against ``ref`` in every dtype; gradients against finite differences in float64.

    Args:
        inputs: shapes (tuples), arrays or numbers.
    """
    make = draw()
    values = [make(*v) if isinstance(v, tuple) else v for v in inputs]
    for name in dtypes:
        d = getattr(isograd, name)
        tensors = [isograd.tensor(v).to(d) if isinstance(v, np.ndarray) else v for v in values]
        arrays = [
            _wide(t).numpy() if isograd.is_tensor(t) and d.category > 1 else _plain(t)
            for t in tensors
        ]
        got, want = fn(*tensors, **params), ref(*arrays, **params)
        assert_close(_wide(got.detach()).numpy(), want, name, f"{name} values")
    if grad:
        check_grad(fn, values, params, second)


def _wide(t: Any) -> Any:
    return t.to(isograd.complex128 if t.is_complex() else isograd.float64)


def _plain(t: Any) -> Any:
    return t.numpy() if isograd.is_tensor(t) else t


def check_grad(
    fn: Callable[..., Any], values: Sequence[Any], params: dict[str, Any], second: bool = True
) -> None:
    """First and second derivatives against finite differences, all floating inputs."""
    tensors = [
        isograd.tensor(v).requires_grad_(v.dtype.kind in "fc") if isinstance(v, np.ndarray) else v
        for v in values
    ]
    if not any(isograd.is_tensor(t) and t.requires_grad for t in tensors):
        return

    def call(*xs: Any) -> Any:
        out = fn(*xs, **params)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        kept = [o for o in outs if o.is_floating_point() or o.is_complex()]
        return [o for o in kept if o.requires_grad] or kept

    assert gradcheck(call, tensors, fast_mode=False)
    if second and any(o.requires_grad for o in call(*tensors)):
        assert gradgradcheck(call, tensors, fast_mode=True)
