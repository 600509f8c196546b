"""Running reductions along a dimension, where the library has them only for sum and product.

``ufunc.accumulate`` in NumPy. CuPy has none for maximum, minimum and logaddexp: there log2(n)
passes each combine every place with the one ``step`` before it, the step doubling (Hillis and
Steele, "Data parallel algorithms", 1986).
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["running"]


def running(xp: Any, ufunc: str, x: Any, dim: int) -> Any:
    """``out[k] = ufunc(out[k - 1], x[k])`` along ``dim``, for an associative ufunc.

    Args:
        ufunc: its name, such as ``"maximum"``.
    """
    combine = getattr(xp, ufunc)
    if xp is np:
        return combine.accumulate(x, axis=dim)
    out, step = x.copy(), 1
    along = out.swapaxes(dim, 0)
    while step < along.shape[0]:
        along[step:] = combine(along[step:], along[:-step])
        step *= 2
    return out
