"""What every process holds whole is the same everywhere: looked at seldom, and little of it.

A script may make ranks differ without a call that shows it: weights drawn from a seed of the
rank's own, a learning rate that depends on the rank, data read in another order. So when
gradients are read for the 1st, 2nd, 4th, ... 128th time, and every 128th time after, up to 16
elements of each parameter, and of the last batch that the script made itself, are compared: one
exchange of a few KiB. On a reproducible mesh they must be the same bits. Otherwise hosts may round
differently, and floating ones may differ by a thousandth of the largest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from isograd.distributed.fingerprint import call_site
from isograd.distributed.tensor.mesh import DeviceMesh
from isograd.tensor.backends import backend_of

__all__ = ["Sameness"]

_ELEMENTS = 16
_MOST = 256  # tensors
_SELDOM = 128
_TOLERANCE = 1e-3


class Sameness:
    """Compares samples of replicated tensors between a mesh's processes.

    Args:
        mesh: the mesh.

    Attributes:
        name_of: what a tensor is called in an error; None where it is not known.
    """

    def __init__(self, mesh: DeviceMesh) -> None:
        self.mesh = mesh
        self.name_of: Callable[[Any], str | None] = lambda leaf: None
        self._reads = 0
        self._batch: tuple[str, Any] | None = None

    def note(self, text: str, array: Any) -> None:
        """Remember a few elements of a batch."""
        self._batch = text, _few(array)

    def gradients_read(self, leaves: Iterable[Any]) -> None:
        """The gradients of a step are about to be read; compares if it is time to.

        Raises:
            RuntimeError: on all processes, naming what differs and who has what.
        """
        self._reads += 1
        n = self._reads
        if n % _SELDOM and (n > _SELDOM or n & (n - 1)):
            return
        comm = self.mesh.communicator
        if comm is None:
            return
        named: list[tuple[Any, Any]] = []
        if self._batch is not None:
            named.append(self._batch)
            self._batch = None
        params = list(leaves)
        named += [(p, _few(p._array)) for p in params[:: 1 + len(params) // _MOST]]
        values = [_wide(few) for _, few in named]
        everybody = comm.exchange_bytes(b"".join(v.tobytes() for v in values))
        if len(set(everybody)) > 1:
            self._compare(named, values, [np.frombuffer(data) for data in everybody])

    def _compare(
        self, named: list[tuple[Any, Any]], values: list[Any], everybody: list[Any]
    ) -> None:
        start = 0
        for (what, few), own in zip(named, values, strict=True):
            rows = [data[start : start + own.size] for data in everybody]
            start += own.size
            exact = self.mesh.reproducible or few.dtype.kind in "biu"
            odd = next((r for r, row in enumerate(rows) if _differ(rows[0], row, exact)), None)
            if odd is not None:
                raise RuntimeError(self._message(what, rows, odd))

    def _message(self, what: Any, rows: list[Any], odd: int) -> str:
        shown = what
        if not isinstance(what, str):
            name = self.name_of(what)
            shown = f"a parameter of shape {tuple(what.shape)}" if name is None else name
        at = int(np.argmax(np.abs(rows[0] - rows[odd]))) if rows[0].size == rows[odd].size else 0
        mine, theirs = (
            f"{row[at]:.9g}" if at < row.size else "none" for row in (rows[0], rows[odd])
        )
        return (
            f"the ranks do not hold the same: {shown} differs (rank 0 has {mine} where rank {odd} "
            f"has {theirs}), found at {call_site()}. All ranks run one script, in which seeds, "
            "learning rates and data must not depend on the rank, the time or the host"
        )


def _few(array: Any) -> Any:
    """Up to 16 elements spread over an array, on its device."""
    step = max(1, math.ceil(array.size / _ELEMENTS))
    return array.reshape(-1)[::step].copy()


def _wide(few: Any) -> Any:
    """As float64."""
    host = backend_of(few).to_numpy(few)
    return (host.view(host.real.dtype) if host.dtype.kind == "c" else host).astype(np.float64)


def _differ(a: Any, b: Any, exact: bool) -> bool:
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return True
    if exact:
        return not np.array_equal(a, b, equal_nan=True)
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    return bool(np.abs(a - b).max(initial=0) > _TOLERANCE * np.abs(a).max(initial=0))
