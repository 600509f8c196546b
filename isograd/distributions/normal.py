"""The normal distribution, and the log-normal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from isograd.autograd.modes import no_grad
from isograd.distributions.constraints import Constraint, positive, real
from isograd.distributions.distribution import Distribution, broadcast_all
from isograd.tensor.core import Tensor
from isograd.tensor.primitives.shape import expand
from isograd.tensor.random import normal

__all__ = ["LogNormal", "Normal"]


class Normal(Distribution):
    """``N(loc, scale**2)``.

    Args:
        loc: the mean.
        scale: the standard deviation.
    """

    arg_constraints = {"loc": real, "scale": positive}
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def support(self) -> Constraint:
        return real

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale.pow(2)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, without gradient."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return normal(expand(self.loc, shape), expand(self.scale, shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients flow."""
        shape = self._extended_shape(sample_shape)
        return self.loc + self.loc.new_empty(shape).normal_() * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._check_sample(value)
        deviation = (value - self.loc) / self.scale
        return -(deviation**2) / 2 - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw that is not greater."""
        self._check_sample(value)
        return 0.5 * (1 + ((value - self.loc) / self.scale / math.sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a draw falls with this probability."""
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        """In nats."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class LogNormal(Normal):
    """``exp`` of a normal variable.

    Args:
        loc, scale: mean and standard deviation of the logarithm.
    """

    @property
    def support(self) -> Constraint:
        return positive

    @property
    def mean(self) -> Tensor:
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self) -> Tensor:
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self) -> Tensor:
        squared = self.scale**2
        return squared.expm1() * (2 * self.loc + squared).exp()

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, without gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients flow."""
        return super().rsample(sample_shape).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._check_sample(value)
        logarithm = value.log()
        deviation = (logarithm - self.loc) / self.scale
        constant = math.log(math.sqrt(2 * math.pi))
        return -(deviation**2) / 2 - self.scale.log() - constant - logarithm

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw that is not greater."""
        self._check_sample(value)
        return 0.5 * (1 + ((value.log() - self.loc) / self.scale / math.sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a draw falls with this probability."""
        return super().icdf(value).exp()

    def entropy(self) -> Tensor:
        """In nats."""
        return super().entropy() + self.loc
