"""Single steps of recurrent layers."""

from __future__ import annotations

import math
from typing import Any

from isograd.nn import functional as F
from isograd.nn import init
from isograd.nn.module import Module
from isograd.nn.parameter import Parameter
from isograd.tensor.core import Tensor
from isograd.tensor.creation import empty, zeros
from isograd.tensor.primitives.recurrent import gru_step, lstm_step
from isograd.tensor.primitives.selection import relu
from isograd.tensor.primitives.transcendental import tanh

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """The weights and checks that the cells share.

    Args:
        num_chunks: how many gates there are.
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(gates, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(gates, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(empty(gates, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights again, uniform within 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _prepare(self, input: Tensor, states: tuple[Any, ...]) -> tuple[bool, list[Tensor]]:
        """Whether there is a batch, and input and states with one."""
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {input.shape[-1]} expected "
                f"{self.input_size}"
            )
        batched = input.ndim == 2
        x = input if batched else input.unsqueeze(0)
        out = [x]
        for state in states:
            if state is None:
                shape = (x.shape[0], self.hidden_size)
                out.append(zeros(shape, dtype=x.dtype, device=x.device))
                continue
            if state.ndim != input.ndim:
                raise ValueError(
                    f"{name}: Expected hidden to be {input.ndim}D, got {state.ndim}D instead"
                )
            h = state if batched else state.unsqueeze(0)
            if tuple(h.shape) != (x.shape[0], self.hidden_size):
                raise RuntimeError(
                    f"{name}: expected hidden of shape {(x.shape[0], self.hidden_size)}, got "
                    f"{tuple(h.shape)}"
                )
            out.append(h)
        return batched, out


class RNNCell(RNNCellBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``.

    Args:
        nonlinearity: ``"tanh"`` or ``"relu"``.

    Shape:
        (B, input_size), (B, hidden_size) -> (B, hidden_size)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        batched, (x, h) = self._prepare(input, (hx,))
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        new = tanh(z) if self.nonlinearity == "tanh" else relu(z)
        return new if batched else new.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of an LSTM; gates in the order i, f, g, o.

    Shape:
        (B, input_size), ((B, hidden_size), (B, hidden_size)) -> the next pair
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        batched, (x, h, c) = self._prepare(input, hx or (None, None))
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        h, c = lstm_step(z, c)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a GRU; gates in the order r, z, n.

    Shape:
        (B, input_size), (B, hidden_size) -> (B, hidden_size)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        batched, (x, h) = self._prepare(input, (hx,))
        new = gru_step(
            F.linear(x, self.weight_ih, self.bias_ih), F.linear(h, self.weight_hh, self.bias_hh), h
        )
        return new if batched else new.squeeze(0)
