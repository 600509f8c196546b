"""Which NCCL type and operator carry out a reduction, or none.

NCCL has no bool, no complex numbers, no 16-bit integers and no bitwise operators. bool is reduced
as bytes of 0 and 1, complex sums as sums of pairs; the rest goes through the host. float16 and
bfloat16 are added as NCCL adds them, not in float32 as on the host.
"""

from typing import Any

import numpy as np

from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.staging import is_device

__all__ = ["BYTES", "reduction_plan"]

BYTES = 1  # ncclUint8, for what is only moved

# ncclDataType_t and ncclRedOp_t of nccl.h; bfloat16 is 9.
_TYPES = {
    "int8": 0,
    "uint8": 1,
    "int32": 2,
    "uint32": 3,
    "int64": 4,
    "uint64": 5,
    "float16": 6,
    "float32": 7,
    "float64": 8,
    "bfloat16": 9,
}
_OPS = {
    ReduceOp.SUM: 0,
    ReduceOp.PRODUCT: 1,
    ReduceOp.MAX: 2,
    ReduceOp.MIN: 3,
    ReduceOp.AVG: 4,
}
_BOOL_OPS = {  # on bytes of 0 and 1
    ReduceOp.SUM: ReduceOp.MAX,
    ReduceOp.MAX: ReduceOp.MAX,
    ReduceOp.BOR: ReduceOp.MAX,
    ReduceOp.PRODUCT: ReduceOp.MIN,
    ReduceOp.MIN: ReduceOp.MIN,
    ReduceOp.BAND: ReduceOp.MIN,
}


def reduction_plan(buffer: Any, op: ReduceOp) -> tuple[Any, int, int] | None:
    """(view, NCCL type, NCCL operator) of a reduction on the device, or None for the host."""
    if not is_device(buffer):
        return None
    view = buffer
    if buffer.dtype.kind == "c" and op in (ReduceOp.SUM, ReduceOp.AVG):
        view = buffer.view(np.float32 if buffer.dtype.itemsize == 8 else np.float64)
    elif buffer.dtype.kind == "b" and op in _BOOL_OPS:
        view, op = buffer.view(np.uint8), _BOOL_OPS[op]
    kind = _TYPES.get(view.dtype.name)
    if kind is None or op not in _OPS:
        return None
    return view, kind, _OPS[op]
