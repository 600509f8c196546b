"""isograd: write for one GPU, run on any number, get the same numbers.

``import isograd as torch``: the names are PyTorch's. This file only re-exports; the functions of
tensors come from the register that `isograd.tensor.public` keeps.
"""

from __future__ import annotations

import importlib as _importlib
import warnings as _warnings
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING, Any

import isograd.autograd as autograd
import isograd.nn as nn
import isograd.tensor.all_operations as _all_operations
from isograd.autograd.modes import enable_grad as enable_grad
from isograd.autograd.modes import inference_mode as inference_mode
from isograd.autograd.modes import is_grad_enabled as is_grad_enabled
from isograd.autograd.modes import is_inference_mode_enabled as is_inference_mode_enabled
from isograd.autograd.modes import no_grad as no_grad
from isograd.autograd.modes import set_grad_enabled as set_grad_enabled
from isograd.tensor.core import Tensor as Tensor
from isograd.tensor.devices import device as device
from isograd.tensor.devices import set_default_device as set_default_device
from isograd.tensor.dtypes import bfloat16 as bfloat16
from isograd.tensor.dtypes import bool_ as bool
from isograd.tensor.dtypes import complex64 as cfloat
from isograd.tensor.dtypes import complex64 as complex64
from isograd.tensor.dtypes import complex128 as cdouble
from isograd.tensor.dtypes import complex128 as complex128
from isograd.tensor.dtypes import dtype as dtype
from isograd.tensor.dtypes import finfo as finfo
from isograd.tensor.dtypes import float16 as float16
from isograd.tensor.dtypes import float16 as half
from isograd.tensor.dtypes import float32 as float
from isograd.tensor.dtypes import float32 as float32
from isograd.tensor.dtypes import float64 as double
from isograd.tensor.dtypes import float64 as float64
from isograd.tensor.dtypes import get_default_dtype as get_default_dtype
from isograd.tensor.dtypes import iinfo as iinfo
from isograd.tensor.dtypes import int8 as int8
from isograd.tensor.dtypes import int16 as int16
from isograd.tensor.dtypes import int16 as short
from isograd.tensor.dtypes import int32 as int
from isograd.tensor.dtypes import int32 as int32
from isograd.tensor.dtypes import int64 as int64
from isograd.tensor.dtypes import int64 as long
from isograd.tensor.dtypes import promote_types as promote_types
from isograd.tensor.dtypes import set_default_dtype as set_default_dtype
from isograd.tensor.dtypes import uint8 as uint8
from isograd.tensor.dtypes import uint16 as uint16
from isograd.tensor.dtypes import uint32 as uint32
from isograd.tensor.dtypes import uint64 as uint64
from isograd.tensor.generator import Generator as Generator
from isograd.tensor.generator import default_generator as default_generator
from isograd.tensor.generator import initial_seed as initial_seed
from isograd.tensor.generator import manual_seed as manual_seed
from isograd.tensor.generator import seed as seed
from isograd.tensor.printing import set_printoptions as set_printoptions
from isograd.tensor.public import FUNCTIONS as _FUNCTIONS
from isograd.tensor.random import get_rng_state as get_rng_state
from isograd.tensor.random import set_rng_state as set_rng_state
from isograd.tensor.size import Size as Size

if TYPE_CHECKING:  # the functions of tensors, by torch's names, and the submodules

    def __getattr__(name: str) -> Any: ...

else:

    def __getattr__(name: str) -> Any:
        """Submodules are imported when first used: ``isograd.nn``, ``isograd.distributed``, ..."""
        if name in _SUBMODULES:
            return _importlib.import_module(f"isograd.{name}")
        if name in _LAZY:
            value = getattr(_importlib.import_module(_LAZY[name]), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'isograd' has no attribute {name!r}")


__version__ = "0.1.0"

_SUBMODULES = (
    "cuda", "data", "distributed", "fft", "linalg", "masked", "nn", "optim", "signal", "special",
    "utils",
)  # fmt: skip
_LAZY = {"load": "isograd.serialization", "save": "isograd.serialization"}

globals().update(_FUNCTIONS)
# NumPy warns of divisions by zero and overflows in our frames; torch does not.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"isograd\.")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_LAZY})
