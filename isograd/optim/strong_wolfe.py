"""Line search for a step that satisfies the strong Wolfe conditions.

First the step grows until an interval is known to hold a good one, then the interval is narrowed;
both by minimising cubics through two points and their slopes. Nocedal and Wright, "Numerical
optimization", 2nd ed., algorithms 3.5 and 3.6 and equation 3.59; the safeguards and constants are
those of torch's LBFGS (after M. Schmidt's minFunc), so that the same steps are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["cubic_minimum", "strong_wolfe"]

_MAX_STEPS = 25


@dataclass
class _Point:
    """A step length with loss, gradient and slope along the direction."""

    t: float
    f: float
    g: Any
    slope: float


def cubic_minimum(a: _Point, b: _Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through both points and slopes is smallest, within the bounds.

    Args:
        bounds: by default the interval between the points. Without a minimum, its middle.
    """
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    if a.t <= b.t:
        t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    else:
        t = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(t, low), high)


class _Search:
    def __init__(
        self, evaluate: Callable[[float], tuple[float, Any]], d: Any, start: _Point
    ) -> None:
        self.evaluate, self.d, self.start = evaluate, d, start
        self.size = float(abs(d).max())
        self.evals = 0
        self.steps = 0
        self.c1, self.c2, self.tolerance = 1e-4, 0.9, 1e-9

    def at(self, t: float) -> _Point:
        f, g = self.evaluate(t)
        self.evals += 1
        return _Point(t, f, g, float((g * self.d).sum()))

    def too_high(self, p: _Point) -> bool:
        """No sufficient decrease (Armijo)."""
        return p.f > self.start.f + self.c1 * p.t * self.start.slope

    def flat(self, p: _Point) -> bool:
        """Curvature condition."""
        return abs(p.slope) <= -self.c2 * self.start.slope

    def bracket(self, t: float) -> tuple[list[_Point], bool]:
        """Points that enclose a good step; True with one that is good already."""
        before = self.start
        point = self.at(t)
        while self.steps < _MAX_STEPS:
            if self.too_high(point) or (self.steps > 1 and point.f >= before.f):
                return [before, point], False
            if self.flat(point):
                return [point], True
            if point.slope >= 0:
                return [before, point], False
            bounds = point.t + 0.01 * (point.t - before.t), point.t * 10
            t = cubic_minimum(before, point, bounds)
            before, point = point, self.at(t)
            self.steps += 1
        return [self.start, point], False

    def zoom(self, ends: list[_Point]) -> _Point:
        """Narrow the interval until its better end is good."""
        low, high = (0, 1) if ends[0].f <= ends[-1].f else (1, 0)
        stuck = False
        while self.steps < _MAX_STEPS:
            width = abs(ends[1].t - ends[0].t)
            if width * self.size < self.tolerance:
                break
            t, stuck = self.inside(ends, stuck)
            point = self.at(t)
            self.steps += 1
            if self.too_high(point) or point.f >= ends[low].f:
                ends[high] = point
                low, high = (0, 1) if ends[0].f <= ends[1].f else (1, 0)
                continue
            good = self.flat(point)
            if not good and point.slope * (ends[high].t - ends[low].t) >= 0:
                ends[high] = ends[low]
            ends[low] = point
            if good:
                break
        return ends[low]

    def inside(self, ends: list[_Point], stuck: bool) -> tuple[float, bool]:
        """The next step to try: away from the ends if the last one was near an end too."""
        t = cubic_minimum(ends[0], ends[1])
        left, right = min(ends[0].t, ends[1].t), max(ends[0].t, ends[1].t)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            return t, False
        if stuck or t >= right or t <= left:
            nearer_right = abs(t - right) < abs(t - left)
            return (right - margin if nearer_right else left + margin), False
        return t, True


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Any]],
    t: float,
    d: Any,
    f: float,
    g: Any,
    slope: float,
) -> tuple[float, Any, float, int]:
    """A step along ``d`` with enough decrease and a flat enough slope.

    Args:
        evaluate: loss and gradient at a step length.
        t: the first length tried.
        f, g, slope: loss, gradient and directional derivative at 0.

    Returns:
        (loss, gradient, length, evaluations)
    """
    search = _Search(evaluate, d, _Point(0, f, g, slope))
    ends, done = search.bracket(t)
    best = ends[0] if done else search.zoom(ends)
    return best.f, best.g, best.t, search.evals
