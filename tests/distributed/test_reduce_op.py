"""ReduceOp on the host: refusals, accumulation, and the fixed order of additions.

python -m pytest tests/distributed/test_reduce_op.py
"""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from isograd.distributed.reduce_op import ReduceOp, check_reduce, tree_reduce


@pytest.mark.parametrize(
    ("dtype", "op", "words"),
    [
        (np.float32, ReduceOp.BAND, "BAND expects an integer or bool dtype, got float32"),
        (np.complex64, ReduceOp.MIN, "MIN is not defined for complex64"),
        (np.int32, ReduceOp.AVG, "AVG expects a floating or complex dtype, got int32"),
        (np.bool_, ReduceOp.AVG, "got bool"),
        (np.float32, "sum", "expected op to be a ReduceOp, got 'sum'"),
    ],
)
def test_refusals(dtype: Any, op: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        check_reduce("all_reduce", np.dtype(dtype), op)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_tree_halves_the_parts(n: int) -> None:
    rng = np.random.default_rng(n)
    parts = [rng.standard_normal(7).astype(np.float32) for _ in range(n)]

    def tree(lo: int, hi: int) -> Any:
        middle = (lo + hi + 1) // 2
        return parts[lo] if hi - lo == 1 else tree(lo, middle) + tree(middle, hi)

    total = tree_reduce(parts, ReduceOp.SUM)
    assert total.tobytes() == tree(0, n).tobytes()
    assert not np.shares_memory(total, parts[0])


def test_bfloat16_rounds_once() -> None:
    parts = [np.array([1.0], ml_dtypes.bfloat16)]
    parts += [np.array([2**-9], ml_dtypes.bfloat16)] * 4  # each alone would vanish
    total = tree_reduce(parts, ReduceOp.SUM)
    assert total.dtype == ml_dtypes.bfloat16 and total[0] == 1 + 2**-7
    mean = tree_reduce(parts, ReduceOp.AVG)
    assert mean[0] == ml_dtypes.bfloat16((1 + 2**-7) / 5)
