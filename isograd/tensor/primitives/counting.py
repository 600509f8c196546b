"""Count values: bincount and histograms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.accumulate import accumulate
from isograd.tensor.core import Tensor
from isograd.tensor.creation import linspace
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result

__all__ = ["bincount", "histc", "histogram"]


def _bincount_forward(xp: Any, x: Any, weights: Any, *, minlength: int) -> Any:
    kind = np.dtype(np.int64) if weights is None else weights.dtype
    if x.size == 0:
        return xp.zeros(minlength, kind)
    return _counted(xp, x, weights, minlength).astype(kind)


def _counted(xp: Any, at: Any, weights: Any, minlength: int) -> Any:
    """``xp.bincount``, with weights added in their order also on the GPU."""
    if weights is None or xp is np or at.size == 0:
        return xp.bincount(at, weights, minlength)
    sums = xp.zeros((max(minlength, int(at.max()) + 1), 1), np.float64)
    accumulate(xp, sums, at, weights.astype(np.float64)[:, None])
    return sums[:, 0]


_bincount = Primitive(
    "bincount",
    _bincount_forward,
    nondifferentiable=True,
    samples=lambda make: [
        ((np.array([0, 3, 1, 1, 5]), None), {"minlength": 0}),
        ((np.array([0, 3, 1, 1]), make(4)), {"minlength": 7}),
    ],
    doc="How often each non-negative integer occurs, or the sum of its weights.",
)


@public()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... occurs, or the sum of its weights.

    Shape:
        A vector of ``max(minlength, largest + 1)``; int64, or with weights float.

    Raises:
        RuntimeError: if the input is no vector of non-negative integers, or the weights are not
            one per element.
    """
    if input.dtype.category != 1:
        raise RuntimeError(f"bincount: expected an integer tensor, got {input.dtype}")
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, got {minlength}")
    if input.numel() == 0 and input.ndim == 1:
        return apply(_bincount, input, None, minlength=minlength)
    if input.ndim != 1 or int(input._array.min()) < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None:
        if weights.shape != input.shape:
            raise RuntimeError(
                f"weights should be 1-d and have the same length as input: got "
                f"{list(weights.shape)} for {list(input.shape)}"
            )
        if weights.dtype is not dtypes.float32:
            weights = weights.to(dtypes.float64)
    return apply(_bincount, input, weights, minlength=minlength)


# -- histograms


def _bins_of(xp: Any, x: Any, edges: Any) -> tuple[Any, Any]:
    """The number of the bin of each value, and which values lie within the edges."""
    bins = edges.shape[0] - 1
    inside = (x >= edges[0]) & (x <= edges[-1])
    at = xp.searchsorted(edges, x, side="right") - 1
    return xp.clip(at, 0, bins - 1), inside  # the last bin holds its upper edge


def _even_bins(xp: Any, x: Any, low: float, high: float, bins: int) -> tuple[Any, Any]:
    inside = (x >= low) & (x <= high)
    at = ((xp.where(inside, x, low) - low) * bins / (high - low)).astype(np.int64)
    return xp.minimum(at, bins - 1), inside


def _histc_forward(xp: Any, x: Any, *, bins: int, low: Any, high: Any) -> Any:
    at, inside = _even_bins(xp, x.reshape(-1), low, high, bins)
    return xp.bincount(at[inside], minlength=bins).astype(x.dtype)


_histc = Primitive(
    "histc",
    _histc_forward,
    low_precision=True,
    nondifferentiable=True,
    samples=lambda make: [((make(3, 4),), {"bins": 3, "low": -1.5, "high": 2.0})],
    cuts=lambda params, x: [Cut((d,), ("sum",)) for d in range(len(x))],
    doc="Counts in bins of equal width.",
)


def _range_of(
    input: Tensor, low: float, high: float, widen: float, name: str
) -> tuple[float, float]:
    """The bounds; those of the data if both are equal, widened if the data are all the same."""
    if low == high and input.numel():
        low, high = float(input._array.min()), float(input._array.max())
    if low == high:
        low, high = low - widen, high + widen
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min")
    return low, high


