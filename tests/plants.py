"""Faults planted on purpose: pytest plugins that break one thing each (see test_planted_faults).

ISOGRAD_PLANT=broken_gradient pytest -p tests.plants tests/tensor/test_records.py
"""

from __future__ import annotations

import os
from typing import Any

from isograd.distributed import fingerprint
from isograd.distributed.reducer import Reducer
from isograd.tensor.primitive import PRIMITIVES

FAULT = os.environ.get("ISOGRAD_PLANT", "")


def broken_gradient() -> None:
    """The gradient of tanh forgets its square."""
    PRIMITIVES["tanh"].vjp["x"] = lambda g, out: g * (1 - out)
    PRIMITIVES["tanh"]._plan = None


def swapped_bucket_order() -> None:
    """Rank 1 starts its buckets in the opposite order."""
    original = Reducer.__init__

    def swapped(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self.group.rank() == 1:
            self.buckets.reverse()

    Reducer.__init__ = swapped  # type: ignore[method-assign]


def wrong_fingerprint() -> None:
    """Fingerprints leave out what the operation is."""
    original = fingerprint.encode

    def blind(signature: Any, sequence: int, site: str = "") -> bytes:
        return original(signature._replace(op="any", dtype="any", shape=()), sequence)

    fingerprint.encode = blind


if FAULT:
    globals()[FAULT]()
