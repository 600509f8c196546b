"""``Independent``: batch dimensions as part of the event, so that ``log_prob`` sums over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isograd.distributions import constraints
from isograd.distributions.constraints import Constraint
from isograd.distributions.distribution import Distribution
from isograd.tensor.core import Tensor

__all__ = ["Independent"]


class Independent(Distribution):
    """``base_distribution`` with its last batch dimensions moved to the event.

    Args:
        reinterpreted_batch_ndims: how many.

    Example:
        >>> Independent(Normal(zeros(3), ones(3)), 1).log_prob(zeros(3)).shape  # doctest: +SKIP
        torch.Size([])
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch, n = base_distribution.batch_shape, reinterpreted_batch_ndims
        if n > len(batch):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                f"{n} vs {len(batch)}"
            )
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = n
        kept = len(batch) - n
        event = (*batch[kept:], *base_distribution.event_shape)
        super().__init__(batch[:kept], event, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether the base's draws have gradients."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Constraint:
        return constraints.independent(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of the base."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of the base through which gradients flow."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The base's, summed over the event."""
        return self._summed(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        """The base's, summed over the event."""
        return self._summed(self.base_dist.entropy())

    def _summed(self, value: Tensor) -> Tensor:
        n = self.reinterpreted_batch_ndims
        return value.sum(tuple(range(-n, 0))) if n else value

    def expand(self, batch_shape: Sequence[int]) -> Any:
        """The same distributions, repeated to a greater batch shape."""
        n = self.reinterpreted_batch_ndims
        own = self.base_dist.batch_shape
        inner = own[len(own) - n :]
        return Independent(self.base_dist.expand((*batch_shape, *inner)), n, self._validate_args)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"
