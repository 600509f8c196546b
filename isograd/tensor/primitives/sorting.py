"""Order along a dimension: sort, topk, kthvalue, median, mode.

Each finds *indices* first, which have no gradient, and then gathers the values, which do. All
sorts are stable and ties are decided by position, so that results do not depend on the machine's
vector instructions. nan counts as the largest value, as in torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import along
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.gathering import gather
from isograd.tensor.primitives.shape import wrap_dim
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result

__all__ = ["argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "sort", "topk"]

_TOP = 8  # up to so many, the best are taken one by one
_FEW = 256  # up to this length a full sort is as fast as a selection

# -- indices


def _order(xp: Any, x: Any, descending: bool) -> Any:
    """Stable order along the last dimension; nan last, or first where descending."""
    if not descending:
        return np.argsort(x, axis=-1, kind="stable") if xp is np else xp.argsort(x, axis=-1)
    backwards = x[..., ::-1]
    order = (
        np.argsort(backwards, axis=-1, kind="stable")
        if xp is np
        else xp.argsort(xp.ascontiguousarray(backwards), axis=-1)
    )
    return (x.shape[-1] - 1 - order)[..., ::-1]


def _along_last(
    find: Callable[..., Any],
) -> Callable[..., Any]:
    """Make ``find(xp, x, **params)``, which works along the last dimension, work along ``dim``."""

    def forward(xp: Any, x: Any, *, dim: int, params: Any) -> Any:
        if x.ndim == 0:
            return xp.zeros((), np.int64)
        found = find(xp, xp.moveaxis(x, dim, -1), **dict(params))
        return xp.ascontiguousarray(xp.moveaxis(found.astype(np.int64, copy=False), -1, dim))

    return forward


def _indices(
    name: str, find: Callable[..., Any], sample: tuple[tuple[str, Any], ...], doc: str
) -> Callable[..., Tensor]:
    record = Primitive(
        name, _along_last(find), low_precision=True, nondifferentiable=True, cuts=along("dim"),
        samples=lambda make: [((make(3, 4),), {"dim": 1, "params": sample})], doc=doc,
    )  # fmt: skip

    def function(x: Tensor, dim: int, **params: Any) -> Tensor:
        return apply(record, x, dim=dim, params=tuple(params.items()))

    return function


def _topk(xp: Any, x: Any, *, k: int, largest: bool) -> Any:
    n = x.shape[-1]
    if xp is np and 0 < k <= _TOP and n > _FEW and x.dtype.kind in "fi" and x.size:
        found = _best_one_by_one(x, k, largest)
        if found is not None:
            return found
    if xp is not np or n <= _FEW or 4 * k > n or k == 0 or x.size == 0 or _has_nan(xp, x):
        return _order(xp, x, largest)[..., :k]
    edge = np.partition(x, n - k if largest else k - 1, axis=-1)
    edge = edge[..., n - k : n - k + 1] if largest else edge[..., k - 1 : k]
    inside = x > edge if largest else x < edge
    tie = x == edge
    room = k - inside.sum(-1, keepdims=True)
    chosen = inside | (tie & (tie.cumsum(-1) <= room))  # the first ties fill the rest
    where = np.nonzero(chosen)[-1].reshape(*x.shape[:-1], k)
    order = _order(xp, np.take_along_axis(x, where, -1), largest)
    return np.take_along_axis(where, order, -1)


def _best_one_by_one(x: Any, k: int, largest: bool) -> Any:
    """Take the best ``k`` times; None where the values do not allow it."""
    if _has_nan(np, x):
        return None
    limits: Any = np.finfo(x.dtype) if x.dtype.kind == "f" else np.iinfo(x.dtype)
    worst = limits.min if largest else limits.max
    rest = x.copy()
    out = np.empty((*x.shape[:-1], k), np.int64)
    for j in range(k):
        at = rest.argmax(-1) if largest else rest.argmin(-1)
        at = at[..., None]
        best = np.take_along_axis(rest, at, -1)
        if (best <= worst if largest else best >= worst).any():
            return None  # a value like the mark of those already taken
        np.put_along_axis(rest, at, worst, -1)
        out[..., j : j + 1] = at
    return out


def _has_nan(xp: Any, x: Any) -> bool:
    return x.dtype.kind == "f" and bool(xp.isnan(x).any())


def _position(xp: Any, x: Any, value: Any) -> Any:
    """The first place of ``value`` (..., 1) in ``x`` (..., n); keeps the dimension."""
    same = x == value
    if x.dtype.kind == "f":
        same |= xp.isnan(x) & xp.isnan(value)
    return xp.expand_dims(same.argmax(-1), -1)


def _kth(xp: Any, x: Any, *, k: int) -> Any:
    if x.size == 0:
        return xp.zeros((*x.shape[:-1], 1), np.int64)
    return _position(xp, x, xp.partition(x, k - 1, axis=-1)[..., k - 1 : k])


def _median(xp: Any, x: Any, *, skip_nan: bool) -> Any:
    """The place of the lower median; nan wins unless skipped."""
    n = x.shape[-1]
    if not _has_nan(xp, x):
        return _kth(xp, x, k=(n + 1) // 2)
    nan = xp.isnan(x)
    good = n - nan.sum(-1, keepdims=True)
    at = xp.maximum(good - 1, 0) // 2
    value = xp.take_along_axis(xp.sort(x, axis=-1), at, -1)
    found = _position(xp, x, value)
    if skip_nan:
        return found
    return xp.where(good < n, xp.expand_dims(nan.argmax(-1), -1), found)


def _mode(xp: Any, x: Any) -> Any:
    """The last place of the most frequent value; the smallest of those equally frequent."""
    if x.size == 0:
        return xp.zeros((*x.shape[:-1], 1), np.int64)
    order = _order(xp, x, False)
    ranked = xp.take_along_axis(x, order, -1)
    first = xp.ones(x.shape, bool)
    first[..., 1:] = ranked[..., 1:] != ranked[..., :-1]
    run = xp.cumsum(first.reshape(-1)) - 1  # number of the run of equal values
    length = xp.bincount(run)[run].reshape(x.shape)
    start = xp.expand_dims(length.argmax(-1), -1)
    last = start + xp.take_along_axis(length, start, -1) - 1
    return xp.take_along_axis(order, last, -1)


_argsort = _indices(
    "argsort", lambda xp, x, *, descending: _order(xp, x, descending), (("descending", True),),
    "Stable order along `dim`.",
)  # fmt: skip
_argtopk = _indices(
    "argtopk", _topk, (("k", 2), ("largest", True)),
    "Places of the k largest or smallest, best first.",
)  # fmt: skip
_argkth = _indices("argkth", _kth, (("k", 2),), "The place of the k-th smallest.")
_argmedian = _indices(
    "argmedian", _median, (("skip_nan", False),), "The place of the lower median."
)
_argmode = _indices("argmode", _mode, (), "The place of the most frequent value.")


def _no_complex(name: str, input: Tensor) -> None:
    if input.is_complex():
        raise RuntimeError(f"{name}: complex numbers have no order, got {input.dtype}")


# -- sort


@public(out=True)
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """Values in order along ``dim``, and where they came from.

    Args:
        stable: accepted for torch's sake; every sort here keeps the order of equal values.

    Returns:
        ``(values, indices)``.

    Raises:
        RuntimeError: for complex numbers.
    """
    index = argsort(input, dim, descending)
    values = gather(input, dim, index)
    return named_result("sort", ("values", "indices"), (values, index))


@public()
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The indices that :func:`sort` returns."""
    _no_complex("sort", input)
    return _argsort(input, wrap_dim(dim, input.ndim, "sort"), descending=bool(descending))


