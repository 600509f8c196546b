"""Imports every file of operations, so that all of them are registered and attached to Tensor."""

from __future__ import annotations

import isograd.tensor.absent
import isograd.tensor.conversion
import isograd.tensor.creation
import isograd.tensor.diagonal_fill
import isograd.tensor.legacy_types
import isograd.tensor.operators
import isograd.tensor.primitives.activation
import isograd.tensor.primitives.binary_cross_entropy
import isograd.tensor.primitives.blocks
import isograd.tensor.primitives.clamp
import isograd.tensor.primitives.columns
import isograd.tensor.primitives.combination
import isograd.tensor.primitives.comparison
import isograd.tensor.primitives.complex
import isograd.tensor.primitives.convolution
import isograd.tensor.primitives.counting
import isograd.tensor.primitives.cross_entropy
import isograd.tensor.primitives.cumulative
import isograd.tensor.primitives.determinants
import isograd.tensor.primitives.differences
import isograd.tensor.primitives.distances
import isograd.tensor.primitives.dropout
import isograd.tensor.primitives.einsum
import isograd.tensor.primitives.embedding
import isograd.tensor.primitives.extremes
import isograd.tensor.primitives.factorizations
import isograd.tensor.primitives.floating
import isograd.tensor.primitives.gathering
import isograd.tensor.primitives.indexing
import isograd.tensor.primitives.integers
import isograd.tensor.primitives.linear
import isograd.tensor.primitives.logical
import isograd.tensor.primitives.lu
import isograd.tensor.primitives.masked_reductions
import isograd.tensor.primitives.masking
import isograd.tensor.primitives.matrix_functions
import isograd.tensor.primitives.normalization
import isograd.tensor.primitives.norms
import isograd.tensor.primitives.padding
import isograd.tensor.primitives.piecewise
import isograd.tensor.primitives.polynomials
import isograd.tensor.primitives.pooling
import isograd.tensor.primitives.products
import isograd.tensor.primitives.pseudoinverse
import isograd.tensor.primitives.recurrent
import isograd.tensor.primitives.reduction
import isograd.tensor.primitives.resampling
import isograd.tensor.primitives.rounding
import isograd.tensor.primitives.scattering
import isograd.tensor.primitives.searching
import isograd.tensor.primitives.shape
import isograd.tensor.primitives.short_time
import isograd.tensor.primitives.softmax
import isograd.tensor.primitives.solving
import isograd.tensor.primitives.sorting
import isograd.tensor.primitives.special
import isograd.tensor.primitives.spectra
import isograd.tensor.primitives.statistics
import isograd.tensor.primitives.subscript
import isograd.tensor.primitives.truth
import isograd.tensor.primitives.variance
import isograd.tensor.primitives.windows
import isograd.tensor.random  # noqa: F401

__all__: list[str] = []
