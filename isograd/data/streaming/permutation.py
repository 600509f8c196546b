"""A shuffled order of any length that is computed, not stored.

`Permutation` is a keyed bijection of range(n): a Feistel network (Luby and Rackoff, 1988) over the
next power of two, applied again to whatever falls outside of range(n) ("cycle walking": Black and
Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). The halves of an odd number of
bits differ by one, so that fewer than two applications are needed on average. The round function
is the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): mixing, not secrecy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isograd.data.sampler import Sampler

__all__ = ["Permutation", "PermutationSampler", "mix"]

_ROUNDS = 8
_MASK = (1 << 64) - 1
_CHUNK = 1 << 12  # indices computed at a time by the sampler


class Permutation:
    """A bijection of range(n), one of them for each (seed, epoch).

    Args:
        n: at least 0, below 2**62.

    Example:
        >>> sorted(Permutation(5, seed=1)(i) for i in range(5))
        [0, 1, 2, 3, 4]
    """

    def __init__(self, n: int, seed: int = 0, epoch: int = 0) -> None:
        if not 0 <= n < 1 << 62:
            raise ValueError(f"Permutation: expected 0 <= n < 2**62, got n={n}")
        self.n = n
        bits = max(2, (n - 1).bit_length())
        self._right = np.uint64(bits - bits // 2)
        self._masks = (1 << bits // 2) - 1, (1 << bits - bits // 2) - 1
        key = mix(mix(seed & _MASK) ^ (epoch & _MASK))
        self._keys = [mix(key + round_) for round_ in range(_ROUNDS)]

    def __len__(self) -> int:
        return self.n

    def __call__(self, index: Any) -> Any:
        """Where ``index`` goes: an int for an int, an int64 array for an array.

        Raises:
            IndexError: for an index outside of range(n).
        """
        asked = np.asarray(index)
        if asked.size and not (0 <= int(asked.min()) and int(asked.max()) < self.n):
            raise IndexError(f"Permutation: index {index} is out of range({self.n})")
        out = self._encrypt(np.atleast_1d(asked).astype(np.uint64))
        while (outside := out >= self.n).any():
            out[outside] = self._encrypt(out[outside])
        return int(out[0]) if asked.ndim == 0 else out.astype(np.int64)

    def _encrypt(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left_mask, right_mask = (np.uint64(mask) for mask in self._masks)
        left, right = x >> self._right, x & right_mask
        for i, key in enumerate(self._keys):
            if i % 2:
                right = right ^ (_mix_array(left ^ np.uint64(key)) & right_mask)
            else:
                left = left ^ (_mix_array(right ^ np.uint64(key)) & left_mask)
        return (left << self._right) | right


class PermutationSampler(Sampler[int]):
    """A new random order at every pass, in constant memory however large the dataset.

    Passes are counted from 0; pass e gives ``Permutation(len(data_source), seed, e)``.

    Example:
        >>> sampler = PermutationSampler(range(1000), seed=3)
        >>> list(sampler) == list(sampler)
        False
    """

    def __init__(self, data_source: Sized, seed: int = 0) -> None:
        self.data_source = data_source
        self.seed = seed
        self.epoch = 0  # of the next pass

    def set_epoch(self, epoch: int) -> None:
        """Number the next pass ``epoch``."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """What the next pass's order is made of; loaders save it with their position."""
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Make the next pass the one of ``state``."""
        self.seed, self.epoch = state["seed"], state["epoch"]

    def __iter__(self) -> Iterator[int]:
        order = Permutation(len(self.data_source), self.seed, self.epoch)
        self.epoch += 1
        return _in_chunks(order)

    def __len__(self) -> int:
        return len(self.data_source)


def _in_chunks(order: Permutation) -> Iterator[int]:
    for start in range(0, order.n, _CHUNK):
        yield from order(np.arange(start, min(start + _CHUNK, order.n))).tolist()


def mix(x: int) -> int:
    """64 bits in, 64 well-mixed bits out; a bijection."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & _MASK
    return x ^ x >> 31


def _mix_array(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)  # wraps around
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
