"""The normal distribution of vectors, kept by its covariance's Cholesky factor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from isograd.distributions.constraints import (
    Constraint,
    lower_cholesky,
    positive_definite,
    real_vector,
)
from isograd.distributions.distribution import Distribution
from isograd.linalg import cholesky, solve_triangular
from isograd.tensor.core import Tensor
from isograd.tensor.creation import eye
from isograd.tensor.primitives.shape import expand

__all__ = ["MultivariateNormal"]


class MultivariateNormal(Distribution):
    """``N(loc, covariance_matrix)``.

    Args:
        loc: the mean.
        covariance_matrix, precision_matrix, scale_tril: the covariance, its inverse, or its lower
            Cholesky factor; one of the three.

    Shape:
        ``loc``: (*batch, n), the matrices: (*batch, n, n).
    """

    arg_constraints = {
        "loc": real_vector,
        "covariance_matrix": positive_definite,
        "precision_matrix": positive_definite,
        "scale_tril": lower_cholesky,
    }
    has_rsample = True
    _extra_parameters = ("_factor",)

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix,
                 "scale_tril": scale_tril}  # fmt: skip
        named = [(name, m) for name, m in given.items() if m is not None]
        if len(named) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril "
                             "may be specified.")  # fmt: skip
        name, matrix = named[0]
        if loc.ndim < 1 or matrix.ndim < 2:
            raise ValueError(f"MultivariateNormal: expected a vector and a matrix, got loc of "
                             f"{loc.shape} and {name} of {matrix.shape}")  # fmt: skip
        n = loc.shape[-1]
        batch = (loc.detach()[..., 0] + matrix.detach()[..., 0, 0]).shape
        self.loc = expand(loc, (*batch, n))
        self.__dict__[name] = expand(matrix, (*batch, n, n))
        super().__init__(batch, (n,), validate_args)
        self._factor = self._cholesky(name, self.__dict__[name])

    @staticmethod
    def _cholesky(name: str, matrix: Tensor) -> Tensor:
        if name == "scale_tril":
            return matrix
        if name == "covariance_matrix":
            return cholesky(matrix)
        flipped = cholesky(matrix.flip((-2, -1))).flip((-2, -1)).mT  # lower, of the inverse
        one = eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
        return solve_triangular(flipped, one, upper=False)

    @cached_property
    def scale_tril(self) -> Tensor:
        """The covariance's lower Cholesky factor."""
        return self._factor

    @cached_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self._factor @ self._factor.mT

    @cached_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse."""
        return self._factor.cholesky_inverse()

    @property
    def support(self) -> Constraint:
        return real_vector

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return expand(self._factor.pow(2).sum(-1), (*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients flow."""
        noise = self.loc.new_empty(self._extended_shape(sample_shape)).normal_()
        return self.loc + (self._factor @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        self._check_sample(value)
        away = (value - self.loc).unsqueeze(-1)  # (..., n, 1)
        white = solve_triangular(expand(self._factor, (*away.shape[:-1], away.shape[-2])), away,
                                 upper=False)  # fmt: skip
        distance = white.squeeze(-1).pow(2).sum(-1)
        n = self._event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + distance) - self._half_log_det()

    def _half_log_det(self) -> Tensor:
        return self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def entropy(self) -> Tensor:
        """In nats."""
        n = self._event_shape[0]
        return 0.5 * n * (1 + math.log(2 * math.pi)) + self._half_log_det()
