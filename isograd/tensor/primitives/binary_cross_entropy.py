"""Cross-entropy of probabilities: ``-(t log x + (1 - t) log(1 - x))``, logarithms at least -100."""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.transcendental import log, log1p

__all__ = ["binary_cross_entropy"]

_FLOOR = -100.0
_TINY = 1e-12


def _forward(xp: Any, x: Any, target: Any) -> Any:
    if xp is np and np.any((x < 0) | (x > 1)):  # on a device the look would wait for it
        raise RuntimeError("all elements of input should be between 0 and 1")
    low = xp.maximum(xp.log1p(-x), _FLOOR)
    return -(target * xp.maximum(xp.log(x), _FLOOR) + (1 - target) * low)


def _gradient(g: Tensor, x: Tensor, target: Tensor) -> Tensor:
    return g * (x - target) / (x * (1 - x)).clamp(min=_TINY)


_record: Primitive = Primitive(
    "binary_cross_entropy",
    _forward,
    vjp={
        "x": _gradient,
        "target": lambda g, x: g * (log1p(-x).clamp(min=_FLOOR) - log(x).clamp(min=_FLOOR)),
    },
    promotion="same",
    low_precision=True,
    cuts=elementwise(),
    samples=lambda make: [((make(3, 4, low=0.1, high=0.9), make(3, 4, low=0.0, high=1.0)), {})],
    doc="``-(target * log(x) + (1 - target) * log(1 - x))``, logarithms at least -100.",
)


def binary_cross_entropy(x: Tensor, target: Tensor) -> Tensor:
    """The loss per element of probabilities ``x``.

    Raises:
        RuntimeError: if ``x`` is not within [0, 1].
    """
    return apply(_record, x, target)
