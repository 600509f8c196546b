"""Sampling of images at any positions (Jaderberg et al., "Spatial Transformer Networks", 2015)."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.creation import linspace, ones
from isograd.tensor.dtypes import float32, int64, is_low_precision
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import stack

__all__ = ["affine_grid", "grid_sample"]


def _centres(n: int, corners: bool, like: Tensor) -> Tensor:
    """Positions of ``n`` elements in [-1, 1]."""
    if n == 1:
        return like.new_zeros((1,))
    line = linspace(-1, 1, n, dtype=like.dtype, device=like.device)
    return line if corners else line * ((n - 1) / n)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The positions that an affine map sends the elements of an image to.

    Args:
        theta: (N, 2, 3) or (N, 3, 4).
        size: (N, C, H, W) or (N, C, D, H, W).
        align_corners: whether -1 and 1 are the outer elements' centres, or their edges.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3): positions (x, y[, z]), for `grid_sample`.

    Raises:
        ValueError: if the shapes do not fit.
    """
    n = len(size) - 2
    if n not in (2, 3) or tuple(theta.shape) != (size[0], n, n + 1):
        raise ValueError(
            f"affine_grid: expected theta of shape (N, 2, 3) for a size (N, C, H, W), or (N, 3, 4) "
            f"for (N, C, D, H, W), got {list(theta.shape)} and {list(size)}"
        )
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    lines = [_centres(s, bool(align_corners), theta) for s in size[2:]]
    axes = [
        line.reshape((-1,) + (1,) * (n - d - 1)).expand(tuple(size[2:]))
        for d, line in enumerate(lines)
    ]
    unit = ones(tuple(size[2:]), dtype=theta.dtype, device=theta.device)
    base = stack([*reversed(axes), unit], -1).reshape(1, -1, n + 1)  # (1, L, n + 1)
    grid = base @ theta.transpose(1, 2)  # (N, L, n)
    return grid.reshape(size[0], *size[2:], n)


def _unnormalise(grid: Tensor, size: int, corners: bool) -> Tensor:
    """From [-1, 1] to element positions."""
    if corners:
        return (grid + 1) * ((size - 1) / 2)
    return ((grid + 1) * size - 1) / 2


def _mirror(at: Tensor, low: float, high: float) -> Tensor:
    """Reflect at both ends as often as needed."""
    span = high - low
    if span <= 0:
        return at * 0
    at = (at - low).abs()
    turns = (at / span).detach().floor()
    rest = at - turns * span
    return where(turns % 2 == 0, rest + low, high - rest)


def _into(at: Tensor, size: int, mode: str, corners: bool) -> Tensor:
    """Bring positions into the image, as the padding mode says."""
    if mode == "zeros":
        return at
    if mode == "reflection":
        at = _mirror(at, 0, size - 1) if corners else _mirror(at, -0.5, size - 0.5)
    return at.clamp(0, size - 1)


def _read(flat: Tensor, places: list[Tensor], size: tuple[int, ...], check: bool) -> Tensor:
    """Elements (N, C, L) of ``flat`` (N, C, S) at integer positions (N, L); outside it is 0."""
    index: Any = 0
    valid: Any = None
    for at, n in zip(places, size, strict=True):
        index = index * n + at.clamp(0, n - 1).to(int64)
        if check:
            good = (at >= 0) & (at <= n - 1)
            valid = good if valid is None else valid & good
    out = flat.gather(2, index.unsqueeze(1).expand(-1, flat.shape[1], -1))
    return out if valid is None else where(valid.unsqueeze(1), out, 0.0)


def _cubic_weights(t: Tensor) -> list[Tensor]:
    """Keys' kernel with a = -0.75 at the four neighbours of a fraction ``t``."""
    a = -0.75

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _neighbours(
    position: Tensor, size: int, mode: str, padding: str, corners: bool
) -> list[tuple[Tensor, Tensor]]:
    """Elements to read along one axis, with their weights."""
    if mode == "bicubic":
        low = position.detach().floor()
        return [
            (_into(low + k, size, padding, corners), w)
            for k, w in zip((-1, 0, 1, 2), _cubic_weights(position - low), strict=True)
        ]
    at = _into(position, size, padding, corners)
    if mode == "nearest":
        return [(at.detach().round(), at.sign() * 0 + 1)]  # a gradient of zeros, not none
    low = at.detach().floor()
    part = at - low
    return [(low, 1 - part), (low + 1, part)]


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """The values of an image at positions (x, y[, z]) in [-1, 1].

    Args:
        mode: ``"bilinear"`` (trilinear for volumes), ``"nearest"`` or ``"bicubic"`` (images).
        padding_mode: what lies outside: ``"zeros"``, the ``"border"`` or its ``"reflection"``.
        align_corners: whether -1 and 1 are the outer elements' centres, or their edges.

    Shape:
        (N, C, H, W), (N, H', W', 2) -> (N, C, H', W'); volumes likewise with one dimension more.

    Raises:
        RuntimeError: if the shapes or dtypes do not fit.
        ValueError: for an unknown mode.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError("nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' "
                         f"or 'bicubic', but got: '{mode}'")  # fmt: skip
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    n = input.ndim - 2
    if n not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions and "
            f"{n} positions, but got input with sizes {list(input.shape)} and grid with sizes "
            f"{list(grid.shape)}"
        )
    if input.shape[0] != grid.shape[0] or 0 in input.shape[2:]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size and a non-empty "
            f"image, but got input with sizes {list(input.shape)} and grid with sizes "
            f"{list(grid.shape)}"
        )
    if input.dtype is not grid.dtype:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have the same dtype, but input has "
            f"{input.dtype} and grid has {grid.dtype}"
        )
    if mode == "bicubic" and n != 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if align_corners is None:
        warnings.warn("Default grid_sample and affine_grid behavior has changed to "
                      "align_corners=False since 1.3.0.", stacklevel=2)  # fmt: skip
    return _sample(input, grid, mode, padding_mode, bool(align_corners))


def _sample(input: Tensor, grid: Tensor, mode: str, padding: str, corners: bool) -> Tensor:
    if is_low_precision(input._array.dtype):  # positions need more digits
        wide = _sample(input.to(float32), grid.to(float32), mode, padding, corners)
        return wide.to(input.dtype)
    n, size = input.ndim - 2, tuple(input.shape[2:])
    flat, points = input.flatten(2), grid.reshape(grid.shape[0], -1, n)
    axes = [
        _neighbours(
            _unnormalise(points.select(-1, n - 1 - d), s, corners), s, mode, padding, corners
        )
        for d, s in enumerate(size)
    ]
    total: Any = None
    for corner in itertools.product(*axes):
        part = _read(flat, [at for at, _ in corner], size, padding == "zeros")
        weight: Any = None
        for _, w in corner:
            weight = w if weight is None else weight * w
        part = part * weight.unsqueeze(1)
        total = part if total is None else total + part
    return total.reshape(*input.shape[:2], *grid.shape[1:-1])
