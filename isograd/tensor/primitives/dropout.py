"""Random masks and their use. A mask is drawn by counter (Philox): element i of draw d of a seed is
the same whoever draws it, so it does not depend on how a tensor is laid out over devices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, Place, elementwise
from isograd.tensor.door import apply
from isograd.tensor.generator import default_generator
from isograd.tensor.philox import philox_uniform
from isograd.tensor.primitive import Primitive

__all__ = ["keep_mask", "masked_scale"]


def _mask_forward(
    xp: Any, x: Any, *, shape: Any, p: float, seed: int, draw: int, part: Any = None
) -> Any:
    """``part``: the slices of the mask that are wanted, if not all of it."""
    return philox_uniform(xp, seed, draw, shape, part) >= np.float32(p)


def _mask_cuts(params: Any, x: Any) -> list[Cut]:
    shape = params["shape"]
    if len(shape) != len(x):
        return []

    def along_dim(d: int) -> Cut:
        def localize(params: Any, shapes: Any, place: Place) -> Any:
            part = list(params.get("part") or [slice(0, n) for n in params["shape"]])
            part[d] = slice(place.starts[d], place.starts[d] + shapes[0][d])
            return {**params, "part": tuple(part)}

        return Cut((d,), (d,), localize)

    return [along_dim(d) for d, n in enumerate(shape) if n == x[d]]


_mask: Primitive = Primitive(
    "keep_mask",
    _mask_forward,
    nondifferentiable=True,
    cuts=_mask_cuts,
    doc="A bool tensor, false with probability ``p``; ``x`` says where to put it.",
)


def keep_mask(like: Tensor, p: float, shape: tuple[int, ...] | None = None) -> Tensor:
    """A new bool mask, each element false with probability ``p``.

    Args:
        like: gives the device, and the shape unless ``shape`` does.
    """
    seed, draw = default_generator.next_draw()
    shape = tuple(like._array.shape) if shape is None else tuple(shape)
    return apply(_mask, like, shape=shape, p=p, seed=seed, draw=draw)


def _scale_forward(xp: Any, x: Any, mask: Any, *, scale: float) -> Any:
    out = x * mask
    out *= x.dtype.type(scale)
    return out


_masked_scale: Primitive = Primitive(
    "masked_scale",
    _scale_forward,
    vjp={"x": lambda g, mask, scale: apply(_masked_scale, g, mask, scale=scale)},
    low_precision=True,
    cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [((make(3, 4), make(3, 4) > 0), {"scale": 2.0})],
    doc="``x * scale`` where the mask is true, else 0.",
)


def masked_scale(x: Tensor, mask: Tensor, scale: float) -> Tensor:
    """``x * scale`` where ``mask`` is true, else 0; the mask broadcasts to ``x``."""
    return apply(_masked_scale, x, mask, scale=scale)
