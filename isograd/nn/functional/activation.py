"""Activation functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.creation import empty_like
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.inplace import write_into
from isograd.tensor.primitives import activation as smooth
from isograd.tensor.primitives import piecewise as lines
from isograd.tensor.primitives import softmax as exponentials
from isograd.tensor.primitives.selection import relu as _relu
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.transcendental import sigmoid as _sigmoid
from isograd.tensor.primitives.transcendental import tanh as _tanh
from isograd.tensor.public import public

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid",
    "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "rrelu_", "selu", "selu_", "sigmoid",
    "silu", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    "threshold", "threshold_",
]  # fmt: skip

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _finish(
    name: str, input: Tensor, inplace: bool, fn: Callable[..., Any], *args: Any, **params: Any
) -> Tensor:
    """``fn(input, ...)``, written into the input if asked."""
    if inplace:
        return write_into(input, fn, args, params, name + "_")
    return fn(input, *args, **params)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``."""
    return _finish("relu", input, inplace, _relu) if inplace else _relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``input`` cut off at 0 and 6."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """``input`` cut off at ``min_val`` and ``max_val``.

    Raises:
        ValueError: if ``min_val > max_val``.
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _finish("hardtanh", input, inplace, lines.hardtanh, low=min_val, high=max_val)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input``, below 0 times ``negative_slope``."""
    return _finish("leaky_relu", input, inplace, lines.leaky_relu, slope=negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``input``, below 0 times ``weight``, of one element or one per channel (dimension 1).

    Raises:
        RuntimeError: if the number of weights is neither 1 nor that of the channels.
    """
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
        weight = weight.reshape(1, -1, *(1,) * (input.ndim - 2)) if input.ndim > 1 else weight
    elif weight.ndim:
        weight = weight.reshape(())
    return where(input > 0, input, weight * input)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """``input``, below 0 times a slope: random in [lower, upper) in training, else the middle."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = empty_like(input).uniform_(lower, upper)
    return _finish("rrelu", input, inplace, lambda x: where(x > 0, x, x * slope))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input``, below 0 ``alpha * (exp(input) - 1)``."""
    return _finish("elu", input, inplace, smooth.elu, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """elu scaled so that mean 0 and variance 1 are kept (Klambauer et al. 2017)."""
    return _finish("selu", input, inplace, smooth.elu, SELU_ALPHA, SELU_SCALE)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input``, below 0 ``alpha * (exp(input / alpha) - 1)``."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _finish("celu", input, inplace, smooth.elu, alpha, 1.0, 1.0 / alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``input`` times the normal distribution function of it.

    Args:
        approximate: ``"none"`` (erf) or ``"tanh"``.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(
            f"approximate argument must be either none or tanh. Got {approximate!r}."
        )
    return smooth.gelu(input, approximate == "tanh")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``."""
    return _finish("silu", input, inplace, smooth.silu)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))``."""
    return _finish("mish", input, inplace, smooth.mish)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-input))``."""
    return _sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return _tanh(input)


def _default_dim(name: str, ndim: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=3,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """``exp(input) / sum(exp(input))`` along ``dim``."""
    dim = _default_dim("softmax", input.ndim) if dim is None else dim
    return exponentials.softmax(input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """``softmax(-input)``."""
    dim = _default_dim("softmin", input.ndim) if dim is None else dim
    return exponentials.softmax(-input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """``log(softmax(input))``."""
    dim = _default_dim("log_softmax", input.ndim) if dim is None else dim
    return exponentials.log_softmax(input, dim, dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of classes that can be differentiated (Jang et al. 2016).

    Args:
        tau: temperature.
        hard: give one-hot vectors, with the gradient of the soft ones.
    """
    noise = -empty_like(logits).exponential_().log()
    soft = exponentials.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one_hot = empty_like(logits).zero_().scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``; input itself where ``beta * input > threshold``."""
    return smooth.softplus(input, float(beta), float(threshold))


def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)``."""
    return input / (input.abs() + 1)


def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))``."""
    return smooth.log_sigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * relu6(input + 3) / 6``."""
    return _finish("hardswish", input, inplace, lines.hardswish)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(input + 3) / 6``."""
    return _finish("hardsigmoid", input, inplace, lines.hardsigmoid)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input``, but 0 in ``[-lambd, lambd]``."""
    return lines.hardshrink(input, bound=lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` moved towards 0 by ``lambd``.

    Raises:
        RuntimeError: for a negative ``lambd``.
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return lines.softshrink(input, bound=lambd)


def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``."""
    return input - _tanh(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input``, but ``value`` where it is not above ``threshold``."""
    return _finish("threshold", input, inplace, lines.threshold, bound=threshold, value=value)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along ``dim`` times the sigmoid of the second.

    Raises:
        RuntimeError: if the size is odd or there is no dimension.
    """
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}"
        )
    first, second = input.chunk(2, dim)
    return first * _sigmoid(second)


def relu_(input: Tensor) -> Tensor:
    """In-place `relu`."""
    return relu(input, True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place `elu`."""
    return elu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """In-place `selu`."""
    return selu(input, True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place `celu`."""
    return celu(input, alpha, True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place `leaky_relu`."""
    return leaky_relu(input, negative_slope, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place `hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place `threshold`."""
    return _finish("threshold", input, True, lines.threshold, bound=threshold, value=value)


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place `rrelu`."""
    return rrelu(input, lower, upper, training, True)


# torch has these beside nn.functional, too
for _function in (celu, rrelu, selu, threshold, celu_, rrelu_, selu_, threshold_):
    public(method=False)(_function)
public()(prelu)
public()(hardshrink)
