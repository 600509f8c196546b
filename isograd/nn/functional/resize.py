"""Resizing of images: nearest, linear, cubic, antialiased, and by areas."""

from __future__ import annotations

import math
import warnings
from typing import Any

from isograd.nn.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from isograd.tensor import dtypes
from isograd.tensor.core import Tensor
from isograd.tensor.primitives.resampling import (
    Taps,
    cubic,
    linear,
    nearest,
    resample,
    smooth,
)

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_SPATIAL = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def _per_axis(value: Any, n: int, what: str) -> list[Any]:
    listed = list(value) if isinstance(value, (list, tuple)) else [value] * n
    if len(listed) != n:
        raise ValueError(
            f"Input and output must have the same number of spatial dimensions, but got input with "
            f"{n} spatial dimensions and {what} of {listed}. Please provide one value for each."
        )
    return listed


def _sizes(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[list[int], list[float | None]]:
    """Output lengths, and the scale given for each axis (None: take it from the lengths)."""
    n = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "either size or scale_factor should be defined"
            if size is None
            else "only one of size or scale_factor should be defined"
        )
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return [int(v) for v in _per_axis(size, n, "output size")], [None] * n
    factors = [float(v) for v in _per_axis(scale_factor, n, "scale_factor")]
    counts = [math.floor(s * f) for s, f in zip(input.shape[2:], factors, strict=True)]
    return counts, [None] * n if recompute else list(factors)


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Resize the spatial dimensions of (N, C, ...) to ``size`` or by ``scale_factor``.

    Args:
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"`` (3-D input), ``"bilinear"``,
            ``"bicubic"`` (4-D), ``"trilinear"`` (5-D) or ``"area"``.
        align_corners: place the outer elements' centres, not their edges, on each other.
        recompute_scale_factor: derive the scales from the rounded sizes.
        antialias: smooth when shrinking (bilinear and bicubic).

    Raises:
        NotImplementedError: if the mode does not fit the number of dimensions.
        ValueError: for arguments that contradict each other.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: "
                             "linear | bilinear | bicubic | trilinear")  # fmt: skip
    elif mode not in _SPATIAL or input.ndim != _SPATIAL[mode] + 2:
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{input.ndim}D) for the modes: nearest | linear (3D) | bilinear | bicubic (4D) | "
            f"trilinear (5D) | area | nearest-exact (got {mode})"
        )
    if input.ndim not in (3, 4, 5):
        raise NotImplementedError(
            f"interpolate: only 3D, 4D and 5D inputs are supported, got {input.ndim}D"
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError("Anti-alias option is restricted to bilinear and bicubic modes and "
                         "requires a 4-D tensor as input")  # fmt: skip
    counts, factors = _sizes(input, size, scale_factor, recompute_scale_factor)
    if min(counts) < 1 or 0 in input.shape[1:]:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(input.shape)} "
            f"and output {counts}"
        )
    if mode == "area":
        return _AREA[len(counts)](input, counts)
    maps = [
        _map(mode, s, c, bool(align_corners), f, antialias, input)
        for s, c, f in zip(input.shape[2:], counts, factors, strict=True)
    ]
    if all(m is None for m in maps):
        return input.clone()
    return resample(input, tuple(maps))


def _map(
    mode: str, size: int, count: int, corners: bool, factor: float | None, antialias: bool,
    input: Tensor,
) -> Taps | None:  # fmt: skip
    if size == count and (factor is None or factor == 1 or corners):
        return None
    scale = 1 / factor if factor else size / count
    kind = "float64" if input.dtype is dtypes.float64 else "float32"
    if antialias:
        return smooth(size, count, corners, scale, mode)
    if mode in ("nearest", "nearest-exact"):
        return nearest(size, count, mode == "nearest-exact", scale, kind)
    return (cubic if mode == "bicubic" else linear)(size, count, corners, scale, kind)


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """The old name of `interpolate`."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` "
                  "instead.", stacklevel=2)  # fmt: skip
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode nearest."""
    warnings.warn("`nn.functional.upsample_nearest` is deprecated. Use "
                  "`nn.functional.interpolate` instead.", stacklevel=2)  # fmt: skip
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode bilinear and aligned corners."""
    warnings.warn("`nn.functional.upsample_bilinear` is deprecated. Use "
                  "`nn.functional.interpolate` instead.", stacklevel=2)  # fmt: skip
    return interpolate(input, size, scale_factor, "bilinear", True)