@public(out=True)
def msort(input: Tensor) -> Tensor:
    """Values in order along the first dimension."""
    return sort(input, 0)[0]


@public(out=True)
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest (or smallest) along ``dim``; always returned in order.

    Returns:
        ``(values, indices)``.

    Raises:
        RuntimeError: if ``k`` is out of range, or for complex numbers.
    """
    _no_complex("topk", input)
    dim = wrap_dim(dim, input.ndim, "topk")
    size = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"selected index k out of range: topk of {k} among {size}")
    if input.ndim == 0:
        if k == 0:
            raise RuntimeError("selected index k out of range: topk of 0 among a single number")
        return named_result("topk", ("values", "indices"), (input.clone(), _zero_index(input)))
    index = _argtopk(input, dim, k=k, largest=largest)
    return named_result("topk", ("values", "indices"), (gather(input, dim, index), index))


def _zero_index(input: Tensor) -> Tensor:
    return _argsort(input, 0, descending=False)


# -- one value of each row


def _select(
    name: str, input: Tensor, dim: int, keepdim: bool, find: Callable[..., Tensor], **params: Any
) -> Any:
    _no_complex(name, input)
    dim = wrap_dim(dim, input.ndim, name)
    if input.ndim == 0:
        values, index = input.clone(), _zero_index(input)
        return named_result(name, ("values", "indices"), (values, index))
    if input.shape[dim] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
    index = find(input, dim, **params)
    values = gather(input, dim, index)
    if not keepdim:
        values, index = values.squeeze(dim), index.squeeze(dim)
    return named_result(name, ("values", "indices"), (values, index))


@public(out="strict")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th smallest (from 1) along ``dim``.

    Returns:
        ``(values, indices)``; of equal values the first.

    Raises:
        RuntimeError: if ``k`` is out of range, or for complex numbers.
    """
    dim = wrap_dim(dim, input.ndim, "kthvalue")
    size = input.shape[dim] if input.ndim else 1
    if not 1 <= k <= size and not (size == 0 and input.numel() == 0 and k == 0):
        raise RuntimeError(
            f"kthvalue(): selected number k out of range for dimension {dim}: {k} of {size}"
        )
    return _select("kthvalue", input, dim, keepdim, _argkth, k=k)


