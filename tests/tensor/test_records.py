"""Every primitive record: complete, right in value and in first and second derivative.

Reference: the record's own forward in NumPy for values, finite differences in float64 for
gradients, on contiguous, transposed, broadcast, scalar and empty inputs.
Run: pytest tests/tensor/test_records.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd
from isograd.autograd import gradcheck, gradgradcheck
from isograd.tensor.core import wrap
from isograd.tensor.door import apply
from isograd.tensor.primitive import PRIMITIVES, Primitive
from tests.checks import draw

# Those that place tensors on a mesh are tested with it (tests/distributed/tensor).
RECORDS = sorted(
    (r for r in PRIMITIVES.values() if "distributed" not in r.forward.__module__),
    key=lambda r: r.name,
)
DIFFERENTIABLE = [r for r in RECORDS if r.differentiable]


def is_floating(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


def leaf(array: np.ndarray, layout: str = "contiguous") -> Any:
    """A leaf over an array, in the given memory layout."""
    if layout == "transposed" and array.ndim > 1:
        array = np.ascontiguousarray(array.T).T
    elif layout == "transposed" and array.ndim == 1:
        array = np.repeat(array, 2)[::2]
    else:
        array = array.copy()
    out = wrap(array)
    return out.requires_grad_(True) if array.dtype.kind in "fc" else out


def outputs(record: Primitive, tensors: list[Any], params: dict[str, Any]) -> list[Any]:
    result = apply(record, *tensors, **params)
    listed = result if isinstance(result, tuple) else (result,)
    return [o for o in listed if o.requires_grad]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.name)
def test_is_complete(record: Primitive) -> None:
    """A record has a docstring, and samples if it has a gradient; else it says it has none."""
    assert record.doc, "no docstring"
    if record.differentiable:
        assert record.samples is not None, "no samples"
        assert record.samples(draw()), "samples are empty"
    else:
        assert record.nondifferentiable, "neither a vjp nor nondifferentiable=True"


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=lambda r: r.name)
def test_gradients(record: Primitive, layout: str) -> None:
    assert record.samples is not None
    for inputs, params in record.samples(draw(1)):
        tensors = [leaf(v, layout) if isinstance(v, np.ndarray) else v for v in inputs]

        def call(*xs: Any, params: dict[str, Any] = params) -> Any:
            return outputs(record, list(xs), params)

        full = sum(v.size for v in inputs if isinstance(v, np.ndarray)) <= 40
        assert gradcheck(call, tensors, fast_mode=not full or layout != "contiguous")
        assert gradgradcheck(call, tensors, fast_mode=True)


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=lambda r: r.name)
def test_values_do_not_depend_on_the_layout(record: Primitive) -> None:
    assert record.samples is not None
    for inputs, params in record.samples(draw(2)):
        results = []
        for layout in ("contiguous", "transposed"):
            tensors = [leaf(v, layout) if isinstance(v, np.ndarray) else v for v in inputs]
            result = apply(record, *tensors, **params)
            listed = result if isinstance(result, tuple) else (result,)
            results.append([o.detach().numpy() for o in listed])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# Not everywhere differentiable, or not defined, where rows repeat: matrices that must be regular.
NEED_DISTINCT_ROWS = {
    "cholesky", "det", "eig", "eigh", "inv", "linalg_solve", "lstsq", "lu", "lu_solve", "pinv",
    "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals",
}  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [r for r in DIFFERENTIABLE if r.name not in NEED_DISTINCT_ROWS],
    ids=lambda r: r.name,
)
def test_gradients_of_broadcast_inputs(record: Primitive) -> None:
    """Inputs whose first dimension is expanded (stride 0): the gradient comes back summed."""
    assert record.samples is not None
    inputs, params = record.samples(draw(6))[0]
    rows = [leaf(v[:1]) if is_floating(v) and v.ndim and v.shape[0] > 1 else None for v in inputs]
    if not any(r is not None for r in rows):
        pytest.skip("no input with rows")

    def call(*xs: Any) -> Any:
        given = iter(xs)
        full = [
            next(given).expand(v.shape) if r is not None else leaf_or_value(v)
            for v, r in zip(inputs, rows, strict=True)
        ]
        return outputs(record, full, params)

    leaves = [r for r in rows if r is not None]
    assert gradcheck(call, leaves, fast_mode=True)
    assert gradgradcheck(call, leaves, fast_mode=True)


# Their parameters, or another input, count on the first input's shape.
NEED_ROWS = {"as_strided", "diagonal_backward", "scatter_reduce", "steps"}


def leaf_or_value(value: Any) -> Any:
    return wrap(value.copy()) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=lambda r: r.name)
def test_empty_inputs(record: Primitive) -> None:
    """No rows: an empty gradient of the right shape, or a clear error (never a wrong shape)."""
    assert record.samples is not None
    inputs, params = record.samples(draw(6))[0]
    tensors = [leaf_or_value(v) for v in inputs]
    first = next((i for i, v in enumerate(inputs) if is_floating(v) and v.ndim), None)
    if first is None or record.name in NEED_ROWS:
        pytest.skip("no input that may be empty")
    tensors[first] = leaf(inputs[first][:0])
    try:
        live = outputs(record, tensors, params)
    except (RuntimeError, ValueError, IndexError, TypeError):
        return
    for out in live:
        leaves = [t for t in tensors if isograd.is_tensor(t) and t.requires_grad]
        weight = wrap(np.ones(out.shape, out._array.dtype))
        found = isograd.autograd.grad(out, leaves, weight, retain_graph=True, allow_unused=True)
        for t, g in zip(leaves, found, strict=True):
            assert g is None or g.shape == t.shape


ELEMENTWISE = [r for r in DIFFERENTIABLE if r.promotion and not r.params and not r.variadic]


@pytest.mark.parametrize("record", ELEMENTWISE, ids=lambda r: r.name)
def test_elementwise_on_scalars_broadcast_and_empty(record: Primitive) -> None:
    assert record.samples is not None
    inputs = record.samples(draw(3))[0][0]
    scalars = [leaf(np.asarray(v.reshape(-1)[0])) for v in inputs]

    def call(*xs: Any) -> Any:
        return outputs(record, list(xs), {})

    assert gradcheck(call, scalars)
    assert gradgradcheck(call, scalars)
    empties = [leaf(v.reshape(-1)[:0].reshape(0, 3)) for v in inputs]
    (out,) = call(*empties)
    assert out.shape == (0, 3)
    out.sum().backward() if not out.is_complex() else out.real.sum().backward()
    assert all(t.grad.shape == (0, 3) for t in empties if t.requires_grad)
    column = leaf(inputs[0].reshape(-1)[:3].reshape(3, 1))
    spread = [column.expand(3, 4)] + [leaf(v.reshape(-1)[:4]) for v in inputs[1:]]
    weight = wrap(draw(4)(3, 4))

    def total(x: Any, *rest: Any) -> Any:
        return outputs(record, [x.expand(3, 4), *rest], {})[0] * weight

    assert gradcheck(total, [column, *spread[1:]])


def _is_low(record: Primitive) -> bool:
    if not record.low_precision or record.samples is None:
        return False
    inputs = record.samples(draw())[0][0]
    return not any(isinstance(v, np.ndarray) and v.dtype.kind == "c" for v in inputs)


@pytest.mark.parametrize("record", list(filter(_is_low, DIFFERENTIABLE)), ids=lambda r: r.name)
def test_low_precision_is_float32_rounded_once(record: Primitive) -> None:
    assert record.samples is not None
    inputs, params = record.samples(draw(5))[0]
    for d in (isograd.float16, isograd.bfloat16):
        low = [wrap(v).to(d) if is_floating(v) else wrap(v) if isinstance(v, np.ndarray) else v
               for v in inputs]  # fmt: skip
        wide = [t.to(isograd.float32) if isograd.is_tensor(t) and t.dtype is d else t for t in low]
        got, want = apply(record, *low, **params), apply(record, *wide, **params)
        pairs = zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]
        for a, b in pairs:
            if b.dtype is isograd.float32 and a.dtype is d:
                rounded = b.to(d).to(isograd.float32).numpy()
                np.testing.assert_array_equal(a.to(isograd.float32).numpy(), rounded)
