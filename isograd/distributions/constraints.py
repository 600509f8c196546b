"""What values a parameter or a sample may have: each constraint tests tensors and shows itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isograd.linalg import cholesky_ex
from isograd.tensor.core import Tensor

__all__ = [
    "Constraint", "boolean", "greater_than", "independent", "integer_interval", "interval",
    "less_than", "lower_cholesky", "nonnegative", "one_hot", "positive", "positive_definite",
    "real", "real_vector", "simplex", "unit_interval",
]  # fmt: skip


class Constraint:
    """A test on tensors.

    Args:
        text: how error messages name it.
        test: tells of each element, or of each event, whether it is allowed.
        event_dim: how many trailing dimensions one event has.
        is_discrete: whether allowed values are isolated.
    """

    def __init__(
        self,
        text: str,
        test: Callable[[Tensor], Tensor],
        event_dim: int = 0,
        is_discrete: bool = False,
    ) -> None:
        self._text, self._test = text, test
        self.event_dim, self.is_discrete = event_dim, is_discrete

    def check(self, value: Tensor) -> Tensor:
        """Booleans, one per event: whether it is allowed."""
        return self._test(value)

    def __repr__(self) -> str:
        return self._text


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """From ``lower_bound`` to ``upper_bound``, both included."""
    text = f"Interval(lower_bound={lower_bound}, upper_bound={upper_bound})"
    return Constraint(text, lambda x: (x >= lower_bound) & (x <= upper_bound))


def integer_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Whole numbers from ``lower_bound`` to ``upper_bound``."""
    text = f"IntegerInterval(lower_bound={lower_bound}, upper_bound={upper_bound})"

    def test(x: Tensor) -> Tensor:
        return (x % 1 == 0) & (x >= lower_bound) & (x <= upper_bound)

    return Constraint(text, test, is_discrete=True)


def greater_than(lower_bound: Any) -> Constraint:
    """Greater than the bound."""
    return Constraint(f"GreaterThan(lower_bound={lower_bound})", lambda x: x > lower_bound)


def less_than(upper_bound: Any) -> Constraint:
    """Less than the bound."""
    return Constraint(f"LessThan(upper_bound={upper_bound})", lambda x: x < upper_bound)


def independent(base: Constraint, dims: int) -> Constraint:
    """``base`` for all elements of the last ``dims`` dimensions together."""
    if dims == 0:
        return base

    def test(x: Tensor) -> Tensor:
        each = base.check(x)
        return each.reshape((*each.shape[: each.ndim - dims], -1)).all(-1)

    return Constraint(
        f"IndependentConstraint({base}, {dims})", test, base.event_dim + dims, base.is_discrete
    )


def _simplex(x: Tensor) -> Tensor:
    return (x >= 0).all(-1) & ((x.sum(-1) - 1).abs() < 1e-6)


def _one_hot(x: Tensor) -> Tensor:
    return ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1)


def _lower_cholesky(x: Tensor) -> Tensor:
    lower = (x.tril() == x).flatten(-2).all(-1)
    return lower & (x.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


def _positive_definite(x: Tensor) -> Tensor:
    symmetric = (x - x.mT).abs().flatten(-2).max(-1).values < 1e-6
    return symmetric & (cholesky_ex(x).info == 0)


real = Constraint("Real()", lambda x: x == x)  # nan is none
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = Constraint("GreaterThanEq(lower_bound=0.0)", lambda x: x >= 0)
unit_interval = interval(0.0, 1.0)
boolean = Constraint("Boolean()", lambda x: (x == 0) | (x == 1), is_discrete=True)
simplex = Constraint("Simplex()", _simplex, 1)
one_hot = Constraint("OneHot()", _one_hot, 1, True)
lower_cholesky = Constraint("LowerCholesky()", _lower_cholesky, 2)
positive_definite = Constraint("PositiveDefinite()", _positive_definite, 2)
