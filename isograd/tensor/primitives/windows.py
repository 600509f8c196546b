"""Window functions for spectra: samples of a bump, symmetric or one period of a longer one.

``torch.hann_window`` and its kin are periodic by default, ``torch.signal.windows`` symmetric.
Source: F. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform"
(1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from isograd.tensor.backends import backend_for
from isograd.tensor.core import Tensor
from isograd.tensor.creation import check_options, finish
from isograd.tensor.devices import default_device, device
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.dtypes import get_default_dtype
from isograd.tensor.public import public

__all__ = [
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
]  # fmt: skip

Formula = Callable[..., Any]  # of the places 0 .. M - 1 and the length of the whole bump


def _cosines(places: Any, last: float, a: Iterable[float]) -> Any:
    """a0 - a1 cos(x) + a2 cos(2 x) - ... over one period."""
    x = 2 * math.pi * places / last
    return sum((-1) ** i * c * np.cos(i * x) for i, c in enumerate(a))


def _hamming(places: Any, last: float, alpha: float = 0.54) -> Any:
    return _cosines(places, last, (alpha, 1 - alpha))


def _kaiser(places: Any, last: float, beta: float = 12.0) -> Any:
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    inside = np.clip(1 - (2 * places / last - 1) ** 2, 0, None)
    return np.i0(beta * np.sqrt(inside)) / np.i0(beta)


def _gaussian(places: Any, last: float, std: float = 1.0) -> Any:
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return np.exp(-0.5 * ((places - last / 2) / std) ** 2)


def _exponential(places: Any, last: float, center: float | None = None, tau: float = 1.0) -> Any:
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    return np.exp(-np.abs(places - (last / 2 if center is None else center)) / tau)


def _general_cosine(places: Any, last: float, a: Iterable[float]) -> Any:
    weights = list(a)
    if not weights:
        raise ValueError("Coefficients cannot be empty")
    return _cosines(places, last, weights)


FORMULAS: dict[str, Formula] = {
    "bartlett": lambda places, last: 1 - np.abs(2 * places / last - 1),
    "blackman": lambda places, last: _cosines(places, last, (0.42, 0.5, 0.08)),
    "cosine": lambda places, last: np.sin(math.pi * (places + 0.5) / (last + 1)),
    "exponential": _exponential,
    "gaussian": _gaussian,
    "general_cosine": _general_cosine,
    "general_hamming": _hamming,
    "hamming": _hamming,
    "hann": lambda places, last: _hamming(places, last, 0.5),
    "kaiser": _kaiser,
    "nuttall": lambda places, last: _cosines(
        places, last, (0.3635819, 0.4891775, 0.1365995, 0.0106411)),
}  # fmt: skip


def make_window(
    name: str, M: int, symmetric: bool, dtype: DType | None, where: Any, requires_grad: bool,
    **shape: Any,
) -> Tensor:  # fmt: skip
    """``M`` samples of a window.

    Raises:
        ValueError: for a negative ``M``, or a dtype that is not floating.
    """
    d = dtype or get_default_dtype()
    if d.category != 2 or d.itemsize < 4:
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {d}")
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    last = float(M - 1 if symmetric else M)
    if name == "exponential" and symmetric and shape.get("center") is not None:
        raise ValueError("Center must be None for symmetric windows")
    if M <= 1:
        values: Any = np.ones(M)
    else:
        values = FORMULAS[name](np.arange(M, dtype=np.float64), last, **shape)
    target = default_device() if where is None else device(where)
    made = backend_for(target).from_numpy(np.asarray(values).astype(d.np), target.index)
    return finish(made, requires_grad)


def _legacy(name: str, *shape_names: str) -> Any:
    def function(
        window_length: int, *args: Any, periodic: bool = True, dtype: DType | None = None,
        device: Any = None, requires_grad: bool = False, **options: Any,
    ) -> Tensor:  # fmt: skip
        shape: dict[str, Any] = {k: options.pop(k) for k in ("alpha", "beta") if k in options}
        check_options(f"{name}_window", options)
        values = list(args)
        if values:
            periodic = values.pop(0)
        shape.update(zip(shape_names, values, strict=False))
        if name == "hamming" and "beta" in shape:
            spread = shape.pop("beta")
            shape = {"a": (shape.get("alpha", 0.54), spread)}
            return make_window("general_cosine", window_length, not periodic, dtype, device,
                               requires_grad, **shape)  # fmt: skip
        return make_window(name, window_length, not periodic, dtype, device, requires_grad, **shape)

    function.__name__ = f"{name}_window"
    function.__doc__ = f"The {name} window of ``window_length`` samples, periodic by default."
    return public(method=False)(function)


bartlett_window = _legacy("bartlett")
blackman_window = _legacy("blackman")
hamming_window = _legacy("hamming", "alpha", "beta")
hann_window = _legacy("hann")
kaiser_window = _legacy("kaiser", "beta")
