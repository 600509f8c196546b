"""Counter-based random numbers: Philox 4x32-10, for NumPy, CuPy and CUDA C.

Element i of draw d under seed s is a pure function of (s, d, i), i being its row-major index in the
whole, logical tensor. So a slab of a sharded tensor gets the values it has in the whole, a mask
does not depend on who draws it, and a GPU gets the CPU's bits.

    key = seed (64 bits)    counter = (i // 4, draw), 64 bits each    word = i % 4

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "CUDA_SOURCE",
    "cuda_fill_uniform",
    "cuda_kernel",
    "philox4x32",
    "philox_bits",
    "philox_normal",
    "philox_uniform",
]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the key every round
_ROUNDS = 10
_MASK = 0xFFFFFFFF
_CHUNK = 1 << 13  # counters at a time on the CPU: the temporaries stay in the cache


def philox4x32(xp: Any, counter: Sequence[Any], key: tuple[int, int]) -> tuple[Any, ...]:
    """The bijection itself: four uint32 words out of a counter of four and a key of two.

    Args:
        xp: ``numpy`` or ``cupy``.
        counter: four uint32 arrays that broadcast.
        key: two 32-bit words.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    m0, m1 = (xp.uint64(m) for m in _MULTIPLIERS)
    shift = xp.uint64(32)
    for _ in range(_ROUNDS):
        p0 = c0.astype(xp.uint64) * m0
        p1 = c2.astype(xp.uint64) * m1
        c0 = (p1 >> shift).astype(xp.uint32) ^ c1 ^ xp.uint32(k0)
        c2 = (p0 >> shift).astype(xp.uint32) ^ c3 ^ xp.uint32(k1)
        c1, c3 = p1.astype(xp.uint32), p0.astype(xp.uint32)
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def philox_bits(
    xp: Any,
    seed: int,
    draw: int,
    shape: tuple[int, ...],
    slices: tuple[slice, ...] | None = None,
) -> Any:
    """32 random bits per element of a tensor, or of a slab of it.

    Args:
        xp: ``numpy`` or ``cupy``.
        seed, draw: from ``Generator.next_draw()``; 64 bits each.
        shape: of the whole, logical tensor.
        slices: one slice of step 1 per leading dimension of the slab wanted; None is all of it.

    Returns:
        uint32 of the slab's shape, equal to ``philox_bits(xp, seed, draw, shape)[slices]``.
    """
    ranges = _ranges(shape, slices)
    out_shape = tuple(stop - start for start, stop in ranges)
    if math.prod(out_shape) == 0:
        return xp.empty(out_shape, xp.uint32)
    starts, run = _runs(shape, ranges)
    if len(starts) == 1:
        start = int(starts[0])
        first, last = start // 4, (start + run - 1) // 4
        words = _words(xp, seed, draw, xp.arange(first, last + 1, dtype=xp.uint64))
        return words[start % 4 : start % 4 + run].reshape(out_shape)
    # one run of ``run`` elements per row, each beginning anywhere within a counter's four words
    starts = xp.asarray(starts)
    counters = (starts // 4)[:, None] + xp.arange((run + 6) // 4, dtype=xp.int64)
    words = _words(xp, seed, draw, counters.reshape(-1)).reshape(len(starts), -1)
    columns = (starts % 4)[:, None] + xp.arange(run, dtype=xp.int64)
    return xp.take_along_axis(words, columns, axis=1).reshape(out_shape)


def philox_uniform(
    xp: Any,
    seed: int,
    draw: int,
    shape: tuple[int, ...],
    slices: tuple[slice, ...] | None = None,
    dtype: Any = np.float32,
) -> Any:
    """Uniform in [0, 1): float32 from 24 bits of one word, float64 from 53 bits of two.

    Example:
        >>> whole = philox_uniform(np, 1, 0, (4, 6))
        >>> slab = philox_uniform(np, 1, 0, (4, 6), (slice(1, 3), slice(2, 5)))
        >>> bool((whole[1:3, 2:5] == slab).all())
        True
    """
    if np.dtype(dtype) == np.float32:
        bits = philox_bits(xp, seed, draw, shape, slices) >> xp.uint32(8)
        return bits.astype(xp.float32) * xp.float32(2.0**-24)
    if np.dtype(dtype) != np.float64:
        raise RuntimeError(f"philox: expected float32 or float64, got {np.dtype(dtype)}; convert")
    high, low = _two_words(xp, seed, draw, shape, slices)
    bits = (high.astype(xp.uint64) << xp.uint64(21)) | (low >> xp.uint32(11)).astype(xp.uint64)
    return bits.astype(xp.float64) * 2.0**-53


def philox_normal(
    xp: Any,
    seed: int,
    draw: int,
    shape: tuple[int, ...],
    slices: tuple[slice, ...] | None = None,
    dtype: Any = np.float32,
) -> Any:
    """Standard normal by Box-Muller, two words per element, so that each stands alone.

    The bits are the same everywhere; the logarithm and the cosine are those of ``xp``.
    """
    target = np.dtype(dtype)
    if target not in (np.float32, np.float64):
        raise RuntimeError(f"philox: expected float32 or float64, got {target}; convert")
    radius_bits, angle_bits = _two_words(xp, seed, draw, shape, slices)
    scale = target.type(2.0**-24 if target == np.float32 else 2.0**-32)
    drop = xp.uint32(8 if target == np.float32 else 0)
    u = ((radius_bits >> drop).astype(target) + target.type(1)) * scale  # (0, 1]
    v = (angle_bits >> drop).astype(target) * scale
    return xp.sqrt(target.type(-2) * xp.log(u)) * xp.cos(target.type(2 * math.pi) * v)


def _two_words(
    xp: Any, seed: int, draw: int, shape: tuple[int, ...], slices: tuple[slice, ...] | None
) -> tuple[Any, Any]:
    """Words 2i and 2i + 1 for element i: a trailing dimension of two."""
    padding = (slice(None),) * (len(shape) - len(slices or ()))
    both = philox_bits(xp, seed, draw, (*shape, 2), (*(slices or ()), *padding, slice(None)))
    return both[..., 0], both[..., 1]


def _words(xp: Any, seed: int, draw: int, counters: Any) -> Any:
    """The four words of every counter, flat: (n,) -> uint32 (4 n,)."""
    out = xp.empty((len(counters), 4), xp.uint32)
    key = (seed & _MASK, seed >> 32 & _MASK)
    high_words = xp.asarray([draw & _MASK, draw >> 32 & _MASK], xp.uint32)
    step = _CHUNK if xp is np else max(len(counters), 1)
    for begin in range(0, len(counters), step):
        index = counters[begin : begin + step].astype(xp.uint64)
        counter = (
            (index & xp.uint64(_MASK)).astype(xp.uint32),
            (index >> xp.uint64(32)).astype(xp.uint32),
            high_words[:1],
            high_words[1:],
        )
        for column, word in enumerate(philox4x32(xp, counter, key)):
            out[begin : begin + step, column] = word
    return out.reshape(-1)


def _ranges(shape: tuple[int, ...], slices: tuple[slice, ...] | None) -> list[tuple[int, int]]:
    """[start, stop) per dimension of the slab."""
    given = slices or ()
    if len(given) > len(shape):
        raise RuntimeError(f"philox: {len(given)} slices for the {len(shape)} dimensions {shape}")
    ranges = []
    for size, part in zip(shape, (*given, *(slice(None),) * (len(shape) - len(given)))):
        start, stop, step = part.indices(size)
        if step != 1:
            raise RuntimeError(f"philox: expected slices of step 1, got {part} for {shape}")
        ranges.append((start, max(start, stop)))
    return ranges


def _runs(shape: tuple[int, ...], ranges: list[tuple[int, int]]) -> tuple[Any, int]:
    """The slab as runs of consecutive elements: first index of each (int64), common length."""
    inner = len(shape)  # the dimensions from here on form one run
    run = stride = 1
    while inner > 0:
        inner -= 1
        start, stop = ranges[inner]
        run, whole = run * (stop - start), stop - start == shape[inner]
        offset = start * stride
        stride *= shape[inner]
        if not whole:
            break
    else:
        return np.zeros(1, np.int64), run
    starts = np.array([offset], np.int64)
    for dimension in reversed(range(inner)):
        begin = np.arange(*ranges[dimension], dtype=np.int64) * stride
        starts = (begin[:, None] + starts).reshape(-1)
        stride *= shape[dimension]
    return starts, run


CUDA_SOURCE = r"""
typedef unsigned int u32;
typedef unsigned long long u64;

__device__ __forceinline__ uint4 philox4x32(uint4 c, u32 k0, u32 k1) {
    #pragma unroll
    for (int round = 0; round < 10; ++round) {
        const u32 low0 = 0xD2511F53u * c.x, high0 = __umulhi(0xD2511F53u, c.x);
        const u32 low1 = 0xCD9E8D57u * c.z, high1 = __umulhi(0xCD9E8D57u, c.z);
        c = make_uint4(high1 ^ c.y ^ k0, low1, high0 ^ c.w ^ k1, low0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

// out[j] = uniform of element offset + j, j < n; one thread per four words.
// The draw number is read from device memory, so a captured graph draws anew at each replay.
extern "C" __global__ void philox_uniform(
        float* out, u64 n, u64 seed, const u64* draw, u64 offset) {
    const u64 d = *draw, first = offset >> 2, last = (offset + n + 3) >> 2;
    const u64 step = (u64)gridDim.x * blockDim.x;
    for (u64 b = first + (u64)blockIdx.x * blockDim.x + threadIdx.x; b < last; b += step) {
        const uint4 c = philox4x32(
            make_uint4((u32)b, (u32)(b >> 32), (u32)d, (u32)(d >> 32)),
            (u32)seed, (u32)(seed >> 32));
        const u32 word[4] = {c.x, c.y, c.z, c.w};
        #pragma unroll
        for (int lane = 0; lane < 4; ++lane) {
            const u64 i = 4 * b + lane;
            if (i >= offset && i < offset + n) out[i - offset] = (word[lane] >> 8) * 0x1p-24f;
        }
    }
}

extern "C" __global__ void philox_advance(u64* draw, u64 count) { *draw += count; }
"""


def cuda_fill_uniform(out: Any, seed: int, draw: Any, offset: int = 0) -> None:
    """Fill a contiguous float32 CuPy array by the kernel, on the current stream.

    Args:
        out: elements ``offset`` to ``offset + out.size`` of the logical tensor.
        draw: a uint64 CuPy array of one element: the draw number, read when the kernel runs.
            ``cuda_kernel("philox_advance")((1,), (1,), (draw, count))`` moves it on, which a
            captured graph can do itself.
    """
    if out.dtype != np.float32 or not out.flags.c_contiguous:
        raise RuntimeError(f"philox: expected a contiguous float32 array, got {out.dtype}")
    if out.size == 0:
        return
    threads = 256
    grid = min(-(-(out.size // 4 + 2) // threads), 4096)
    arguments = (out, np.uint64(out.size), np.uint64(seed), draw, np.uint64(offset))
    cuda_kernel("philox_uniform")((grid,), (threads,), arguments)


@functools.cache
def cuda_kernel(name: str) -> Any:
    """A kernel of `CUDA_SOURCE`, compiled once: ``philox_uniform`` or ``philox_advance``."""
    import cupy

    return cupy.RawKernel(CUDA_SOURCE, name)