@public(out=True)
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent value along ``dim``; of several, the smallest.

    Returns:
        ``(values, indices)``; the index is that of its last occurrence.
    """
    return _select("mode", input, dim, keepdim, _argmode)


def _whole_median(xp: Any, x: Any, *, skip_nan: bool) -> Any:
    flat = x.reshape(-1)
    if flat.size == 0:
        return xp.asarray(np.nan if x.dtype.kind == "f" else np.iinfo(x.dtype).min).astype(x.dtype)
    return flat[_median(xp, flat, skip_nan=skip_nan)].reshape(())


def _whole_median_vjp(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
    """Equal values share the gradient."""
    same = (x.eq(out) | (x.ne(x) & out.ne(out))).to(g.dtype)
    return same * (g / same.sum())


_median_of_all = Primitive(
    "median",
    _whole_median,
    vjp={"x": _whole_median_vjp},
    low_precision=True,
    samples=lambda make: [((make(3, 5),), {"skip_nan": False})],
    doc="The lower median of all elements.",
)


def _any_median(name: str, input: Tensor, dim: int | None, keepdim: bool, skip_nan: bool) -> Any:
    _no_complex(name, input)
    if dim is None:
        return apply(_median_of_all, input, skip_nan=skip_nan)
    return _select(name, input, dim, keepdim, _argmedian, skip_nan=skip_nan)


@public(out=True)
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, of two middle values the lower; nan if there is one.

    Returns:
        A tensor, or ``(values, indices)`` along ``dim``.
    """
    return _any_median("median", input, dim, keepdim, False)


@public(out=True)
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """:func:`median` of the values that are not nan."""
    return _any_median("nanmedian", input, dim, keepdim, True)
