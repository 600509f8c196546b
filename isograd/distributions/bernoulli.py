"""The Bernoulli distribution: one with a probability, else zero."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from isograd.autograd.modes import no_grad
from isograd.distributions.constraints import Constraint, boolean, real, unit_interval
from isograd.distributions.distribution import Distribution, broadcast_all
from isograd.nn.functional import binary_cross_entropy_with_logits, logsigmoid
from isograd.tensor import dtypes
from isograd.tensor.core import Tensor
from isograd.tensor.primitives.shape import expand
from isograd.tensor.random import bernoulli

__all__ = ["Bernoulli"]


class Bernoulli(Distribution):
    """1 with probability ``probs``, else 0.

    Args:
        probs: the probability of 1, or
        logits: its log-odds; one of both.
    """

    arg_constraints = {"probs": unit_interval, "logits": real}
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name = "probs" if logits is None else "logits"
        (value,) = broadcast_all(probs if logits is None else logits)
        self.__dict__[name] = self._param = value
        super().__init__(value.shape, (), validate_args)

    _extra_parameters = ("_param",)

    @cached_property
    def logits(self) -> Tensor:
        """The log-odds of 1."""
        eps = dtypes.finfo(self.probs.dtype).eps
        clamped = self.probs.clamp(eps, 1 - eps)
        return clamped.log() - (-clamped).log1p()

    @cached_property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self.logits.sigmoid()

    @property
    def support(self) -> Constraint:
        return boolean

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return mode.masked_fill(self.probs == 0.5, float("nan"))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of 0 and 1."""
        with no_grad():
            return bernoulli(expand(self.probs, self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        self._check_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """In nats."""
        one, zero = logsigmoid(self.logits), logsigmoid(-self.logits)
        return -(self.probs * one + (1 - self.probs) * zero)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1, along a new first dimension."""
        values = self._param.detach().new_tensor([0.0, 1.0], dtype=self._param.dtype)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
