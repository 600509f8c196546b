"""A record on tensors in parts, against the same on plain tensors: see `test_records`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from isograd import autograd
from isograd.distributed.tensor import DeviceMesh, Partial, Replicate, Shard
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.moves import shares
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import Cut, Seen
from isograd.tensor.door import apply
from isograd.tensor.primitive import PRIMITIVES, Primitive
from tests.checks import draw

RECORDS = sorted((r for r in PRIMITIVES.values() if r.samples is not None), key=lambda r: r.name)
Where = int | str | None


class Placing(NamedTuple):
    """Where each input is cut, into which lengths (None: balanced), and the cut that says so."""

    ins: tuple[Where, ...]
    lengths: tuple[tuple[int, ...] | None, ...]
    cut: Cut | None


# -- inputs in parts


def parts_of(x: np.ndarray, op: str, count: int, seed: int) -> list[np.ndarray]:
    """Arrays whose reduction over the positions is exactly ``x``, in any order of additions."""
    rng = np.random.default_rng(seed)
    at = rng.integers(count, size=x.shape)
    other = (at + 1 + rng.integers(max(1, count - 1), size=x.shape)) % count
    if op == "sum":
        return [np.asarray(x * (2.0 * (at == k) - (other == k))) for k in range(count)]
    rest = {
        "max": x & False if x.dtype == bool else x - 1,
        "min": x | True if x.dtype == bool else x + 1,
        "product": np.ones_like(x),
    }[op]
    return [np.asarray(np.where(at == k, x, rest)) for k in range(count)]


def in_parts(
    x: np.ndarray,
    where: tuple[Where, ...],
    mesh: DeviceMesh,
    lengths: tuple[int, ...] | None = None,
    seed: int = 0,
) -> Any:
    """The array as placed along each dimension of a mesh; plain if it is needed whole."""
    if all(w is None for w in where):
        return x.copy()
    placements = tuple(
        Replicate() if w is None else Partial(w) if isinstance(w, str) else Shard(w) for w in where
    )
    known = {w: lengths for w in where if isinstance(w, int) and lengths is not None}
    layout = Layout(mesh, x.shape, placements, known)
    pieces = []
    for k in range(mesh.first, mesh.first + mesh.count):
        part, at = x, mesh.coordinates(k)
        for m, w in enumerate(where):
            if isinstance(w, str):
                part = parts_of(part, w, mesh.shape[m], seed + m)[at[m]]
        starts, sizes = layout.boxes[k]
        box = tuple(slice(s, s + n) for s, n in zip(starts, sizes, strict=True))
        pieces.append(np.array(part[box]))
    return ShardedArray(layout, pieces)


def seen(value: Any) -> Seen:
    shape = Seen(value.shape) if isinstance(value, np.ndarray) else Seen()
    shape.kind = value.dtype.kind if isinstance(value, np.ndarray) else ""
    return shape


def placings(
    record: Primitive, inputs: Sequence[Any], params: dict[str, Any], positions: int
) -> Iterator[Placing]:
    """All placements to try; those of the record's cuts first."""
    arrays = [i for i, v in enumerate(inputs) if isinstance(v, np.ndarray)]
    balanced = (None,) * len(inputs)
    done: set[Any] = set()
    ways = record.cuts(params, *map(seen, inputs)) if record.cuts is not None else ()
    for cut in ways:
        if all(w is None or i in arrays for i, w in enumerate(cut.ins)):
            lengths = tuple(
                _multiples(inputs[i].shape[w], cut.per * cut.width(i), positions)
                if isinstance(w, int) else None
                for i, w in enumerate(cut.ins)
            )  # fmt: skip
            done.add((tuple(cut.ins), lengths))
            yield Placing(tuple(cut.ins), lengths, cut)
    for ins in _simple(inputs, arrays):
        if (ins, balanced) not in done:
            done.add((ins, balanced))
            yield Placing(ins, balanced, None)


