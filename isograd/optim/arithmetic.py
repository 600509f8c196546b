"""In-place formulas on arrays, and the loop that feeds them cache-sized blocks.

An update rule reads and writes the same few arrays in a dozen passes. Over whole arrays each pass
would go to memory; here all passes run over one block while it is in the cache. Every pass is
elementwise and made of correctly rounded operations (+, -, *, /, sqrt, max, sign), so the bits do
not depend on how the arrays are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from isograd.tensor.dtypes import is_low_precision

__all__ = ["BLOCK", "Arithmetic", "Workspace", "for_blocks", "low_as_float32"]

BLOCK = 32768  # elements: 128 KiB of float32; six such arrays fit a 1 MiB cache

_SCRATCH = 4


class Arithmetic:
    """torch's fused in-place formulas, each in torch's order of operations.

    Attributes:
        xp: NumPy or CuPy.
        scratch: arrays of the block's size. The first holds the working gradient; formulas use
            the second; rules may use the third and fourth.
    """

    __slots__ = ("scratch", "xp")

    def __init__(self, xp: Any, scratch: Sequence[Any]) -> None:
        self.xp = xp
        self.scratch = scratch

    def axpy(self, y: Any, x: Any, a: float) -> None:
        """y ← y + a x"""
        t = self.scratch[1]
        self.xp.multiply(x, a, out=t)
        self.xp.add(y, t, out=y)

    def lerp(self, y: Any, x: Any, weight: float) -> None:
        """y ← (1 - weight) y + weight x, from whichever end is nearer"""
        xp, t = self.xp, self.scratch[1]
        xp.subtract(x, y, out=t)
        if abs(weight) < 0.5:
            xp.multiply(t, weight, out=t)
            xp.add(y, t, out=y)
        else:
            xp.multiply(t, 1 - weight, out=t)
            xp.subtract(x, t, out=y)

    def decay_and_add_square(self, y: Any, x: Any, rho: float) -> None:
        """y ← rho y + (1 - rho) x²"""
        self.xp.multiply(y, rho, out=y)
        self.addcmul(y, x, x, 1 - rho)

    def addcmul(self, y: Any, a: Any, b: Any, value: float) -> None:
        """y ← y + value a b"""
        xp, t = self.xp, self.scratch[1]
        if value == 1:
            xp.multiply(a, b, out=t)
        else:
            xp.multiply(a, value, out=t)
            xp.multiply(t, b, out=t)
        xp.add(y, t, out=y)

    def addcdiv(self, y: Any, a: Any, b: Any, value: float) -> None:
        """y ← y + value a / b"""
        xp, t = self.xp, self.scratch[1]
        xp.multiply(a, value, out=t)
        xp.divide(t, b, out=t)
        xp.add(y, t, out=y)


Rule = Callable[[Arithmetic, Any, Any, list[Any]], None]


class Workspace:
    """Scratch arrays that are made once per dtype and used for every block after."""

    def __init__(self) -> None:
        self._host: dict[Any, list[Any]] = {}
        self._cut: dict[tuple[Any, int], Arithmetic] = {}

    def of(self, xp: Any, like: Any) -> Arithmetic:
        """Arithmetic on arrays of ``like``'s length and dtype, float32 for low precision."""
        dtype = np.dtype(np.float32) if is_low_precision(like.dtype) else like.dtype
        if xp is not np:
            return Arithmetic(xp, [xp.empty(like.size, dtype) for _ in range(_SCRATCH)])
        n = like.size
        found = self._cut.get((dtype, n))
        if found is None:
            if dtype not in self._host:
                self._host[dtype] = [np.empty(BLOCK, dtype) for _ in range(_SCRATCH)]
            found = Arithmetic(np, [t[:n] for t in self._host[dtype]])
            self._cut[dtype, n] = found
        return found


def for_blocks(
    rule: Rule, xp: Any, w: Any, g: Any, states: Sequence[Any], workspace: Workspace
) -> None:
    """Call ``rule(arithmetic, w, g, states)`` on matching flat blocks until all are updated.

    Args:
        w, g, states: arrays of one shape, of any strides; complex ones are seen as pairs of reals,
            low-precision ones are computed in float32 and rounded once.
    """
    written = [w, *states]
    flat = [_flat(xp, a) for a in (*written, g)]
    low = any(is_low_precision(a.dtype) for a in flat)
    for blocks in _cut(flat, BLOCK if xp is np else max(1, flat[0].size)):
        wide = [low_as_float32(b) for b in blocks] if low else blocks
        rule(workspace.of(xp, wide[0]), wide[0], wide[-1], wide[1:-1])
        if low:
            for narrow, computed in zip(blocks[:-1], wide[:-1], strict=True):
                if narrow is not computed:
                    narrow[...] = computed
    for array, computed in zip(written, flat, strict=False):
        if not array.flags.c_contiguous:
            array[...] = computed.view(array.dtype).reshape(array.shape)


def low_as_float32(array: Any) -> Any:
    """A float32 copy of a float16 or bfloat16 array; any other array itself."""
    return array.astype(np.float32) if is_low_precision(array.dtype) else array


def _flat(xp: Any, array: Any) -> Any:
    """One dimension, real: a view where the memory allows, else a copy."""
    line = array if array.flags.c_contiguous else xp.ascontiguousarray(array)
    line = line.reshape(-1)
    return line.view(line.real.dtype) if line.dtype.kind == "c" else line


def _cut(arrays: list[Any], size: int) -> Iterator[list[Any]]:
    n = arrays[0].size
    if n <= size:
        yield arrays
        return
    for start in range(0, n, size):
        yield [a[start : start + size] for a in arrays]
