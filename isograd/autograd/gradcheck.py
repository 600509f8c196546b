"""``gradcheck`` and ``gradgradcheck``: gradients against central finite differences.

Every entry of the Jacobian is compared (not a random direction), for real and complex inputs: a
complex input is moved along the real and the imaginary axis, and torch's convention
(conjugate Wirtinger) relates the two to the gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isograd.autograd.backward import grad as gradient
from isograd.tensor.core import Tensor, wrap

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """The analytical and the numerical gradient differ."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
) -> bool:
    """Check the gradient of ``func`` at ``inputs`` against finite differences.

    Args:
        inputs: a tensor or a sequence; those that require a gradient are checked.
        eps: how far inputs are moved.
        fast_mode: compare along one random direction per input and output instead of all entries.

    Returns:
        True if all agree; False (or an exception) if not.

    Raises:
        GradcheckError: with the two Jacobians, unless ``raise_exception`` is False.
        ValueError: if no input requires a gradient.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [t for t in args if isinstance(t, Tensor) and t.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but "
                         "none of them have requires_grad=True.")  # fmt: skip
    for t in wanted:
        if t._array.dtype.itemsize < 8 * (2 if t.is_complex() else 1):
            warnings.warn(
                f"gradcheck: an input is of {t.dtype}, not double precision: the check will "
                "probably fail", stacklevel=2,
            )  # fmt: skip
    try:
        _check(func, args, wanted, eps, atol, rtol, nondet_tol, fast_mode)
        if check_undefined_grad:
            _check_zero_gradients(func, args, wanted)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(func: Callable[..., Any], args: Sequence[Any]) -> list[Tensor]:
    result = func(*args)
    listed = list(result) if isinstance(result, (tuple, list)) else [result]
    return [o for o in listed if isinstance(o, Tensor) and o.dtype.category > 1]


def _check(
    func: Callable[..., Any], args: Any, wanted: list[Tensor], eps: float, atol: float, rtol: float,
    nondet_tol: float, fast: bool,
) -> None:  # fmt: skip
    outputs = _outputs(func, args)
    count = sum(o.requires_grad for o in outputs)
    if not count and outputs:
        raise GradcheckError("gradcheck: no output requires a gradient")
    rng = np.random.default_rng(0)
    for i, t in enumerate(wanted):
        for j in range(len(outputs)):
            if fast:
                _compare_direction(func, args, t, i, j, outputs, eps, atol, rtol, rng)
                continue
            numerical = _numerical(func, args, t, j, eps)
            again = _analytical(_outputs(func, args)[j], t)
            analytical = _analytical(outputs[j], t)
            if np.abs(analytical - again).max(initial=0.0) > nondet_tol:
                raise GradcheckError(
                    f"Backward is not reentrant, i.e., running backward with same input and "
                    f"grad_output multiple times gives different values (input {i}, output {j})"
                )
            if not np.allclose(analytical, numerical, rtol, atol, equal_nan=True):
                raise GradcheckError(
                    f"Jacobian mismatch for output {j} with respect to input {i},\n"
                    f"numerical:{numerical}\nanalytical:{analytical}"
                )


def _parts(array: Any) -> Any:
    """The real coordinates of an array: (2n,) of (re, im) for complex ones, in logical order."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.float64) if flat.dtype.kind == "c" else flat


def _moves(t: Tensor, eps: float) -> Any:
    """For each real coordinate of ``t``, a function that shifts it by a multiple of ``eps``."""
    array = t._array
    steps = (1.0, 1j) if array.dtype.kind == "c" else (1.0,)
    for index in np.ndindex(array.shape):
        for step in steps:
            yield index, step * eps


def _numerical(func: Callable[..., Any], args: Any, t: Tensor, j: int, eps: float) -> Any:
    """Jacobian (input coordinates, output coordinates) by central differences."""
    array = t._array
    if 0 in [s for s, n in zip(array.strides, array.shape, strict=True) if n > 1]:
        raise ValueError("gradcheck: an input's elements share memory (expanded): clone() it")
    rows = []
    for index, step in _moves(t, eps):
        old = array[index].copy() if hasattr(array[index], "copy") else array[index]
        array[index] = old + step
        high = _parts(_outputs(func, args)[j]._array.copy())
        array[index] = old - step
        low = _parts(_outputs(func, args)[j]._array.copy())
        array[index] = old
        rows.append((high - low) / (2 * eps))
    width = _parts(_outputs(func, args)[j]._array).size
    return np.array(rows).reshape(len(rows), width)