def _multiples(n: int, unit: int, positions: int) -> tuple[int, ...]:
    return tuple(k * unit for k in shares(n // unit, positions))


def _simple(inputs: Sequence[Any], arrays: list[int]) -> Iterator[tuple[Where, ...]]:
    for d in range(max((inputs[i].ndim for i in arrays), default=0)):
        able = [i for i in arrays if d < inputs[i].ndim]
        for some in ([i] for i in able):
            yield tuple(d if i in some else None for i in range(len(inputs)))
        yield tuple(d if i in able else None for i in range(len(inputs)))
    floats = [i for i in arrays if inputs[i].dtype.kind in "fc"]
    for some in ([i] for i in floats):
        yield tuple("sum" if i in some else None for i in range(len(inputs)))
    if floats:
        yield tuple("sum" if i in floats else None for i in range(len(inputs)))


# -- running and comparing


class Result(NamedTuple):
    """Outputs, whether one is in parts, and the gradients of a fixed weighted sum of them."""

    outs: list[Any]
    in_parts: bool
    grads: list[Any]


def run(
    record: Primitive, arrays: Sequence[Any], params: dict[str, Any], twice: bool = False
) -> Result:
    """Values and gradients; ``twice``: those of the gradients as well."""
    tensors = [_leaf(a) if hasattr(a, "dtype") else a for a in arrays]
    result = apply(record, *tensors, **params)
    outs = list(result) if isinstance(result, tuple) else [result]
    parts = any(is_in_parts(o) for o in outs if o is not None)  # a look at a sum completes it
    live = [o for o in outs if isinstance(o, Tensor) and o.requires_grad]
    leaves = [t for t in tensors if isinstance(t, Tensor) and t.requires_grad]
    if not live:
        return Result(outs, parts, [])
    weights = [wrap(_weights(o)) for o in live]
    grads = autograd.grad(live, leaves, weights, create_graph=twice, allow_unused=True)
    again = [g for g in grads if g is not None and g.requires_grad] if twice else []
    if not again:
        return Result(outs, parts, list(grads))
    weights = [wrap(_weights(g)) for g in again]
    seconds = autograd.grad(again, leaves, weights, allow_unused=True)
    return Result(outs, parts, [*grads, *seconds])


def _leaf(array: Any) -> Tensor:
    made = wrap(array)
    return made.requires_grad_(True) if array.dtype.kind in "fc" else made


def _weights(out: Tensor) -> Any:
    make = draw(11)
    w = make(*out.shape)
    if out._array.dtype.kind == "c":
        w = w + 1j * make(*out.shape)
    return np.asarray(w).astype(out._array.dtype)


def same(got: Any, want: Any, what: str) -> None:
    if want is None or got is None:
        assert got is want or not np.any(_values(got if want is None else want)), what
        return
    a, b = _values(got), _values(want)
    assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
    assert a.dtype == b.dtype, f"{what}: dtype {a.dtype}, expected {b.dtype}"
    if b.dtype.kind in "biu":
        np.testing.assert_array_equal(a, b, err_msg=what)
        return
    size = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0)))
    wide = 1e-9 if b.dtype.itemsize >= 8 else 1e-5
    np.testing.assert_allclose(a, b, rtol=wide, atol=wide * size, err_msg=what)


def _values(t: Any) -> Any:
    return np.asarray(t.detach().full_tensor()._array)


def is_in_parts(t: Any) -> bool:
    return isinstance(t._array, ShardedArray) and not t._array.layout.replicated


def check(
    record: Primitive, inputs: list[Any], params: dict[str, Any], placed: list[Any],
    want: Result, what: str, twice: bool = False,
) -> bool:  # fmt: skip
    """Compare with the result on whole inputs; whether something was computed in parts."""
    shapes = [getattr(v, "shape", v) for v in inputs]
    what = f"{record.name}{shapes} {params} as {what}"
    try:
        got = run(record, placed, params, twice)
    except Exception as error:
        raise AssertionError(f"{what}: {error!r}") from error
    for o, (a, b) in enumerate(zip(got.outs, want.outs, strict=True)):
        same(a, b, f"{what}: output {o}")
    for i, (a, b) in enumerate(zip(got.grads, want.grads, strict=True)):
        same(a, b, f"{what}: gradient {i}")
    return got.in_parts


def check_placings(
    record: Primitive, mesh: DeviceMesh, brief: bool = False, twice: bool = False
) -> bool:
    """All placements of all samples on a mesh of one dimension; whether one ran in parts.

    Args:
        brief: only the first sample, placed as the record's cuts say.
        twice: second derivatives, too.
    """
    assert record.samples is not None
    ever = False
    for inputs, params in record.samples(draw(1))[: 1 if brief else None]:
        inputs = [_array(v) for v in inputs]
        want = run(record, [_copy(v) for v in inputs], params, twice)
        for ins, lengths, cut in placings(record, inputs, params, mesh.positions):
            if brief and cut is None:
                break
            placed = [
                in_parts(v, (w,), mesh, n, i) if isinstance(v, np.ndarray) else v
                for i, (v, w, n) in enumerate(zip(inputs, ins, lengths, strict=True))
            ]
            what = f"{ins} over {mesh.positions}"
            in_pieces = check(record, inputs, params, placed, want, what, twice)
            ever |= in_pieces
            if cut is not None and any(w is not None for w in cut.ins):
                expected = any(w is not None for w in cut.outs)
                assert in_pieces or not expected, f"{record.name} {what}: {cut} is not taken"
    return ever


def check_pairs(record: Primitive, mesh: DeviceMesh, most: int) -> None:
    """Pairs of the record's cuts, one along each of a mesh's two dimensions."""
    assert record.samples is not None
    inputs, params = record.samples(draw(1))[0]
    inputs = [_array(v) for v in inputs]
    ways = [p.ins for p in placings(record, inputs, params, 2) if p.cut is not None]
    if not ways:
        return
    want = run(record, [_copy(v) for v in inputs], params)
    pairs = [(a, b) for a in ways for b in ways]
    for first, second in pairs[:: 1 + len(pairs) // most]:
        placed = [
            in_parts(v, (a, b), mesh, seed=i) if isinstance(v, np.ndarray) else v
            for i, (v, a, b) in enumerate(zip(inputs, first, second, strict=True))
        ]
        check(record, inputs, params, placed, want, f"{first} and {second} over {mesh.shape}")


def _array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else value


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value
