"""Covariance, correlation and quantiles; all made of primitives."""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.matrices import real
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.reduction import mean
from isograd.tensor.primitives.reduction import sum as total
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import movedim, reshape, transpose, unsqueeze, wrap_dim
from isograd.tensor.public import public

__all__ = ["corrcoef", "cov", "nanquantile", "quantile"]


def _weights(name: str, w: Tensor, x: Tensor, whole: bool) -> Tensor:
    if w.ndim > 1 or w.numel() != x.shape[1]:
        raise RuntimeError(
            f"cov(): expected {name} to have one dimension and {x.shape[1]} elements, got shape "
            f"{list(w.shape)}"
        )
    if whole != (w.dtype.category < 2):
        kind = "integral" if whole else "floating point"
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {w.dtype}")
    if w.numel() and bool((w < 0).any()):
        raise RuntimeError(f"cov(): {name} cannot be negative")
    return w


@public()
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of the rows, whose columns are observations.

    Args:
        correction: the sum is divided by the number of observations less this.
        fweights: how often each observation counts (integers).
        aweights: how much each observation weighs.
    """
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    if input.dtype.category == 0:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = reshape(input, (1, -1)) if input.ndim < 2 else input
    x = x if x.dtype.category > 1 else x.float()
    w: Any = None if fweights is None else _weights("fweights", fweights, x, True)
    if aweights is not None:
        weighed = _weights("aweights", aweights, x, False)
        w = weighed if w is None else w * weighed
    if w is None:
        norm, middle = x.shape[1] - correction, mean(x, 1, True)
        spread: Any = conj(x - middle)
    else:
        mass = total(w)
        middle = total(x * w, 1, True) / mass
        spread = conj(x - middle) * w
        scaled = w if aweights is None else w * aweights
        norm = mass - correction * (total(scaled) / mass if aweights is not None else 1)
    norm = norm.clamp(min=0) if isinstance(norm, Tensor) else max(norm, 0)
    out = matmul(x - middle, transpose(spread, 0, 1).to(x.dtype)) / norm
    return out.squeeze()


@public()
def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of the rows, whose columns are observations."""
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c
    deviations = real(c.diagonal()).sqrt()
    out = c / unsqueeze(deviations, 1) / deviations
    if out.is_complex():
        raise_to = out.real.clamp(-1, 1)
        return raise_to + 1j * out.imag.clamp(-1, 1)
    return out.clamp(-1, 1)


_MODES = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    name: str, x: Tensor, q: Any, dim: Any, keepdim: bool, mode: str, skip: bool
) -> Tensor:
    if not x.is_floating_point() or x.itemsize < 4:
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if x.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if mode not in _MODES:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {mode}"
        )
    single = not isinstance(q, Tensor) or q.ndim == 0
    wanted = q if isinstance(q, Tensor) else x.new_tensor(q)
    if wanted.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if wanted.dtype is not x.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if not bool(((wanted.detach() >= 0) & (wanted.detach() <= 1)).all()):
        raise RuntimeError(f"{name}() q must be in the range [0, 1]")
    kept = [1] * x.ndim
    if dim is None:
        rows = reshape(x, (1, -1))
    else:
        axis = wrap_dim(dim, x.ndim, name)
        kept = [1 if d == axis else n for d, n in enumerate(x.shape)]
        rows = movedim(x, axis, -1) if x.ndim else reshape(x, (1,))
        rows = reshape(rows, (-1, rows.shape[-1]))
    found = _interpolated(rows, reshape(wanted, -1), mode, skip)  # (rows, q)
    out = reshape(transpose(found, 0, 1), (found.shape[1], *kept))
    if not keepdim:
        gone = [d + 1 for d in range(x.ndim)] if dim is None else [axis + 1] if x.ndim else []
        out = out.squeeze(gone) if gone else out
    return out.squeeze(0) if single else out


def _interpolated(rows: Tensor, q: Tensor, mode: str, skip: bool) -> Tensor:
    """(rows, n) and (q) -> (rows, q)."""
    values = rows.sort(-1).values  # nans come last
    missing = rows.detach().isnan()
    if skip:
        last = (total(~missing, -1, True) - 1).clamp(min=0).to(rows.dtype)
    else:
        last = rows.new_full((rows.shape[0], 1), rows.shape[-1] - 1)
    ranks = q * last
    if not skip:
        ranks = where(missing.any(-1, keepdim=True), last, ranks)
    if mode == "lower":
        ranks = ranks.floor()
    elif mode == "higher":
        ranks = ranks.ceil()
    elif mode == "nearest":
        ranks = ranks.round()
    below = ranks.detach().floor()
    low = values.gather(-1, below.long())
    if mode in ("lower", "higher", "nearest"):
        return low
    share = 0.5 if mode == "midpoint" else ranks - below
    high = values.gather(-1, ranks.detach().ceil().long())
    return low.lerp(high, share) if mode == "linear" else low + (high - low) * share


@public(out="strict")
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """The values below which the shares ``q`` of all elements, or of those along ``dim``, lie.

    Args:
        q: a number in [0, 1], or several in a vector, which become the first dimension.
        interpolation: between two elements: ``linear``, ``lower``, ``higher``, ``midpoint`` or
            ``nearest``.

    Returns:
        nan where an element is nan.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@public(out="strict")
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """`quantile` of the numbers, without the nans."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)
