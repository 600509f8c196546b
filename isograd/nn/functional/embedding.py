"""Look up rows of a table, alone or in bags."""

from __future__ import annotations

import numpy as np

from isograd.autograd.modes import no_grad
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.creation import zeros
from isograd.tensor.dtypes import int64
from isograd.tensor.primitives.embedding import embedding_rows
from isograd.tensor.primitives.gathering import one_hot

__all__ = ["embedding", "embedding_bag", "one_hot"]


def _padding(padding_idx: int | None, rows: int) -> int:
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"Padding_idx must be within num_embeddings: got {padding_idx} for {rows} embeddings"
        )
    return padding_idx % rows


def _limit_norms(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are used and longer than ``max_norm`` down to it, in place."""
    with no_grad():
        used = index.reshape(-1).unique()
        rows = weight[used]
        if norm_type == float("inf"):
            norms = rows.abs().amax(1)
        else:
            norms = (rows.abs() ** norm_type).sum(1) ** (1 / norm_type)
        factor = (max_norm / (norms + 1e-7)).where(norms > max_norm, norms.new_ones(()))
        weight[used] = rows * factor.unsqueeze(1)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """``weight[input]``.

    Args:
        padding_idx: this row gets no gradient.
        max_norm: longer rows that are used are first scaled down to this norm, in place.
        norm_type: which norm.
        scale_grad_by_freq: divide the gradient of a row by how often it occurs in ``input``.
        sparse: only False is supported; gradients are dense.

    Shape:
        (*), weight (rows, dim) -> (*, dim)

    Raises:
        IndexError: for a row that does not exist.
    """
    _check_sparse("embedding", sparse)
    if input.dtype.category != 1:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {input.dtype} instead (while checking arguments for embedding)"
        )
    if weight.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D: (rows, dim), got {list(weight.shape)}")
    padding = _padding(padding_idx, weight.shape[0])
    if max_norm is not None:
        _limit_norms(weight, input, max_norm, norm_type)
    return embedding_rows(weight, input, padding, scale_grad_by_freq)


def _check_sparse(name: str, sparse: bool) -> None:
    if sparse:
        raise NotImplementedError(f"{name}: sparse gradients are not supported; use sparse=False")


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of each bag; 0 for an empty bag.

    Args:
        input: row numbers: (B, n), B bags of n; or (N,), cut into bags by ``offsets``.
        offsets: (B,) where each bag starts.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        per_sample_weights: factors of the rows, like ``input``; for ``"sum"`` only.
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: this row does not count.

    Shape:
        -> (B, dim)
    """
    _check_sparse("embedding_bag", sparse)
    _check_bags(input, offsets, mode, per_sample_weights)
    flat = input.reshape(-1)
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    bag, bags = _bag_numbers(input, offsets, include_last_offset)
    padding = _padding(padding_idx, weight.shape[0])
    if max_norm is not None:
        _limit_norms(weight, flat, max_norm, norm_type)
    if padding >= 0:
        kept = flat != padding
        flat, bag = flat[kept], bag[kept]
        factors = None if factors is None else factors[kept]
    rows = embedding_rows(weight, flat, -1, scale_grad_by_freq)  # (N, dim)
    if factors is not None:
        rows = rows * factors.unsqueeze(1)
    if mode == "max":
        return _largest(rows, bag, bags)
    if input.ndim == 2 and padding < 0:
        total = rows.reshape(*input.shape, rows.shape[1]).sum(1)
        return total / max(1, input.shape[1]) if mode == "mean" else total
    total = zeros((bags, weight.shape[1]), dtype=rows.dtype, device=rows.device)
    total = total.index_add(0, bag, rows)
    if mode == "sum":
        return total
    counts = bag.bincount(minlength=bags).clamp(min=1)
    return total / counts.to(total.dtype).unsqueeze(1)


def _check_bags(
    input: Tensor, offsets: Tensor | None, mode: str, per_sample_weights: Tensor | None
) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if per_sample_weights is not None:
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                f"embedding_bag: If per_sample_weights ({list(per_sample_weights.shape)}) is not "
                f"None, then it must have the same shape as the input ({list(input.shape)})"
            )
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights was not None. per_sample_weights is only "
                f"supported for mode='sum' (got mode='{mode}'). Please open a feature request on "
                "GitHub."
            )
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated as a mini-batch of "
            "fixed length sequences. However, found offsets of type "
            f"{type(offsets)}"
        )
    if input.ndim == 1 and offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if input.ndim == 1 and offsets is not None and offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if input.ndim not in (1, 2):
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )


def _bag_numbers(input: Tensor, offsets: Tensor | None, include_last: bool) -> tuple[Tensor, int]:
    """For each element the number of its bag, and how many bags there are."""
    if offsets is None:
        bags, each = input.shape
        numbers = np.repeat(np.arange(bags), each)
    else:
        starts = offsets.detach().cpu().numpy()
        if starts.size and starts[0] != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start "
                f"from position 0. However, got {starts[0]}"
            )
        if starts.size and starts[-1] > input.numel():
            raise RuntimeError(
                "offsets[-1] can not be greater than input's length "
                f"{input.numel()} but got offsets[-1] of {starts[-1]}"
            )
        starts = starts[:-1] if include_last else starts
        bags = starts.size
        numbers = np.searchsorted(starts, np.arange(input.numel()), side="right") - 1
    return wrap(numbers.astype(np.int64)).to(input.device), bags


def _largest(rows: Tensor, bag: Tensor, bags: int) -> Tensor:
    """Maxima by bag; the gradient goes to the first row that holds them."""
    dim = rows.shape[1]
    values, numbers = rows.detach().cpu().numpy(), bag.cpu().numpy()
    places = np.zeros((bags, dim), np.int64)
    filled = np.zeros((bags, 1), values.dtype)
    for b in range(bags):
        members = np.flatnonzero(numbers == b)
        if members.size:
            places[b] = members[values[members].argmax(0)]
            filled[b] = 1
    if rows.shape[0] == 0:
        return rows.new_zeros((bags, dim))
    at = wrap(places).to(int64).to(rows.device)
    return rows.gather(0, at) * wrap(filled).to(rows.device)
