"""The Laplace distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isograd.distributions.constraints import Constraint, positive, real
from isograd.distributions.distribution import Distribution, broadcast_all
from isograd.tensor import dtypes
from isograd.tensor.core import Tensor

__all__ = ["Laplace"]


class Laplace(Distribution):
    """Density ``exp(-|x - loc| / scale) / (2 * scale)``."""

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
    def variance(self) -> Tensor:
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Tensor:
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients flow."""
        tiny = dtypes.finfo(self.loc.dtype)
        u = self.loc.new_empty(self._extended_shape(sample_shape)).uniform_(tiny.eps - 1, 1)
        return self.loc - self.scale * u.sign() * (-u.abs().clamp(min=tiny.tiny)).log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._check_sample(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw that is not greater."""
        self._check_sample(value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * (-away.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a draw falls with this probability."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()

    def entropy(self) -> Tensor:
        """In nats."""
        return 1 + (2 * self.scale).log()
