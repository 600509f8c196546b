"""The random bits of PyTorch's CPU generator: MT19937 and its saved state.

The engine is the 32-bit Mersenne Twister (Matsumoto and Nishimura, 1998) seeded by
``init_genrand`` from the low 32 bits of the seed; NumPy's ``RandomState`` is the same engine with
the same seeding. A 64-bit draw is two 32-bit draws, the first one high. A state is saved in
PyTorch's layout of 5056 bytes, so the two frameworks read each other's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["STATE_BYTES", "Stream"]

_WORDS = 624
_STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("key", "<u8", (_WORDS,)),  # 32-bit words, each in 64 bits
        ("draw", "<u8"),  # PyTorch writes 0 here and ignores it when it reads
        ("normal", "<f8"),
        ("unused", "<f8"),
        ("normal_valid", "<i8"),
        ("float_normal", "<f4"),
        ("float_normal_valid", "<u4"),
    ]
)
STATE_BYTES = _STATE.itemsize


class Stream:
    """One MT19937 engine, the normal sample kept for the next call, and a draw counter.

    Not thread-safe: the owner locks.
    """

    def __init__(self, seed: int) -> None:
        self._made: np.random.RandomState | None = None
        self._stale = False
        self.reseed(seed)

    @property
    def _engine(self) -> np.random.RandomState:
        """Made when first drawn from: importing ``numpy.random`` takes a tenth of all imports."""
        if self._made is None:
            self._made = np.random.RandomState(self.seed & 0xFFFFFFFF)
        elif self._stale:
            self._made.seed(self.seed & 0xFFFFFFFF)
        self._stale = False
        return self._made

    def reseed(self, seed: int) -> None:
        """Start again from ``seed`` (0 <= seed < 2**64; the engine sees the low 32 bits)."""
        self.seed = seed
        self._stale = True  # the engine is seeded when it is next drawn from
        self._untouched = True
        self.draw = 0
        self.spare_normal: float | None = None

    def bits32(self, n: int) -> NDArray[np.uint32]:
        """The next ``n`` 32-bit draws."""
        self._untouched = self._untouched and n == 0
        return self._engine.randint(0, 1 << 32, n, dtype=np.uint32)

    def bits64(self, n: int) -> NDArray[np.uint64]:
        """The next ``n`` 64-bit draws, two 32-bit draws each, high word first."""
        words = self.bits32(2 * n)
        out = words[0::2].astype(np.uint64)
        out <<= np.uint64(32)
        out |= words[1::2]
        return out

    def unit32(self, n: int) -> NDArray[np.float32]:
        """``n`` float32 in [0, 1): the low 24 bits of one 32-bit draw each."""
        bits = self.bits32(n)
        bits &= np.uint32(0xFFFFFF)
        out = bits.view(np.int32).astype(np.float32)  # signed converts faster
        out *= np.float32(2.0**-24)
        return out

    def unit64(self, n: int) -> NDArray[np.float64]:
        """``n`` float64 in [0, 1): the low 53 bits of one 64-bit draw each."""
        bits = self.bits64(n)
        bits &= np.uint64((1 << 53) - 1)
        out = bits.view(np.int64).astype(np.float64)
        out *= 2.0**-53
        return out

    def state_array(self) -> NDArray[np.uint8]:
        """The whole state in PyTorch's layout, (5056,) uint8."""
        engine: dict[str, Any] = self._engine.get_state(legacy=False)["state"]
        state = np.zeros((), _STATE)
        state["seed"], state["draw"] = self.seed, self.draw
        state["seeded"], state["key"] = 1, engine["key"]
        state["left"] = _WORDS + 1 - engine["pos"]
        state["next"] = 0 if self._untouched else engine["pos"]
        if self.spare_normal is not None:
            state["normal"], state["normal_valid"] = self.spare_normal, 1
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state_array(self, array: NDArray[np.uint8]) -> None:
        """Take over a state written by `state_array` or by PyTorch's CPU generator.

        Raises:
            RuntimeError: wrong dtype, wrong size, or bytes that are no MT19937 state.
        """
        if array.dtype != np.uint8 or array.size != STATE_BYTES:
            raise RuntimeError(
                f"set_state: expected {STATE_BYTES} bytes of uint8, got {array.size} elements of "
                f"{array.dtype}; pass what get_state returned"
            )
        state = np.frombuffer(array.tobytes(), _STATE)[0]
        left, position = int(state["left"]), int(state["next"])
        untouched = left == 1 and position == 0
        if not untouched and (position != _WORDS + 1 - left or not 1 <= position <= _WORDS):
            raise RuntimeError(
                f"set_state: not an MT19937 state (left={left}, next={position}); "
                "pass what get_state returned"
            )
        key = state["key"].astype(np.uint32)
        self._engine.set_state(("MT19937", key, _WORDS if untouched else position, 0, 0.0))
        self._untouched = untouched
        self.seed, self.draw = int(state["seed"]), int(state["draw"])
        self.spare_normal = float(state["normal"]) if state["normal_valid"] else None
