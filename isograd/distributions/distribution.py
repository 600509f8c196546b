"""``Distribution``: what all have in common, and how their arguments are brought together.

A sample's shape is sample shape + batch shape + event shape: the batch is of independent
distributions side by side, an event is one draw of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from isograd.autograd.modes import no_grad
from isograd.distributions.constraints import Constraint
from isograd.tensor.core import Tensor
from isograd.tensor.creation import tensor
from isograd.tensor.primitives.shape import expand
from isograd.tensor.size import Size

__all__ = ["Distribution", "broadcast_all"]

_validate = [True]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """The values as tensors of one shape; numbers take the dtype and device of the tensors.

    Raises:
        ValueError: for anything but numbers and tensors.
    """
    if not all(isinstance(v, (Tensor, int, float)) for v in values):
        got = ", ".join(type(v).__name__ for v in values)
        raise ValueError(f"distributions: arguments must be numbers or tensors, got ({got})")
    first = next((v for v in values if isinstance(v, Tensor)), None)
    if first is None:
        return tuple(tensor(float(v)) for v in values)
    tensors = [v if isinstance(v, Tensor) else first.new_tensor(v, dtype=first.dtype)
               for v in values]  # fmt: skip
    zero = sum((t.detach() * 0 for t in tensors[1:]), tensors[0].detach() * 0)
    return tuple(expand(t, zero.shape) for t in tensors)


class Distribution:
    """A family of distributions over tensors.

    Args:
        batch_shape: shape of the distributions side by side.
        event_shape: shape of one draw of one of them.
        validate_args: whether parameters and samples are tested; the class's default is True.
    """

    has_rsample: ClassVar[bool] = False
    has_enumerate_support: ClassVar[bool] = False
    arg_constraints: Any = {}
    _extra_parameters: ClassVar[tuple[str, ...]] = ()  # kept beside those with constraints

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        self._validate_args = _validate[0] if validate_args is None else validate_args
        if self._validate_args:
            self._check_parameters()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on test their arguments."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: expected a bool, got {value!r}")
        _validate[0] = value

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            if name not in self.__dict__:
                continue
            value = self.__dict__[name].detach()
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint}, but found invalid values:\n{_shown(value)}"
                )

    @property
    def batch_shape(self) -> Size:
        """Shape of the distributions side by side."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """Shape of one draw of one of them."""
        return self._event_shape

    @property
    def support(self) -> Constraint:
        """The values that can be drawn."""
        raise NotImplementedError(f"{type(self).__name__}.support")

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError(f"{type(self).__name__}.mean")

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{type(self).__name__}.mode")

    @property
    def variance(self) -> Tensor:
        """The expected squared distance from the mean."""
        raise NotImplementedError(f"{type(self).__name__}.variance")

    @property
    def stddev(self) -> Tensor:
        """The variance's root."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, without gradient, of shape ``sample_shape + batch_shape + event_shape``."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients flow to the parameters."""
        raise NotImplementedError(f"{type(self).__name__}.rsample: its draws have no gradient")

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability, or of its density, at ``value``."""
        raise NotImplementedError(f"{type(self).__name__}.log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw that is not greater."""
        raise NotImplementedError(f"{type(self).__name__}.cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a draw falls with this probability."""
        raise NotImplementedError(f"{type(self).__name__}.icdf")

    def entropy(self) -> Tensor:
        """Expected ``-log_prob``, in nats."""
        raise NotImplementedError(f"{type(self).__name__}.entropy")

    def perplexity(self) -> Tensor:
        """``exp(entropy)``."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values that can be drawn, along a new first dimension."""
        raise NotImplementedError(f"{type(self).__name__}.enumerate_support")

    def expand(self, batch_shape: Sequence[int]) -> Any:
        """The same distributions, repeated to a greater batch shape without a copy."""
        new = object.__new__(type(self))
        names = (*self.arg_constraints, *self._extra_parameters)
        new.__dict__.update({k: v for k, v in self.__dict__.items() if k not in names})
        for name in names:
            if name in self.__dict__:
                old = self.__dict__[name]
                event = old.shape[len(self._batch_shape) :]
                new.__dict__[name] = expand(old, (*batch_shape, *event))
        new._batch_shape = Size(batch_shape)
        return new

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _check_sample(self, value: Tensor) -> None:
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        self._check_sample_shape(value)
        support = self.support
        if not support.check(value.detach()).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) "
                f"to be within the support ({support}) of the distribution {self!r}, but found "
                f"invalid values:\n{_shown(value)}"
            )

    def _check_sample_shape(self, value: Tensor) -> None:
        wanted = (*self._batch_shape, *self._event_shape)
        events = len(self._event_shape)
        if tuple(value.shape[value.ndim - events :]) != self._event_shape:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs "
                f"{self._event_shape}."
            )
        for have, want in zip(reversed(value.shape), reversed(wanted), strict=False):
            if have != 1 and want != 1 and have != want:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs "
                    f"{Size(wanted)}."
                )

    def __repr__(self) -> str:
        shown = [(k, self.__dict__[k]) for k in self.arg_constraints if k in self.__dict__]
        inner = ", ".join(f"{k}: {v if v.numel() == 1 else v.size()}" for k, v in shown)
        return f"{type(self).__name__}({inner})"


def _shown(value: Tensor) -> Any:
    return value.item() if value.ndim == 0 else value
