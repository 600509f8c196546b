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
from isograd.autograd.anomaly import is_anomaly_enabled as is_anomaly_enabled
from isograd.autograd.anomaly import set_detect_anomaly as set_anomaly_enabled
from isograd.autograd.modes import enable_grad as enable_grad
from isograd.autograd.modes import inference_mode as inference_mode
from isograd.autograd.modes import is_grad_enabled as is_grad_enabled
from isograd.autograd.modes import is_inference_mode_enabled as is_inference_mode_enabled
from isograd.autograd.modes import no_grad as no_grad
from isograd.autograd.modes import set_grad_enabled as set_grad_enabled
from isograd.tensor import return_types as return_types
from isograd.tensor.core import Tensor as Tensor
from isograd.tensor.devices import default_device as get_default_device
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
from isograd.tensor.legacy_types import CPU_TYPES as _CPU_TYPES
from isograd.tensor.legacy_types import set_default_tensor_type as set_default_tensor_type
from isograd.tensor.memory_format import channels_last as channels_last
from isograd.tensor.memory_format import channels_last_3d as channels_last_3d
from isograd.tensor.memory_format import contiguous_format as contiguous_format
from isograd.tensor.memory_format import layout as layout
from isograd.tensor.memory_format import memory_format as memory_format
from isograd.tensor.memory_format import preserve_format as preserve_format
from isograd.tensor.memory_format import sparse_coo as sparse_coo
from isograd.tensor.memory_format import strided as strided
from isograd.tensor.printing import set_printoptions as set_printoptions
from isograd.tensor.public import FUNCTIONS as _FUNCTIONS
from isograd.tensor.random import get_rng_state as get_rng_state
from isograd.tensor.random import set_rng_state as set_rng_state
from isograd.tensor.size import Size as Size
from isograd.version import __version__ as __version__

if TYPE_CHECKING:  # the functions of tensors, by torch's names, and the submodules

    def __getattr__(name: str) -> Any: ...

else:

    def __getattr__(name: str) -> Any:
        """Submodules are imported when first used: ``isograd.nn``, ``isograd.distributed``, ..."""
        if name in _SUBMODULES:
            return _importlib.import_module(f"isograd.{name}")
        if name in _HOMES:
            value = getattr(_importlib.import_module(_HOMES[name]), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'isograd' has no attribute {name!r}")


_SUBMODULES = (
    "accelerator", "backends", "cuda", "data", "distributed", "distributions", "fft",
    "linalg", "masked", "multiprocessing", "nn", "optim", "random", "serialization", "signal",
    "special", "testing", "utils", "version",
)  # fmt: skip
_LAZY = {
    "isograd.serialization": ("load", "save"),
    "isograd.tensor.precision": (
        "are_deterministic_algorithms_enabled", "get_deterministic_debug_mode",
        "get_float32_matmul_precision", "is_deterministic_algorithms_warn_only_enabled",
        "set_deterministic_debug_mode", "set_float32_matmul_precision",
        "use_deterministic_algorithms",
    ),
    "isograd.tensor.threads": (
        "get_num_interop_threads", "get_num_threads", "set_num_interop_threads", "set_num_threads",
    ),
}  # fmt: skip
_HOMES = {name: home for home, names in _LAZY.items() for name in names}
newaxis = None

globals().update(_FUNCTIONS)
globals().update(_CPU_TYPES)
# NumPy warns of divisions by zero and overflows in our frames; torch does not.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"isograd\.")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_HOMES})
