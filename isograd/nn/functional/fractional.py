"""Fractional max pooling: windows at random steps (Graham 2014).

The random numbers are those of the default generator, not torch's stream of the same place.
"""

from __future__ import annotations

import math
from typing import Any

from isograd.nn.functional.arguments import batched, tuple_of, unbatched
from isograd.tensor.core import Tensor
from isograd.tensor.creation import arange
from isograd.tensor.dtypes import int64
from isograd.tensor.random import rand

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d"]


def _starts(sample: Tensor, size: int, count: int, kernel: int) -> Tensor:
    """Where the windows start, (N, C, count): pseudo-random steps, the last at the end."""
    if count == 1:
        return (sample.unsqueeze(-1) * 0).to(int64) + (size - kernel)
    alpha = (size - kernel) / (count - 1)
    i = arange(count, dtype=sample.dtype, device=sample.device)
    u = sample.unsqueeze(-1)
    starts = ((i + u) * alpha).to(int64) - (u * alpha).to(int64)
    last = (i == count - 1).to(int64)
    return starts * (1 - last) + last * (size - kernel)


def _counts(
    n: int, name: str, size: tuple[int, ...], output_size: Any, output_ratio: Any
) -> tuple[int, ...]:
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is not None:
        return tuple_of(output_size, n, name, "output_size")
    ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * n
    if not all(0 < r < 1 for r in ratios):
        raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")
    return tuple(int(s * r) for s, r in zip(size, ratios, strict=True))


def _pool(
    n: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any,
    return_indices: bool, samples: Tensor | None,
) -> Any:  # fmt: skip
    name = f"fractional_max_pool{n}d"
    x, had_batch = batched(input, n, name)
    size = tuple(x.shape[2:])
    kernel = tuple_of(kernel_size, n, name, "kernel_size")
    counts = _counts(n, name, size, output_size, output_ratio)
    for s, c, k in zip(size, counts, kernel, strict=True):
        if c < 1 or c + k - 1 > s:
            raise RuntimeError(
                f"{name}(): pool size {list(kernel)} and output size {list(counts)} are too large "
                f"for input {list(input.shape)}"
            )
    if samples is None:
        samples = rand(*x.shape[:2], n, dtype=x.dtype, device=x.device)
    index: Any = 0  # (N, C, *counts, *kernel)
    for d, (s, c, k) in enumerate(zip(size, counts, kernel, strict=True)):
        starts = _starts(samples.select(2, d if n == 3 else n - 1 - d), s, c, k)
        at = starts.reshape(*x.shape[:2], *(1,) * d, c, *(1,) * (2 * n - d - 1))
        step = arange(k, device=x.device).reshape((k,) + (1,) * (n - d - 1))
        index = index + (at + step) * math.prod(size[d + 1 :])
    rows = index.reshape(*x.shape[:2], math.prod(counts) * math.prod(kernel))
    taken = x.flatten(2).gather(2, rows).reshape(*x.shape[:2], *counts, math.prod(kernel))
    out, winner = taken.max(-1)
    out = unbatched(out, had_batch)
    if not return_indices:
        return out
    places = rows.reshape(taken.shape).gather(-1, winner.unsqueeze(-1)).squeeze(-1)
    return out, unbatched(places, had_batch)


def fractional_max_pool2d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Max pooling of (N, C, H, W) over windows at random steps that give ``output_size``.

    Args:
        output_size: or ``output_ratio``, a part of the input's size in (0, 1).

    Raises:
        RuntimeError: if the windows do not fit.
        ValueError: if neither or both of output_size and output_ratio are given.
    """
    return _pool(2, input, kernel_size, output_size, output_ratio, return_indices,
                 _random_samples)  # fmt: skip


def fractional_max_pool3d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Max pooling of (N, C, D, H, W) over windows at random steps; see `fractional_max_pool2d`."""
    return _pool(3, input, kernel_size, output_size, output_ratio, return_indices,
                 _random_samples)  # fmt: skip
