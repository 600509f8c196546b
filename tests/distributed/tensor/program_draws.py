"""Drawing random programs: lines of code over tensors whose shapes are known as they are drawn.

A line is drawn by looking at the variables that there are, run at once on plain tensors, and kept
if it works and its numbers stay moderate. A program reads as code that a person could have written
and can be run again from its text (see `test_programs`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor

__all__ = ["LINES", "Draw", "broadcasts", "line"]

Line = Callable[["Draw"], "str | None"]
LINES: list[tuple[float, Line]] = []


class Draw:
    """What a line may look at: a generator and the variables so far."""

    def __init__(self, rng: np.random.Generator, env: dict[str, Any]) -> None:
        self.rng, self.env, self.made = rng, env, 0

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, p: float = 0.5) -> bool:
        return bool(self.rng.random() < p)

    def number(self, low: int, high: int) -> int:
        """An integer, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def fresh(self) -> int:
        self.made += 1
        return self.made

    def names(self, kinds: str, fits: Callable[[tuple[int, ...]], bool]) -> list[str]:
        return [
            n for n, t in self.env.items()
            if isinstance(t, Tensor) and t._array.dtype.kind in kinds and fits(tuple(t.shape))
        ]  # fmt: skip

    def var(
        self, least: int = 0, most: int = 4, kinds: str = "f",
        fits: Callable[[tuple[int, ...]], bool] = lambda shape: True,
    ) -> str:  # fmt: skip
        """A variable of ``least`` to ``most`` dimensions; the late ones more often.

        Raises:
            LookupError: if there is none.
        """
        found = self.names(kinds, lambda s: least <= len(s) <= most and fits(s))
        if not found:
            raise LookupError
        return str(found[max(self.number(0, len(found) - 1), self.number(0, len(found) - 1))])

    def full(self, least: int = 1, most: int = 4, kinds: str = "f") -> str:
        """A variable without empty dimensions."""
        return self.var(least, most, kinds, lambda s: 0 not in s)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.env[name].shape)

    def dim(self, name: str) -> int:
        """A dimension, sometimes counted from the end."""
        rank = len(self.shape(name))
        d = self.number(0, rank - 1)
        return d - rank if self.chance(0.3) else d

    def dims(self, name: str) -> str:
        rank = len(self.shape(name))
        some = [d for d in range(rank) if self.chance()]
        return str(tuple(some) or self.number(0, rank - 1))

    def index(self, n: int) -> str:
        """An integer or a slice for a dimension of length n."""
        if n and self.chance(0.3):
            return str(self.number(-n, n - 1))
        if self.chance(0.2):
            return ":"
        ends = [self.pick(["", str(self.number(-n, n + 1))]) for _ in range(2)]
        return f"{ends[0]}:{ends[1]}" + (f":{self.number(1, 3)}" if self.chance(0.3) else "")

    def key(self, name: str) -> str:
        """A key of integers and slices."""
        shape = self.shape(name)
        items = [self.index(n) for n in shape[: self.number(1, len(shape))]]
        if self.chance(0.15):
            items.insert(self.number(0, len(items)), "None")
        if len(items) < len(shape) and self.chance(0.2):
            items = ["...", *(self.index(n) for n in shape[-1:])]
        return ", ".join(items)

    def beside(self, name: str) -> str:
        """Something that broadcasts with a variable."""
        shape = self.shape(name)
        if self.chance(0.25):
            return self.pick(["2.0", "-0.5", "3"])
        found = self.names("f", lambda s: broadcasts(s, shape))
        if found and self.chance(0.7):
            return str(self.pick(found))
        tail = shape[self.number(0, len(shape)) :]
        return self.given(tuple(1 if self.chance(0.25) else n for n in tail))

    def given(self, shape: Sequence[int]) -> str:
        """New numbers: a parameter, a plain tensor or a placed one."""
        kind = self.pick(["param", "param", "whole", "leaf"])
        return f"{kind}({', '.join(map(str, (self.fresh(), *shape)))})"

    def param(self, *shape: int) -> str:
        return f"param({', '.join(map(str, (self.fresh(), *shape)))})"

    def ints(self, high: int, shape: Sequence[int]) -> str:
        """Integers from 0 to high - 1, plain or placed."""
        where = "placed" if self.chance(0.6) else "plain"
        return f"ints({', '.join(map(str, (self.fresh(), repr(where), high, *shape)))})"

    def mask(self, shape: Sequence[int]) -> str:
        where = "placed" if self.chance(0.6) else "plain"
        return f"mask({', '.join(map(str, (self.fresh(), repr(where), *shape)))})"


def broadcasts(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


def line(weight: float = 1.0) -> Callable[[Line], Line]:
    def register(fn: Line) -> Line:
        LINES.append((weight, fn))
        return fn

    return register
