"""`Generator`: seeded random draws, PyTorch's CPU values for the same seed and shape.

Every method returns a fresh NumPy array and leaves the stream where PyTorch leaves it, so initial
weights and data order agree. Uniform and integer draws are bit-equal (PyTorch's AVX2/AVX-512
build, which multiplies and adds in one rounding); those behind a logarithm or a cosine agree to
the last place or two. The algorithms, found by comparing values:

- float32, float16 and bfloat16 uniforms take one 32-bit draw, float64 one 64-bit draw;
- `normal` is Box-Muller (1958) over blocks of 16: eight radii, then eight angles. Up to 15
  elements, and non-contiguous targets, take it pair by pair in float64 and keep the odd sample;
- everything else maps one uniform or one integer per element.

An in-place method of a permuted tensor draws in memory order: see `fill`. Draws that must not
depend on who makes them are counter-based instead (`isograd.tensor.philox`); the generator only
numbers them, see `Generator.next_draw`.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from isograd.tensor.devices import device as device_of
from isograd.tensor.mt19937 import Stream
from isograd.tensor.random_checks import (
    DIGITS,
    check_multinomial,
    floating,
    integer_bounds,
    largest,
)
from isograd.tensor.random_transforms import box_muller, scaled

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Generator", "default_generator", "fill", "initial_seed", "manual_seed", "seed"]

Array: TypeAlias = "NDArray[Any]"
Shape: TypeAlias = tuple[int, ...]

_DEFAULT_SEED = 67280421310721  # PyTorch's
_CHUNK = 1 << 16  # elements worked on at a time: the temporaries stay in the cache
_BLOCK = 16  # of Box-Muller
_WIDE_RANGE = 1 << 28  # integer ranges from here on take 64-bit draws


class Generator:
    """A stream of random numbers with a seed and a state, as ``torch.Generator``.

    Draw methods are atomic: threads may share a generator.

    Args:
        device: where the tensors it fills live. The stream is the same; on ``cuda`` the draws
            are counter-based and only `next_draw` is used.

    Example:
        >>> Generator().manual_seed(0).random((4,), np.dtype(np.int64), 0, 10)
        array([4, 9, 3, 0])
    """

    def __init__(self, device: str | device_of = "cpu") -> None:
        self._device = device_of(device)
        self._lock = threading.RLock()
        self._stream = Stream(_DEFAULT_SEED)
        self.from_entropy = False  # whether the seed is nobody's choice

    def __repr__(self) -> str:
        return f"<Generator device={self._device} seed={self.initial_seed()}>"

    def __getstate__(self) -> tuple[str, NDArray[np.uint8]]:
        return str(self._device), self.state_array()

    def __setstate__(self, state: tuple[str, NDArray[np.uint8]]) -> None:
        self.__init__(state[0])  # type: ignore[misc]
        self.set_state_array(state[1])

    @property
    def device(self) -> device_of:
        """The device given at construction."""
        return self._device

    # -- seed and state ---------------------------------------------------------------------

    def manual_seed(self, seed: int) -> Generator:
        """Start again from ``seed`` and return self; a negative seed counts back from 2**64.

        Raises:
            RuntimeError: if ``seed`` is not an integer.
            ValueError: if it is outside [-2**63, 2**64).
        """
        if not isinstance(seed, int | np.integer):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError(f"manual_seed: expected a seed in [-2**63, 2**64), got {seed}")
        with self._lock:
            self._stream.reseed(int(seed) % (1 << 64))
            self.from_entropy = False
        return self

    def seed(self) -> int:
        """Seed from the operating system's entropy and return the seed."""
        return self.seed_from(secrets.randbits(64))

    def seed_from(self, entropy: int) -> int:
        """Seed from entropy that several processes have agreed on; otherwise as `seed`."""
        self.manual_seed(entropy)
        self.from_entropy = True
        return self.initial_seed()

    def initial_seed(self) -> int:
        """The seed last set."""
        return self._stream.seed

    def state_array(self) -> NDArray[np.uint8]:
        """The state as 5056 bytes, PyTorch's layout (with the draw number in a free field)."""
        with self._lock:
            return self._stream.state_array()

    def set_state_array(self, array: NDArray[np.uint8]) -> None:
        """Continue from a state of `state_array`, or from PyTorch's."""
        with self._lock:
            self._stream.set_state_array(array)

    def clone_state(self) -> Generator:
        """A new generator on the same device that continues as this one does."""
        other = Generator(self._device)
        other.set_state_array(self.state_array())
        return other

    def exchange_stream(self, stream: Stream) -> Stream:
        """Draw from ``stream`` from now on, and return the one drawn from until now."""
        with self._lock:
            until_now, self._stream = self._stream, stream
        return until_now

    def next_draw(self, count: int = 1) -> tuple[int, int]:
        """Reserve ``count`` counter-based draws; returns (seed, number of the first).

        The number restarts at 0 with `manual_seed` and is part of the state.
        """
        with self._lock:
            first = self._stream.draw
            self._stream.draw += count
            return self._stream.seed, first

    # -- continuous distributions -----------------------------------------------------------

    def uniform(self, shape: Shape, dtype: DTypeLike, low: float = 0.0, high: float = 1.0) -> Array:
        """Uniform in [low, high); for float16 and bfloat16, rounded from float32.

        Raises:
            RuntimeError: if ``low > high`` or the range does not fit the dtype.
        """
        target = floating("uniform_", dtype)
        if not low <= high:
            raise RuntimeError(
                f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}"
            )
        if not math.isfinite(high - low):
            raise RuntimeError(
                f"uniform_ expects a finite range, but found from={low} to={high}; narrow it"
            )
        out = np.empty(shape, target)
        flat = out.reshape(-1)
        with self._lock:
            for part in _chunks(flat.size):
                flat[part] = scaled(self._unit(flat[part].size, target), low, high)
        if target.itemsize == 2:  # rounding may reach the excluded end: PyTorch restarts there
            out[out == target.type(high)] = target.type(low)
        return out

    def normal(
        self,
        shape: Shape,
        dtype: DTypeLike,
        mean: float = 0.0,
        std: float = 1.0,
        contiguous: bool = True,
    ) -> Array:
        """Normal with the given mean and standard deviation.

        Args:
            contiguous: whether the tensor to be filled is contiguous; PyTorch takes the pairwise
                float64 path, hence other values, when it is not.
        """
        target = floating("normal", dtype)
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
        size = math.prod(shape)
        with self._lock:
            if size >= _BLOCK and contiguous:
                flat = self._normal_blocks(size, target, mean, std)
            else:
                flat = (self._normal_pairs(size) * std + mean).astype(target)
        return flat.reshape(shape)

    def normal_from(self, mean: Array | float, std: Array | float, dtype: DTypeLike) -> Array:
        """Normal with a mean and a standard deviation per element; the two broadcast.

        ``mean`` and ``std`` should have ``dtype`` already: the arithmetic is theirs.
        """
        if np.any(np.less(std, 0)):
            raise RuntimeError("normal expects all elements of std >= 0.0")
        out = self.normal(np.broadcast_shapes(np.shape(mean), np.shape(std)), dtype)
        out *= np.asarray(std, out.dtype)
        out += np.asarray(mean, out.dtype)
        return out

    def log_normal(
        self, shape: Shape, dtype: DTypeLike, mean: float = 1.0, std: float = 2.0
    ) -> Array:
        """Exponential of a normal of this mean and standard deviation."""
        target = floating("log_normal_", dtype)
        if not std > 0:
            raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
        with self._lock:
            z = self._normal_pairs(math.prod(shape))
        return np.exp(z * std + mean).astype(target).reshape(shape)

    def exponential(self, shape: Shape, dtype: DTypeLike, lambd: float = 1.0) -> Array:
        """Exponential with rate ``lambd``: density ``lambd * exp(-lambd * x)``."""
        target = floating("exponential_", dtype)
        if not lambd > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
        return self._map_unit64(shape, target, lambda u: -1.0 / lambd * np.log1p(-u))

    def cauchy(
        self, shape: Shape, dtype: DTypeLike, median: float = 0.0, sigma: float = 1.0
    ) -> Array:
        """Cauchy around ``median`` with half-width ``sigma``."""
        target = floating("cauchy_", dtype)
        if not sigma > 0:
            raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
        return self._map_unit64(shape, target, lambda u: median + sigma * np.tan(np.pi * (u - 0.5)))

    # -- discrete distributions -------------------------------------------------------------

    def random(
        self, shape: Shape, dtype: DTypeLike, low: int | None = None, high: int | None = None
    ) -> Array:
        """Integers in [low, high), as ``Tensor.random_`` and ``randint``.

        Without bounds: [0, largest value], for floating dtypes [0, 2**mantissa]. With ``low``
        alone: [low, largest value]. With ``high`` alone: [0, high).
        """
        target = np.dtype(dtype)
        top = largest(target)
        size = math.prod(shape)
        if low is None and high is None:
            with self._lock:
                if target.name in ("int64", "float64"):
                    drawn: Array = self._stream.bits64(size) % np.uint64(top + 1)
                else:
                    drawn = self._stream.bits32(size) % np.uint64(top + 1)
            return drawn.astype(target).reshape(shape)
        first, last = integer_bounds(target, 0 if low is None else low, high, top)
        with self._lock:
            return self._integers(size, first, last).astype(target).reshape(shape)

    def bernoulli(self, p: float | Array, shape: Shape, dtype: DTypeLike) -> Array:
        """1 with probability ``p``, else 0.

        Args:
            p: one probability, or an array of them that broadcasts to ``shape``. An array takes
                the draws of its own dtype: 64-bit ones for float64 and for a plain number.
        """
        probability = np.asarray(p, None if isinstance(p, np.ndarray) else np.float64)
        if probability.dtype.name not in DIGITS:
            raise RuntimeError(
                f"bernoulli_ expects floating-point probabilities, but got {probability.dtype}"
            )
        if not np.all((probability >= 0) & (probability <= 1)):
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        if probability.dtype.itemsize == 2:
            probability = probability.astype(np.float32)
        if probability.ndim:
            probability = np.broadcast_to(probability, shape).reshape(-1)
        flat = np.empty(math.prod(shape), dtype)
        with self._lock:
            for part in _chunks(flat.size):
                unit = self._unit(flat[part].size, probability.dtype)
                flat[part] = unit < (probability[part] if probability.ndim else probability)
        return flat.reshape(shape)

    def geometric(self, shape: Shape, dtype: DTypeLike, p: float) -> Array:
        """Number of trials up to the first success, of probability ``p`` each."""
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
        scale = math.log1p(-p)
        with np.errstate(divide="ignore"):  # a uniform of exactly 0
            return self._map_unit64(shape, np.dtype(dtype), lambda u: np.ceil(np.log(u) / scale))

    def randperm(self, n: int, dtype: DTypeLike = np.int64) -> Array:
        """A random permutation of 0..n-1: swaps position i with one of the ``n - i`` from i on."""
        target = np.dtype(dtype)
        if n < 0:
            raise RuntimeError(f"randperm: n must be non-negative, got {n}")
        if n > largest(target) + 1:
            raise RuntimeError(f"randperm: n = {n} does not fit {target}; use a wider dtype")
        if n >= (1 << 32) // 20:
            raise RuntimeError(f"randperm: n must be below 2**32 / 20 = 214748364, got {n}")
        with self._lock:
            steps = self._stream.bits32(max(n - 1, 0))
        steps %= np.arange(n, 1, -1, dtype=np.uint32)
        steps += np.arange(steps.size, dtype=np.uint32)
        order = list(range(n))  # a list: single elements move faster than in an array
        for i, j in enumerate(steps.tolist()):
            order[i], order[j] = order[j], order[i]
        return np.array(order, target)

    def multinomial(self, weights: Array, num_samples: int, replacement: bool = False) -> Array:
        """Indices drawn with probability proportional to ``weights``.

        Without replacement, category k is ranked by ``weights[k] / e_k``, e_k exponential (the
        exponential race); with it, a uniform is looked up in the cumulative sum.

        Shape:
            weights (..., categories), one or two dimensions -> int64 (..., num_samples).
        """
        check_multinomial(weights, num_samples, replacement)
        if weights.shape[0] == 0:
            return np.empty((0, num_samples), np.int64)
        if not replacement or num_samples == 1:
            with np.errstate(divide="ignore", invalid="ignore"):
                race = np.divide(weights, self.exponential(weights.shape, weights.dtype))
            if num_samples == 1:
                return np.asarray(race.argmax(-1, keepdims=True), np.int64)
            order = np.argsort(-race.astype(np.float64), axis=-1, kind="stable")
            return order[..., :num_samples].astype(np.int64)
        rows = weights.reshape(-1, weights.shape[-1])
        exact = np.float64 if rows.dtype == np.float64 else np.float32
        total = np.cumsum(rows, axis=1, dtype=exact)
        np.divide(total, total[:, -1:].copy(), out=total)
        with self._lock:
            unit = self._stream.unit64(len(rows) * num_samples).reshape(len(rows), num_samples)
        out = np.stack([np.searchsorted(t.astype(np.float64), u) for t, u in zip(total, unit)])
        return out.reshape(*weights.shape[:-1], num_samples).astype(np.int64)

    # -- shared pieces; the lock is held ----------------------------------------------------

    def _unit(self, n: int, dtype: np.dtype[Any]) -> Array:
        return self._stream.unit64(n) if dtype == np.float64 else self._stream.unit32(n)

    def _integers(self, n: int, first: int, last: int) -> NDArray[np.int64]:
        """``n`` integers in [first, last)."""
        span = last - first
        if span >= _WIDE_RANGE:
            bits = self._stream.bits64(n)
            if span == 1 << 64:
                return bits.view(np.int64)
            bits %= np.uint64(span)
        else:
            bits = (self._stream.bits32(n) % np.uint32(span)).astype(np.uint64)
        bits += np.uint64(first % (1 << 64))  # wraps, as two's complement does
        return bits.view(np.int64)

    def _map_unit64(self, shape: Shape, dtype: np.dtype[Any], f: Callable[[Array], Array]) -> Array:
        flat = np.empty(math.prod(shape), dtype)
        with self._lock:
            for part in _chunks(flat.size):
                flat[part] = f(self._stream.unit64(flat[part].size))
        return flat.reshape(shape)

    def _normal_pairs(self, n: int) -> NDArray[np.float64]:
        """Standard normals two by two, the spare one kept for the next call."""
        out = np.empty(n)
        spare = self._stream.spare_normal
        start = 0 if spare is None or n == 0 else 1
        if start:
            out[0], self._stream.spare_normal = spare, None
        unit = self._stream.unit64((n - start + 1) // 2 * 2)
        radius = np.sqrt(-2.0 * np.log1p(-unit[1::2]))
        angle = 2.0 * np.pi * unit[0::2]
        out[start::2] = radius * np.cos(angle)
        sines = radius * np.sin(angle)
        out[start + 1 :: 2] = sines[: (n - start) // 2]
        if (n - start) % 2:
            self._stream.spare_normal = float(sines[-1])
        return out

    def _normal_blocks(self, n: int, dtype: np.dtype[Any], mean: float, std: float) -> Array:
        """Normals by blocks of 16; when n is no multiple, the last 16 are drawn anew."""
        out = np.empty(n, dtype)
        whole = n - n % _BLOCK
        for part in _chunks(whole):
            out[part] = box_muller(self._unit(out[part].size, dtype), mean, std)
        if n > whole:
            if dtype.itemsize > 2:  # the half types never draw the remainder
                self._unit(n - whole, dtype)
            out[n - _BLOCK :] = box_muller(self._unit(_BLOCK, dtype), mean, std)
        return out


def fill(target: Array, draw: Callable[[Shape], Array]) -> None:
    """Fill ``target`` in place with ``draw(shape)``, in the order PyTorch fills it: by memory.

    The dimensions are taken from the largest stride to the smallest, so ``x.t().uniform_()``
    puts into memory what ``x.uniform_()`` would, and a slice is filled in logical order.

    Example:
        >>> x = np.empty((3, 4), np.float32).T
        >>> fill(x, lambda shape: Generator().uniform(shape, x.dtype))
    """
    order = sorted(range(target.ndim), key=lambda d: -abs(target.strides[d]))
    view = target.transpose(order)
    view[...] = draw(view.shape)


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK))


default_generator = Generator()
default_generator.seed()  # a fresh process is not reproducible until seeded


def manual_seed(seed: int) -> Generator:
    """Seed the default generator and return it."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from entropy; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()
