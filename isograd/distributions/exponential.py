"""The exponential distribution: how long one waits for what happens at a constant rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isograd.distributions.constraints import Constraint, nonnegative, positive
from isograd.distributions.distribution import Distribution, broadcast_all
from isograd.tensor.core import Tensor

__all__ = ["Exponential"]


class Exponential(Distribution):
    """Density ``rate * exp(-rate * x)``.

    Args:
        rate: one over the mean.
    """

    arg_constraints = {"rate": positive}
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def support(self) -> Constraint:
        return nonnegative

    @property
    def mean(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        return self.rate.detach() * 0

    @property
    def stddev(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients flow."""
        return self.rate.new_empty(self._extended_shape(sample_shape)).exponential_() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._check_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw that is not greater."""
        self._check_sample(value)
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a draw falls with this probability."""
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        """In nats."""
        return 1 - self.rate.log()
