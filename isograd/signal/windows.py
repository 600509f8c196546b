"""``isograd.signal.windows``: window functions, symmetric by default, under torch's names."""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.creation import check_options
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.primitives.windows import make_window

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine",
    "general_hamming", "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip


def _window(name: str, *known: str) -> Any:
    def function(
        M: int, *, sym: bool = True, dtype: DType | None = None, device: Any = None,
        requires_grad: bool = False, **options: Any,
    ) -> Tensor:  # fmt: skip
        shape = {k: options.pop(k) for k in known if k in options}
        check_options(name, options)
        return make_window(name, M, sym, dtype, device, requires_grad, **shape)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``M`` samples of the {name.replace('_', ' ')} window, the largest being 1."
    return function


bartlett, blackman, cosine = _window("bartlett"), _window("blackman"), _window("cosine")
exponential, gaussian = _window("exponential", "center", "tau"), _window("gaussian", "std")
general_cosine = _window("general_cosine", "a")
general_hamming = _window("general_hamming", "alpha")
hamming, hann, kaiser = _window("hamming"), _window("hann"), _window("kaiser", "beta")
nuttall = _window("nuttall")