def _analytical(out: Tensor, t: Tensor) -> Any:
    """The same Jacobian by one backward pass per output coordinate."""
    unit = np.zeros_like(out._array)
    columns = []
    rows = _parts(t._array).size
    if not out.requires_grad:
        return np.zeros((rows, _parts(out._array).size))
    for index in np.ndindex(out._array.shape):
        for step in (1.0, 1j) if unit.dtype.kind == "c" else (1.0,):
            unit[index] = step
            (g,) = gradient(out, [t], [wrap(unit.copy())], retain_graph=True, allow_unused=True)
            unit[index] = 0
            columns.append(np.zeros(rows) if g is None else _parts(g._array))
    return np.array(columns).reshape(len(columns), rows).T


def _compare_direction(
    func: Any, args: Any, t: Tensor, i: int, j: int, outputs: list[Tensor], eps: float, atol: float,
    rtol: float, rng: Any,
) -> None:  # fmt: skip
    array, out = t._array, outputs[j]
    u = rng.standard_normal(array.shape)
    v = rng.standard_normal(out._array.shape)
    if array.dtype.kind == "c":
        u = u + 1j * rng.standard_normal(array.shape)
    if out._array.dtype.kind == "c":
        v = v + 1j * rng.standard_normal(out._array.shape)
    size = max(np.linalg.norm(u), 1e-12)
    u = u / size
    old = array.copy()
    array[...] = old + eps * u
    high = _outputs(func, args)[j]._array.copy()
    array[...] = old - eps * u
    low = _outputs(func, args)[j]._array.copy()
    array[...] = old
    numerical = float(np.real(np.vdot(v, (high - low) / (2 * eps))))
    cotangent = wrap(np.asarray(v).astype(out._array.dtype))
    g = None
    if out.requires_grad:
        (g,) = gradient(out, [t], [cotangent], retain_graph=True, allow_unused=True)
    analytical = 0.0 if g is None else float(np.real(np.vdot(g._array, u)))
    scale = max(1.0, float(np.linalg.norm(v)))
    if not abs(analytical - numerical) <= atol * scale + rtol * abs(numerical):
        raise GradcheckError(
            f"Jacobian mismatch for output {j} with respect to input {i} along a random direction: "
            f"numerical {numerical}, analytical {analytical}"
        )


def _check_zero_gradients(func: Callable[..., Any], args: Any, wanted: list[Tensor]) -> None:
    """A zero gradient of the outputs must give zero gradients of the inputs."""
    outputs = [o for o in _outputs(func, args) if o.requires_grad]
    if not outputs:
        return
    zeros = [wrap(np.zeros_like(o._array)) for o in outputs]
    found = gradient(outputs, wanted, zeros, allow_unused=True)
    for i, g in enumerate(found):
        if g is not None and np.any(g._array != 0):
            raise GradcheckError(f"backward not multiplied by grad_output (input {i})")


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
) -> bool:
    """Check the gradient of the gradient of ``func`` in the same way.

    Args:
        grad_outputs: the gradients of the outputs at which to check; random ones by default.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = _outputs(func, args)
    if grad_outputs is None:
        rng = np.random.default_rng(1)
        listed = []
        for o in outputs:
            values = rng.standard_normal(o._array.shape)
            if o.is_complex():
                values = values + 1j * rng.standard_normal(o._array.shape)
            made = np.asarray(values).astype(o._array.dtype)
            if gen_non_contig_grad_outputs and made.ndim:
                made = np.repeat(made, 2, axis=-1)[..., ::2]
            listed.append(wrap(made).requires_grad_(True))
    else:
        listed = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    n = len(args)

    def first(*values: Any) -> Any:
        current = values[:n]
        seeds = values[n:]
        results = [(o, s) for o, s in zip(_outputs(func, current), seeds, strict=True)
                   if o.requires_grad]  # fmt: skip
        wanted = [t for t in current if isinstance(t, Tensor) and t.requires_grad]
        found = gradient([o for o, _ in results], wanted, [s for _, s in results],
                         create_graph=True, allow_unused=True)  # fmt: skip
        return tuple(g for g in found if g is not None)

    return gradcheck(
        first, (*args, *listed), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes, fast_mode=fast_mode,
    )  # fmt: skip
