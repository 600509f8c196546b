"""The categorical distribution: one of K classes, as an index or as a one-hot vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from isograd.autograd.modes import no_grad
from isograd.distributions.constraints import (
    Constraint,
    integer_interval,
    one_hot,
    real_vector,
    simplex,
)
from isograd.distributions.distribution import Distribution
from isograd.nn.functional import one_hot as as_one_hot
from isograd.tensor import dtypes
from isograd.tensor.core import Tensor
from isograd.tensor.creation import arange
from isograd.tensor.primitives.shape import expand
from isograd.tensor.random import multinomial
from isograd.tensor.size import Size

__all__ = ["Categorical", "OneHotCategorical"]


class Categorical(Distribution):
    """Class ``i`` of 0..K-1 with probability ``probs[..., i]``.

    Args:
        probs: weights, not negative; divided by their sum. Or
        logits: logarithms of weights; one of both.

    Shape:
        ``probs``: (*batch, K).
    """

    arg_constraints = {"probs": simplex, "logits": real_vector}
    has_enumerate_support = True

    def __init__(
        self,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given = logits if probs is None else probs
        name = "logits" if probs is None else "probs"
        if not isinstance(given, Tensor) or given.ndim < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is not None:
            value = probs / probs.sum(-1, keepdim=True)
        else:
            value = given - given.logsumexp(dim=-1, keepdim=True)
        self.__dict__[name] = self._param = value
        self._num_events = value.shape[-1]
        super().__init__(value.shape[:-1], (), validate_args)

    _extra_parameters = ("_param",)

    @cached_property
    def logits(self) -> Tensor:
        """Logarithms of the probabilities."""
        eps = dtypes.finfo(self.probs.dtype).eps
        return self.probs.clamp(eps, 1 - eps).log()

    @cached_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.logits.softmax(-1)

    @property
    def param_shape(self) -> Size:
        """Shape of the probabilities."""
        return self._param.shape

    @property
    def support(self) -> Constraint:
        return integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        return self.probs.detach().sum(-1) * math.nan  # classes have no order

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Tensor:
        return self.mean

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of class numbers, int64."""
        count = math.prod(sample_shape)
        with no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            drawn = multinomial(rows, count, True).t()  # (count, batch)
        return drawn.reshape((*sample_shape, *self._batch_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability of class ``value``."""
        self._check_sample(value)
        index = value.long().unsqueeze(-1)  # (..., 1)
        zero = index * 0 + self.logits.detach()[..., :1].long() * 0
        index = index + zero
        logits = expand(self.logits, (*index.shape[:-1], self._num_events))
        return logits.gather(-1, index).squeeze(-1)

    def entropy(self) -> Tensor:
        """In nats."""
        logits = self.logits.clamp(min=dtypes.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All class numbers, along a new first dimension."""
        values = arange(self._num_events, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values


class OneHotCategorical(Categorical):
    """`Categorical` whose draws are one-hot vectors of the parameters' dtype."""

    def __init__(
        self,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args)
        self._event_shape = Size((self._num_events,))

    @property
    def support(self) -> Constraint:
        return one_hot

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return self._encoded(self.probs.argmax(dim=-1))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def _encoded(self, classes: Tensor) -> Tensor:
        return as_one_hot(classes, self._num_events).to(self._param.dtype)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of one-hot vectors."""
        return self._encoded(super().sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability of the vector's class."""
        self._check_sample(value)
        return (value * self.logits.clamp(min=dtypes.finfo(self.logits.dtype).min)).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All one-hot vectors, along a new first dimension."""
        return self._encoded(super().enumerate_support(expand))
