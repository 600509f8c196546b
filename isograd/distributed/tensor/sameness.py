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
        self._batch: _Sample | None = None

    def note(self, text: str, array: Any) -> None:
        """Remember a few elements of a batch."""
        self._batch = _Sample(text, array)

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
        named: list[_Sample] = []
        if self._batch is not None:
            named.append(self._batch)
            self._batch = None
        params = list(leaves)
        named += [_Sample(p, p._array) for p in params[:: 1 + len(params) // _MOST]]
        values = [sample.values() for sample in named]
        everybody = comm.exchange_bytes(b"".join(v.tobytes() for v in values))
        if len(set(everybody)) > 1:
            self._compare(named, values, [np.frombuffer(data) for data in everybody])

    def _compare(self, named: list[_Sample], values: list[Any], everybody: list[Any]) -> None:
        start = 0
        for sample, own in zip(named, values, strict=True):
            rows = [data[start : start + own.size] for data in everybody]
            start += own.size
            exact = self.mesh.reproducible or sample.few.dtype.kind in "biu"
            odd = next((r for r, row in enumerate(rows) if _differ(rows[0], row, exact)), None)
            if odd is not None:
                raise RuntimeError(self._message(sample.of, rows, odd))

    def _message(self, what: Any, rows: list[Any], odd: int) -> str:
        shown = what
        if not isinstance(what, str):
            name = self.name_of(what)
            shown = f"a parameter of shape {tuple(what.shape)}" if name is None else name
        a, b = rows[0], rows[odd]
        at = 0 if a.shape != b.shape or a[0] != b[0] else _farthest(a, b)
        here, there = (f"{row[at]:.9g}" if at else f"{row[0]:.0f} elements" for row in (a, b))
        return (
            f"the ranks do not hold the same: {shown} differs (rank 0 has {here} where rank {odd} "
            f"has {there}), found at {call_site()}. All ranks run one script, in which seeds, "
            "learning rates and data must not depend on the rank, the time or the host"
        )


class _Sample:
    """Up to 16 elements spread over an array, on its device.

    Args:
        of: whose they are: a text, or a parameter.
        array: where they are taken from.
    """

    def __init__(self, of: Any, array: Any) -> None:
        self.of, self.size = of, int(array.size)
        step = max(1, math.ceil(array.size / _ELEMENTS))
        self.few = array.reshape(-1)[::step].copy()

    def values(self) -> Any:
        """The array's size and the elements, as float64 on the host."""
        host = backend_of(self.few).to_numpy(self.few)
        host = host.view(host.real.dtype) if host.dtype.kind == "c" else host
        return np.concatenate([[float(self.size)], host.astype(np.float64)])


def _farthest(a: Any, b: Any) -> int:
    """Where two rows differ most."""
    with np.errstate(invalid="ignore"):
        apart = np.nan_to_num(np.abs(a - b), nan=np.inf)
    return int(np.argmax(np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, apart)))


def _differ(a: Any, b: Any, exact: bool) -> bool:
    if a.shape != b.shape or a[0] != b[0] or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return True
    if exact:
        return not np.array_equal(a, b, equal_nan=True)
    a, b = np.nan_to_num(a[1:]), np.nan_to_num(b[1:])
    return bool(np.abs(a - b).max(initial=0) > _TOLERANCE * np.abs(a).max(initial=0))
