"""What MPI can move and reduce: datatypes, operators, and cuts below its 32-bit counts.

Moving needs only the width of an element, so every dtype travels as an integer of its size.
Reducing needs a type MPI knows: bool as bytes of 0 and 1, float16 and bfloat16 as float32.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from isograd.distributed.reduce_op import ReduceOp, accumulation_dtype

__all__ = ["MAX_COUNT", "chunks", "movable", "mpi_module", "mpi_operator", "reducible"]

MAX_COUNT = 2**31 - 1  # elements in one MPI call; lowered in tests

_WIDTHS = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}


def mpi_module() -> Any:
    """The mpi4py.MPI module; importing it initializes MPI with MPI_THREAD_MULTIPLE."""
    import mpi4py

    mpi4py.rc.threads = True
    mpi4py.rc.thread_level = "multiple"
    from mpi4py import MPI

    return MPI


def movable(buffer: Any) -> Any:
    """The same memory as a dtype MPI has; values are not to be interpreted."""
    return buffer.view(_WIDTHS[buffer.dtype.itemsize])


def reducible(buffer: Any) -> Any:
    """An array MPI can reduce: the same memory, or a float32 copy of a two-byte float."""
    if buffer.dtype.kind == "b":
        return buffer.view(np.uint8)
    return buffer.astype(accumulation_dtype(buffer.dtype), copy=False)


def mpi_operator(mpi: Any, op: ReduceOp, dtype: np.dtype[Any]) -> Any:
    """The MPI.Op for `op`; `dtype` is the caller's, before `reducible`."""
    if dtype.kind == "b":
        if op in (ReduceOp.SUM, ReduceOp.MAX, ReduceOp.BOR):
            return mpi.BOR
        return mpi.BXOR if op is ReduceOp.BXOR else mpi.BAND
    names = {ReduceOp.AVG: "SUM", ReduceOp.PRODUCT: "PROD"}
    return getattr(mpi, names.get(op, op.name))


def chunks(buffer: Any) -> Iterator[Any]:
    """Consecutive pieces of at most MAX_COUNT elements; at least one."""
    for start in range(0, max(len(buffer), 1), MAX_COUNT):
        yield buffer[start : start + MAX_COUNT]
