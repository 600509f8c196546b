"""Random state per sample: what reading sample i of an epoch draws depends on nothing else.

Before each sample Python's ``random``, NumPy's global state and the default generator are seeded
from (a key of the epoch, the sample's index), so augmentations do not depend on how many workers
and processes share the work. In the main process the script's own streams are put back after each
batch: what a dataset draws does not move them.

The keys are made of the epoch and the loader's seed, as a worker's streams are in torch. If the
script has not seeded that, ``random`` and NumPy take keys from where they stand when the epoch
starts, without being drawn from: a script that seeds only one of these can rely on it.
"""

from __future__ import annotations

import ctypes
import hashlib
import random
from typing import Any, TypeAlias

import numpy as np

from isograd.data.dataset import ConcatDataset, StackDataset, Subset, TensorDataset
from isograd.tensor.core import Tensor
from isograd.tensor.generator import default_generator
from isograd.tensor.mt19937 import Stream

__all__ = ["KeyedState", "Keys", "draws_nothing", "epoch_keys", "global_digests", "sub_keys"]

Keys: TypeAlias = tuple[int, ...]

_MASK = (1 << 64) - 1
_COLLATE, _OTHER_INDEX = 1 << 62, 1 << 61  # set apart from the indices of samples
_STATE_BYTES = 2500  # of a Mersenne Twister: 624 words and the position, 4 bytes each

_python: Any = random.random.__self__  # type: ignore[attr-defined]  # behind random's functions
_python_base: Any = super(random.Random, _python)  # its methods in C


def draws_nothing(dataset: Any) -> bool:
    """Whether reading a sample surely draws no random numbers; no function of a user's is called.

    Example:
        >>> draws_nothing(Subset(range(10), [1, 2]))
        True
    """
    kind = type(dataset)
    if kind is Subset:
        return draws_nothing(dataset.dataset)
    if kind is ConcatDataset:
        return all(map(draws_nothing, dataset.datasets))
    if kind is StackDataset:
        held = dataset.datasets
        return all(map(draws_nothing, held.values() if isinstance(held, dict) else held))
    return kind in (TensorDataset, Tensor, list, tuple, range, dict, str, bytes, np.ndarray)


def global_digests() -> dict[str, str]:
    """A short digest of where ``random`` and NumPy's global state stand."""
    _, words, spare = random.getstate()
    numpy_state = np.random.get_state(legacy=False)
    parts = {
        "the state of Python's random": [np.array(words, np.uint32).tobytes(), spare],
        "the state of numpy.random": [
            repr(numpy_state["bit_generator"]),
            [v.tobytes() if isinstance(v, np.ndarray) else v for v in _flat(numpy_state)],
        ],
    }
    return {
        name: hashlib.blake2b(repr(part).encode(), digest_size=8).hexdigest()
        for name, part in parts.items()
    }


def _flat(state: Any) -> list[Any]:
    if not isinstance(state, dict):
        return [state]
    return [leaf for name in sorted(state) for leaf in _flat(state[name])]


def epoch_keys(seed: int, epoch: int, digests: dict[str, str]) -> Keys:
    """Keys of the default generator, ``random`` and NumPy, in [0, 2**63).

    Args:
        digests: of `global_digests`; empty if the keys of all are made from ``seed``.
    """
    own = list(digests.values()) or [f"{seed} {name}" for name in ("random", "numpy")]
    return tuple(
        int.from_bytes(hashlib.blake2b(repr((text, epoch)).encode(), digest_size=8).digest()) >> 1
        for text in (str(seed), *own)
    )


def sub_keys(keys: Keys, number: int) -> Keys:
    """The keys of one part of an epoch: of worker ``number``'s samples, say."""
    return keys if number == 0 else tuple(_mixed(key + number) for key in keys)


def _mixed(z: int) -> int:
    """64 bits well mixed (Steele, Lea and Flood, "Fast splittable generators", 2014)."""
    z = (z + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class KeyedState:
    """Seeds the three streams; between ``with`` and its end they are the samples'.

    Args:
        keys: of the epoch (and of the worker, where each worker has samples of its own).
        places: whether an index can come twice in an epoch: its place in it then counts as well.
        restore: whether to put the streams back at the end of ``with``; a worker has nothing to
            put back.
    """

    def __init__(self, keys: Keys, places: bool, restore: bool) -> None:
        self._generator_key, self._python_key, self._numpy_key = keys
        self._places = places
        self._restore = restore
        self._stream = Stream(0)
        self._numpy = _NumpyState()

    def __enter__(self) -> None:
        if self._restore:
            self._saved_python = _python_base.getstate(), _python.gauss_next
            self._numpy.save()
        self._saved_stream = default_generator.exchange_stream(self._stream)

    def __exit__(self, *_: object) -> None:
        default_generator.exchange_stream(self._saved_stream)
        if self._restore:
            _python_base.setstate(self._saved_python[0])
            _python.gauss_next = self._saved_python[1]
            self._numpy.restore()

    def sample(self, index: Any, place: int) -> None:
        """Seed for the sample at ``index``, number ``place`` of the epoch."""
        if type(index) is not int:
            if not isinstance(index, np.integer):
                self._seed(_mixed(_OTHER_INDEX + place))
                return
            index = int(index)
        z = _mixed(index & _MASK)
        self._seed(_mixed(z + place) if self._places else z)

    def collate(self, place: int) -> None:
        """Seed for collating the batch that starts at ``place``."""
        self._seed(_mixed(_COLLATE + place))

    def _seed(self, z: int) -> None:
        _python_base.seed(z ^ self._python_key)
        _python.gauss_next = None
        self._numpy.seed((z ^ self._numpy_key) >> 32)  # the other half than the generator's
        self._stream.reseed(z ^ self._generator_key)


class _NumpyState:
    """NumPy's global Mersenne Twister: saved, seeded, restored.

    Saving through ``get_state`` takes as long as reading a sample. Its memory is compared instead:
    where it is as it was last restored, and held no spare normal number then, nobody has drawn.
    """

    def __init__(self) -> None:
        self._generator: Any = None
        self._address = 0
        self._bits = b""
        self._full: Any = None  # what get_state gave; None where `_bits` say it all

    def save(self) -> None:
        """Remember where it stands."""
        generator = np.random.mtrand.get_bit_generator()
        if generator is not self._generator:
            self._generator, self._bits = generator, b""
            self._twister = isinstance(generator, np.random.MT19937)
            self._address = generator.ctypes.state_address if self._twister else 0
        if not self._twister:
            return  # replaced by the script: not the state that np.random.seed seeds
        bits = ctypes.string_at(self._address, _STATE_BYTES)
        if bits == self._bits and self._full is None:
            return
        state: Any = np.random.get_state(legacy=False)
        engine = state["state"]
        plain = engine["key"].astype(np.uint32).tobytes() + np.int32(engine["pos"]).tobytes()
        self._bits = bits
        self._full = None if bits == plain and not state["has_gauss"] else state

    def seed(self, seed: int) -> None:
        """Start from ``seed`` in [0, 2**32)."""
        if isinstance(np.random.mtrand.get_bit_generator(), np.random.MT19937):
            np.random.mtrand.seed(seed)

    def restore(self) -> None:
        """Back to where it stood at `save`."""
        if not self._twister or np.random.mtrand.get_bit_generator() is not self._generator:
            return
        if self._full is not None:
            np.random.set_state(self._full)
            return
        np.random.mtrand.seed(0)  # drops a spare normal number
        ctypes.memmove(self._address, self._bits, _STATE_BYTES)