@public(out=True)
def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
    """Counts in ``bins`` bins of equal width from ``min`` to ``max``; others are not counted.

    Args:
        min, max: equal ones stand for the range of the data.

    Raises:
        RuntimeError: if the input is not floating, or the range or the number of bins is no good.
    """
    if input.dtype.category != 2:
        raise RuntimeError(f'"histogram_cpu" not implemented for {input.dtype}: use a float tensor')
    if bins <= 0:
        raise RuntimeError(f"torch.histc: bins must be > 0, but got {bins}")
    low, high = _range_of(input, float(min), float(max), 1.0, "torch.histc")
    return apply(_histc, input, bins=bins, low=low, high=high)


def _histogram_forward(xp: Any, x: Any, edges: Any, weight: Any, *, density: bool) -> Any:
    at, inside = _bins_of(xp, x.reshape(-1), edges)
    bins = edges.shape[0] - 1
    picked = None if weight is None else weight.reshape(-1)[inside].astype(np.float64)
    counts = _counted(xp, at[inside], picked, bins).astype(x.dtype)
    if density:
        counts = counts / counts.sum() / xp.diff(edges)
    return counts.astype(x.dtype)


def _histogram_cuts(params: Any, x: Any, edges: Any, weight: Any) -> Iterable[Cut]:
    """Counts of parts add up, if they are not divided by their total."""
    if not params["density"]:
        for d in range(len(x)):
            yield Cut((d, None, d if weight else None), ("sum",))


_histogram = Primitive(
    "histogram",
    _histogram_forward,
    low_precision=True,
    nondifferentiable=True,
    samples=lambda make: [
        ((make(3, 4), np.array([-2.0, 0.0, 0.5, 1.5]), make(3, 4)), {"density": False}),
        ((make(3, 4), np.array([-2.0, 0.0, 0.5, 1.5]), None), {"density": False}),
        ((make(5), np.array([-2.0, 0.0, 0.5, 1.5]), None), {"density": True}),
    ],
    cuts=_histogram_cuts,
    doc="Counts, or sums of weights, between edges.",
)


@public()
def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """Counts of the values between edges.

    Args:
        bins: how many bins of equal width, or a vector of ascending edges.
        range: lowest and highest edge, where ``bins`` is a number; default: of the data.
        weight: what each value counts for.
        density: divide by the total and the widths, so that the integral is 1.

    Returns:
        ``(hist, bin_edges)``.

    Raises:
        RuntimeError: if the input is not floating, or the shapes or dtypes do not match.
    """
    if input.dtype.category != 2:
        raise RuntimeError(f'"histogram_cpu" not implemented for {input.dtype}: use a float tensor')
    if isinstance(bins, Tensor):
        if bins.dtype is not input.dtype or bins.ndim != 1:
            raise RuntimeError(
                f"torch.histogram: bins must be a vector of dtype {input.dtype}, got "
                f"{list(bins.shape)} of {bins.dtype}"
            )
        edges = bins
    else:
        if bins <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins}")
        given = (0.0, 0.0) if range is None else (float(range[0]), float(range[1]))
        if range is None and input.numel() == 0:
            given = (0.0, 1.0)
        low, high = _range_of(input, *given, 0.5, "torch.histogram")
        edges = linspace(low, high, int(bins) + 1, dtype=input.dtype, device=input.device)
    if weight is not None:
        if weight.dtype is not input.dtype or weight.shape != input.shape:
            raise RuntimeError(
                f"torch.histogram: weight must have the dtype and shape of the input, got "
                f"{list(weight.shape)} of {weight.dtype} for {list(input.shape)} of {input.dtype}"
            )
    hist = apply(_histogram, input, edges, weight, density=density)
    return named_result("histogram", ("hist", "bin_edges"), (hist, edges))
