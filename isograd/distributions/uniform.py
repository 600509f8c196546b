"""The uniform distribution over an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from isograd.distributions.constraints import Constraint, interval, less_than, real
from isograd.distributions.distribution import Distribution, broadcast_all
from isograd.tensor.core import Tensor

__all__ = ["Uniform"]


class Uniform(Distribution):
    """Equal density from ``low`` (included) to ``high`` (not)."""

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, (), validate_args)

    @property
    def arg_constraints(self) -> dict[str, Constraint]:
        high = self.high.detach()
        return {"low": less_than(high.item() if high.ndim == 0 else high), "high": real}

    @property
    def support(self) -> Constraint:
        return interval(self.low.detach(), self.high.detach())

    @property
    def mean(self) -> Tensor:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        return self.high * math.nan  # no value is more probable than the others

    @property
    def stddev(self) -> Tensor:
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low).pow(2) / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients flow."""
        unit = self.low.new_empty(self._extended_shape(sample_shape)).uniform_()
        return self.low + unit * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._check_sample(value)
        inside = ((self.low <= value) & (self.high > value)).type_as(self.low)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw that is not greater."""
        self._check_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a draw falls with this probability."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """In nats."""
        return (self.high - self.low).log()
