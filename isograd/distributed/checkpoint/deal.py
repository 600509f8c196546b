"""Which rank writes which part of the plain tensors, which all ranks hold.

The tensors are laid end to end on a line of bytes, which is cut into one run per rank. Runs are so
long that every rank writes the same in all, its own parts of cut tensors included. A cut falls
between tensors, or inside of a large one between two rows of dimension 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from isograd.distributed.checkpoint.index import Stored

__all__ = ["borders", "deal"]

_LARGE = 1 << 20  # bytes; smaller tensors stay whole


def deal(tensors: Sequence[Stored], taken: Sequence[int]) -> list[list[tuple[int, int, int]]]:
    """Rows of the tensors for each rank.

    Args:
        tensors: in an order that all ranks share.
        taken: bytes that each rank writes besides.

    Returns:
        Per rank a list of (number of the tensor, first row, end row). Tensors without dimensions
        have one row; empty ones are nobody's.

    Example:
        >>> from isograd.tensor.dtypes import float32
        >>> deal([Stored("a", float32, (2, 3)), Stored("b", float32, (6,))], [0, 0])
        [[(0, 0, 2)], [(1, 0, 6)]]
    """
    sizes = [prod(t.shape) * t.dtype.np.itemsize for t in tensors]
    ends = borders(sum(sizes), taken)
    dealt: list[list[tuple[int, int, int]]] = [[] for _ in taken]
    position = 0
    for number, (tensor, size) in enumerate(zip(tensors, sizes)):
        if size:
            rows = tensor.shape[0] if tensor.shape else 1
            for rank, first, end in _runs(position, size, rows, ends):
                dealt[rank].append((number, first, end))
        position += size
    return dealt


def borders(total: int, taken: Sequence[int]) -> list[int]:
    """Where each rank's run ends on a line of ``total`` bytes; the last end is ``total``.

    Those who have more than the common level already get nothing.
    """
    level, left = 0, total
    order = sorted(taken)
    for n, have in enumerate(order, 1):  # fill up from the lowest, as water would
        after = order[n] if n < len(order) else have + left
        room = (after - have) * n
        level = have + (left // n if room >= left or n == len(order) else after - have)
        if room >= left:
            break
        left -= room
    ends, end = [], 0
    for have in taken:
        end = min(total, end + max(0, level - have))
        ends.append(end)
    ends[-1] = total
    return ends


def _runs(position: int, size: int, rows: int, ends: Sequence[int]) -> list[tuple[int, int, int]]:
    """(rank, first row, end row) of one tensor that begins at a position of the line."""
    if size < _LARGE or rows == 1:
        middle = position + size // 2
        rank = next((r for r, end in enumerate(ends) if middle < end), len(ends) - 1)
        return [(rank, 0, rows)]
    runs, first = [], 0
    for rank, border in enumerate(ends):
        last = rank == len(ends) - 1 or border >= position + size
        end = rows if last else max(first, (border - position) * rows // size)
        if end > first:
            runs.append((rank, first, end))
        first = max(first, end)
        if last:
            break
    return runs
