"""Repeating, turning and shifting elements; triangles of matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import Cut, along
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.views import (
    expand,
    flatten,
    reshape,
    sizes,
    transpose,
    unsqueeze,
    wrap_dim,
)
from isograd.tensor.public import public
from isograd.tensor.spread import whole

__all__ = [
    "flip",
    "fliplr",
    "flipud",
    "repeat",
    "repeat_interleave",
    "roll",
    "rot90",
    "tile",
    "tril",
    "triu",
]


@public(function=False)
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Copies side by side: ``repeats[i]`` times along dimension ``i``.

    Raises:
        RuntimeError: for fewer repeats than dimensions.
    """
    times = sizes(repeats, "repeat")
    if len(times) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    if any(n < 0 for n in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(times)}")
    have = (1,) * (len(times) - input.ndim) + tuple(input._array.shape)
    x = reshape(input, [v for s in have for v in (1, s)])
    x = expand(x, [v for n, s in zip(times, have, strict=True) for v in (n, s)])
    return reshape(x.clone(), [n * s for n, s in zip(times, have, strict=True)])


@public()
def tile(input: Tensor, *dims: Any) -> Tensor:
    """As ``repeat``, with missing repeats taken as 1."""
    times = sizes(dims, "tile")
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


_flip: Primitive = Primitive(
    "flip",
    lambda xp, x, *, dims: xp.flip(x, dims).copy(),
    vjp={"x": lambda g, dims: apply(_flip, g, dims=dims)},
    samples=lambda make: [((make(3, 4),), {"dims": (0, 1)}), ((make(3, 4),), {"dims": (1,)})],
    cuts=along("dims", sums=True),
    doc="The order along dimensions reversed; a copy.",
)


@public()
def flip(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """Reverse the order along ``dims``; a copy."""
    given = args if dims is None else (dims,)
    if not given:
        raise TypeError("flip() missing 1 required positional arguments: 'dims'")
    listed = tuple(wrap_dim(d, input.ndim, "flip") for d in sizes(given, "flip"))
    if len(set(listed)) != len(listed):
        raise RuntimeError(f"dim {listed} appears multiple times in the list of dims")
    return apply(_flip, input, dims=listed if input.ndim else ())


@public()
def fliplr(input: Tensor) -> Tensor:
    """Reverse the second dimension."""
    if input.ndim < 2:
        raise RuntimeError(f"Input must be >= 2-d, got {input.ndim}-d")
    return flip(input, 1)


@public()
def flipud(input: Tensor) -> Tensor:
    """Reverse the first dimension."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d, got 0-d")
    return flip(input, 0)


_roll: Primitive = Primitive(
    "roll",
    lambda xp, x, *, shifts, dims: xp.roll(x, shifts, dims),
    vjp={"x": lambda g, shifts, dims: apply(_roll, g, shifts=tuple(-s for s in shifts), dims=dims)},
    samples=lambda make: [
        ((make(3, 4),), {"shifts": (1, -2), "dims": (0, 1)}),
        ((make(3, 4),), {"shifts": (-1,), "dims": (1,)}),
    ],
    cuts=along("dims", sums=True),
    doc="Elements shifted along dimensions, those pushed out coming in at the other end.",
)


@public()
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Shift along dimensions, those pushed out coming in at the other end."""
    by = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None or dims == ():
        if len(by) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:0")
        return reshape(roll(reshape(input, -1), by, 0), input.shape)
    along = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(by) != len(along):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(along)}"
        )
    along = tuple(wrap_dim(d, input.ndim, "roll") for d in along)
    return apply(_roll, input, shifts=by, dims=along)


@public()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turn by ``k`` times 90 degrees from the first dimension of ``dims`` towards the second."""
    a, b = (wrap_dim(d, input.ndim, "rot90") for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got {list(dims)}")
    k %= 4
    if k == 1:
        return transpose(flip(input, b), a, b).clone()
    if k == 2:
        return flip(input, a, b)
    return transpose(flip(input, a), a, b).clone() if k == 3 else input.clone()


def _matrix_cuts(params: Any, x: tuple[int, ...]) -> Iterable[Cut]:
    for d in range(len(x) - 2):
        yield Cut((d,), (d,))
    yield Cut(("sum",), ("sum",))


def _triangle(name: str, doc: str) -> Any:
    record = Primitive(
        name,
        (lambda xp, x, *, k: xp.tril(x, k))
        if name == "tril"
        else (lambda xp, x, *, k: xp.triu(x, k)),
        vjp={"x": lambda g, k: apply(record, g, k=k)},
        samples=lambda make: [((make(2, 3, 4),), {"k": 1})],
        cuts=_matrix_cuts,
        doc=doc,
    )

    def function(input: Tensor, diagonal: int = 0) -> Tensor:
        if input.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return apply(record, input, k=diagonal)

    function.__name__, function.__doc__ = name, doc
    return public(inplace=True, out=True)(function)


tril = _triangle("tril", "The part on and below a diagonal of the last two dimensions, else 0.")
triu = _triangle("triu", "The part on and above a diagonal of the last two dimensions, else 0.")


@public()
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (along ``dim``) repeated; without ``dim`` on the flattened tensor."""
    if repeats is None:
        return repeat_interleave(wrap(np.arange(input.numel())), input, 0)
    if dim is None:
        input, dim = reshape(input, -1), 0
    dim = wrap_dim(dim, input.ndim, "repeat_interleave")
    size = input._array.shape[dim]
    if isinstance(repeats, Tensor):
        xp = backend_of(input._array).xp
        counts = whole(repeats._array) if repeats.ndim else xp.full(size, repeats.item())
        if counts.shape[0] == 1:
            counts = xp.broadcast_to(counts, (size,))
        if counts.shape[0] != size:
            raise RuntimeError(
                f"repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{counts.shape[0]} and input.size({dim}) = {size}"
            )
        index = xp.repeat(xp.arange(size), counts if xp is np else counts.tolist())
        return input.index_select(dim, wrap(index))
    if repeats < 0:
        raise RuntimeError(f"repeats can not be negative, got {repeats}")
    x = unsqueeze(input, dim + 1)
    shape = list(x._array.shape)
    shape[dim + 1] = repeats
    return flatten(expand(x, shape).clone(), dim, dim + 1)
