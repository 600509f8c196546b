"""Differences and integrals of samples along a dimension; all made of primitives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.primitives.cumulative import cumsum
from isograd.tensor.primitives.logical import logical_xor
from isograd.tensor.primitives.reduction import sum as total
from isograd.tensor.primitives.shape import cat, narrow, wrap_dim
from isograd.tensor.public import public

__all__ = ["cumulative_trapezoid", "diff", "gradient", "trapezoid"]


def _pair(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """All elements along ``dim`` but the last, and all but the first."""
    n = x.shape[dim] - 1
    return narrow(x, dim, 0, n), narrow(x, dim, 1, n)


@public(out=True)
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The n-th differences of neighbours along ``dim`` (exclusive or, for bools).

    Args:
        prepend: values put before the first.
        append: values put after the last.
    """
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, input.ndim, "diff")
    if n == 0:
        return input.clone()
    parts = [x for x in (prepend, input, append) if x is not None]
    for x in parts:
        if x.ndim != input.ndim:
            raise RuntimeError(
                "diff expects prepend or append to be the same dimension as input, got "
                f"{x.ndim}D and {input.ndim}D"
            )
    x = cat(parts, dim) if len(parts) > 1 else input
    if n >= x.shape[dim]:
        return narrow(x, dim, 0, 0).clone()
    for _ in range(n):
        low, high = _pair(x, dim)
        x = logical_xor(high, low) if x.dtype.category == 0 else high - low
    return x


def _areas(y: Tensor, x: Any, dx: Any, dim: int) -> Tensor:
    """The area of each trapezoid between neighbours."""
    low, high = _pair(y, dim)
    if x is None:
        return (low + high) * (dx / 2)
    if x.ndim == 0:
        raise RuntimeError("trapezoid expects `x` to have at least 1 dimension")
    if x.ndim == 1 and y.ndim > 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                "trapezoid: There must be one `x` value for each sample point, got "
                f"{x.shape[0]} and {y.shape[dim]}"
            )
        x = x.reshape([-1 if d == dim else 1 for d in range(y.ndim)])
    elif x.shape[dim - y.ndim] != y.shape[dim]:
        raise RuntimeError(
            f"trapezoid: There must be one `x` value for each sample point, got "
            f"{x.shape[dim - y.ndim]} and {y.shape[dim]}"
        )
    left, right = _pair(x, dim - y.ndim)
    return (low + high) * (right - left) / 2


def _spacing(name: str, y: Tensor, x: Any, dx: Any) -> tuple[Any, Any]:
    if x is not None and not isinstance(x, Tensor):
        x, dx = None, x
    if x is not None and dx is not None:
        raise TypeError(f"{name}: x and dx cannot both be given")
    if y.ndim == 0:
        raise RuntimeError(f"{name}: y must have at least 1 dimension")
    return x, 1.0 if dx is None else dx


@public("trapz", method=False)
def trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of samples along ``dim`` by the trapezoidal rule.

    Args:
        x: where the samples are; else they are ``dx`` (1 by default) apart.
    """
    x, dx = _spacing("trapezoid", y, x, dx)
    dim = wrap_dim(dim, y.ndim, "trapezoid")
    if y.shape[dim] == 0:
        return total(y, dim).to(y.dtype)
    return total(_areas(y, x, dx, dim), dim)


@public(method=False)
def cumulative_trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """`trapezoid` up to each sample but the first."""
    x, dx = _spacing("cumulative_trapezoid", y, x, dx)
    dim = wrap_dim(dim, y.ndim, "cumulative_trapezoid")
    return cumsum(_areas(y, x, dx, dim), dim)


@public(method=False)
def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The derivative along each dimension by second-order central differences.

    Args:
        spacing: the distance of samples, for all dimensions or one each, or their coordinates as
            one vector for each dimension.
        edge_order: 1 or 2, the order at the ends.

    Raises:
        RuntimeError: for too few samples, or spacings that do not fit the dimensions.
    """
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    chosen = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = [wrap_dim(d, input.ndim, "gradient") for d in chosen]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"dim {dims[0]} appears multiple times in the list of dims")
    if isinstance(spacing, Tensor):
        spacing = [spacing]
    if spacing is None:
        spacing = 1
    steps = list(spacing) if isinstance(spacing, Sequence) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"equal to the number of dimensions, but got {len(steps)} for {len(dims)}"
        )
    return tuple(
        _derivative(input, step, d, edge_order) for step, d in zip(steps, dims, strict=True)
    )


def _derivative(y: Tensor, step: Any, dim: int, edge_order: int) -> Tensor:
    n = y.shape[dim]
    if n < edge_order + 1:
        raise RuntimeError(
            "torch.gradient expected each dimension size to be at least edge_order+1"
        )
    wide = y if y.dtype.category > 1 else y.float()
    if isinstance(step, Tensor) and step.ndim:
        if step.shape[0] != n:
            raise RuntimeError(
                "torch.gradient expected each element of coordinates to match the size of its "
                f"dimension, got {step.shape[0]} and {n}"
            )
        gaps: Any = diff(step.to(wide.dtype)).reshape(
            [-1 if d == dim else 1 for d in range(y.ndim)]
        )
    else:
        gaps = wide.new_ones([n - 1 if d == dim else 1 for d in range(y.ndim)]) * step
    slopes = diff(wide, dim=dim) / gaps
    low, high = _pair(slopes, dim)
    left, right = _pair(gaps, dim)
    inner = (low * right + high * left) / (left + right)
    first, last = narrow(slopes, dim, 0, 1), narrow(slopes, dim, n - 2, 1)
    if edge_order == 2:
        a, b = narrow(gaps, dim, 0, 1), narrow(gaps, dim, 1, 1)
        first = first + (first - narrow(slopes, dim, 1, 1)) * a / (a + b)
        a, b = narrow(gaps, dim, n - 2, 1), narrow(gaps, dim, n - 3, 1)
        last = last + (last - narrow(slopes, dim, n - 3, 1)) * a / (a + b)
    return cat([first, inner, last], dim)
