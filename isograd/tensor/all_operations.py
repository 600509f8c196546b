"""Imports every file of operations, so that all of them are registered and attached to Tensor."""

from __future__ import annotations

import isograd.tensor.conversion
import isograd.tensor.creation
import isograd.tensor.operators
import isograd.tensor.primitives.comparison
import isograd.tensor.primitives.indexing
import isograd.tensor.primitives.logical
import isograd.tensor.primitives.products
import isograd.tensor.primitives.reduction
import isograd.tensor.primitives.rounding
import isograd.tensor.primitives.shape
import isograd.tensor.random  # noqa: F401

__all__: list[str] = []
