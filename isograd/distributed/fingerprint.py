"""Fingerprints: every collective says what it is before any data moves.

A rank's call is described by a `Signature`; its digest and the call's number in the group make a
record of 24 bytes, all-gathered on a side channel. Equal records: go. Different ones: the ranks
exchange the full texts and every rank raises `CollectiveMismatchError` with every rank's call and
call site. The call site is reported, not compared: the two branches of `if rank == 0:` may well
make the same call on two lines. In a global view it is compared, too: there all ranks run one
script line by line, and one number read on two lines would be two numbers.

Plain MPI answers the same mistake by adding up different tensors, with exit code 0.
"""

import hashlib
import os
import struct
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from isograd.distributed.errors import CollectiveMismatchError

__all__ = [
    "RECORD_SIZE",
    "Signature",
    "call_site",
    "dtype_name",
    "encode",
    "enabled",
    "mismatch_error",
    "script_level",
]

RECORD_SIZE = 24  # bytes: sequence number (8), digest (16)
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

_CACHE_LIMIT = 4096
_digests: dict[tuple["Signature", str], bytes] = {}
_names: dict[np.dtype[Any], str] = {}


class Signature(NamedTuple):
    """What must agree between the ranks of one collective call.

    Args:
        op: name of the operation.
        dtype: name of the element type, "" where there is none.
        shape: what must agree of the shape.
        reduce: name of the ReduceOp, "" where there is none.
        root: source or destination rank in the group, -1 where there is none.
        detail: anything else, as text.
    """

    op: str
    dtype: str = ""
    shape: tuple[int, ...] | None = None
    reduce: str = ""
    root: int = -1
    detail: str = ""

    def text(self) -> str:
        """As a reader would write the call: `all_reduce(SUM) float32 (4, 3)`."""
        inside = [self.reduce] if self.reduce else []
        inside += [f"root={self.root}"] if self.root >= 0 else []
        inside += [self.detail] if self.detail else []
        shape = "" if self.shape is None else f" {tuple(self.shape)}"
        return f"{self.op}({', '.join(inside)})" + (f" {self.dtype}" if self.dtype else "") + shape


def enabled() -> bool:
    """False when ISOGRAD_FINGERPRINT=0; read once per communicator.

    It must be the same on all ranks. Without fingerprints nothing watches whether a rank arrives
    either: that is noticed while they are exchanged.
    """
    return os.environ.get("ISOGRAD_FINGERPRINT", "1") != "0"


def encode(signature: Signature, sequence: int, site: str = "") -> bytes:
    """The record of one call.

    Args:
        signature: the call.
        sequence: its number.
        site: the line that must agree, if any.

    Returns:
        24 bytes, equal on two ranks exactly when they make the same call at the same place of
        the sequence (up to a collision of 128 bits).
    """
    digest = _digests.get((signature, site))
    if digest is None:
        if len(_digests) >= _CACHE_LIMIT:
            _digests.clear()
        text = repr((*signature, os.path.basename(site)))  # hosts may keep a script elsewhere
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        _digests[signature, site] = digest
    return struct.pack("<q", sequence) + digest


def dtype_name(dtype: np.dtype[Any]) -> str:
    """`dtype.name`, remembered: NumPy builds the string anew each time."""
    name = _names.get(dtype)
    if name is None:
        name = _names[dtype] = dtype.name
    return name


def call_site() -> str:
    """The innermost "file:line" outside this package that led here."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def script_level() -> int:
    """The stacklevel of a warning of the caller's that is to name the script's line."""
    frame, level = sys._getframe(1), 1
    while frame.f_code.co_filename.startswith(PACKAGE) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    return level


def mismatch_error(
    name: str, group: str, ranks: Sequence[int], sequence: int, lines: Sequence[str]
) -> CollectiveMismatchError:
    """The error every rank raises.

    Args:
        name: this rank's operation.
        group: group name.
        ranks: global rank of each line.
        sequence: this rank's number of the call.
        lines: each rank's call and call site.
    """
    listed = "\n".join(f"  {who}: {line}" for who, line in _grouped(ranks, lines))
    return CollectiveMismatchError(
        f"{name}: the ranks disagree on collective {sequence} of group {group!r} "
        f"({len(ranks)} ranks); no data was moved\n{listed}\n"
        "All ranks of a group must make the same calls in the same order, with the same dtype, "
        "shape, reduction and root."
    )


def _grouped(ranks: Sequence[int], lines: Sequence[str]) -> list[tuple[str, str]]:
    """One entry per distinct line when there are many ranks."""
    if len(ranks) <= 8:
        return [(f"rank {rank}", line) for rank, line in zip(ranks, lines, strict=True)]
    by_line: dict[str, list[int]] = {}
    for rank, line in zip(ranks, lines, strict=True):
        by_line.setdefault(line, []).append(rank)
    return [
        (f"{len(who)} rank(s) {who[:6]}{'...' if len(who) > 6 else ''}", line)
        for line, who in by_line.items()
    ]
