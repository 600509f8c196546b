"""Recurrent layers over whole sequences: RNN, LSTM and GRU, in layers and both directions.

The products with the input are made for all steps at once; a step then costs one product with the
hidden state and one operation (`isograd.tensor.primitives.recurrent`). Packed sequences shrink the
batch from step to step as the shorter ones end; backward, it grows.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

from isograd.nn import functional as F
from isograd.nn import init
from isograd.nn.module import Module
from isograd.nn.parameter import Parameter
from isograd.nn.utils.rnn import PackedSequence, packed_rows, unpacked_rows
from isograd.tensor.core import Tensor
from isograd.tensor.creation import empty, zeros
from isograd.tensor.primitives.recurrent import gru_step, lstm_step, steps
from isograd.tensor.primitives.selection import relu, where
from isograd.tensor.primitives.shape import cat, stack, unstack
from isograd.tensor.primitives.transcendental import tanh
from isograd.tensor.spread import SpreadArray

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}

State = tuple[Tensor, ...]  # (h,) or (h, c), each (B, H)


class RNNBase(Module):
    """What RNN, LSTM and GRU share: their weights, the checks and the walk over layers.

    Args:
        mode: ``"RNN_TANH"``, ``"RNN_RELU"``, ``"LSTM"`` or ``"GRU"``.
        input_size: features of the input.
        hidden_size: features of the hidden state.
        num_layers: layers, each on the outputs of the one before.
        bias: whether the products have biases.
        batch_first: (B, T, *) instead of (T, B, *) for input and output.
        dropout: of the outputs of all layers but the last.
        bidirectional: a second set of weights walks backward; the outputs are joined.
        proj_size: LSTM only: project the hidden state to this size.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0: of layer 0, the gates one
            after the other; with the suffix ``_reverse`` for the way back.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_arguments(dropout)
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in self._suffixes():
                names = self._add_weights(layer, suffix, device, dtype)
                self._all_weights.append(names)
        self.reset_parameters()

    def _check_arguments(self, dropout: Any) -> None:
        if (
            isinstance(dropout, bool)
            or not isinstance(dropout, (int, float))
            or not (0 <= dropout <= 1)
        ):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed"
            )
        if dropout and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={self.num_layers}",
                stacklevel=4,
            )
        if not isinstance(self.hidden_size, int):
            raise TypeError(
                f"hidden_size should be of type int, got: {type(self.hidden_size).__name__}"
            )
        if self.hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.proj_size and self.mode != "LSTM":
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if self.mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {self.mode}")

    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _out_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _add_weights(self, layer: int, suffix: str, device: Any, dtype: Any) -> list[str]:
        gates = _GATES[self.mode] * self.hidden_size
        into = self.input_size if layer == 0 else self._out_size * len(self._suffixes())
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates, into),
            "weight_hh": (gates, self._out_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for kind, shape in shapes.items():
            name = f"{kind}_l{layer}{suffix}"
            setattr(self, name, Parameter(empty(shape, device=device, dtype=dtype)))
            names.append(name)
        return names

    def reset_parameters(self) -> None:
        """Draw all weights again, uniform within 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do: the weights need no common memory."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0,
            "bidirectional": False,
        }  # fmt: skip
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                text += f", {name}={value}"
        return text

    # -- checks

    def _check_input(self, x: Tensor, packed: bool) -> None:
        dims = (2,) if packed else (2, 3)
        if x.ndim not in dims:
            want = "2" if packed else "2D or 3D"
            raise (RuntimeError if packed else ValueError)(
                f"input must have 2 dimensions, got {x.ndim}"
                if packed
                else f"{type(self).__name__}: Expected input to be {want}, got {x.ndim}D instead"
            )
        if x.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{x.shape[-1]}"
            )
        weight = getattr(self, self._all_weights[0][0])
        if x.dtype is not weight.dtype:
            raise ValueError(
                f"RNN input dtype ({x.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({x.dtype})"
            )

    def _state_shapes(self, batch: int) -> list[tuple[int, int, int]]:
        rows = self.num_layers * len(self._suffixes())
        shapes = [(rows, batch, self._out_size)]
        return [*shapes, (rows, batch, self.hidden_size)] if self.mode == "LSTM" else shapes

    def _start(self, hx: Any, x: Tensor, batch: int, batched: bool, order: Any) -> list[Tensor]:
        """The first states (layers, B, H), zero by default."""
        shapes = self._state_shapes(batch)
        if hx is None:
            return [zeros(s, dtype=x.dtype, device=x.device) for s in shapes]
        given = list(hx) if self.mode == "LSTM" else [hx]
        if len(given) != len(shapes):
            raise RuntimeError(f"LSTM: expected a pair (h_0, c_0), got {len(given)} tensors")
        if not batched:
            for i, t in enumerate(given):
                if t.ndim != 2:
                    raise RuntimeError(
                        f"For unbatched 2-D input, hx should also be 2-D but got {t.ndim}-D tensor"
                    )
                given[i] = t.unsqueeze(1)
        for i, (t, shape) in enumerate(zip(given, shapes, strict=True)):
            if batched and t.ndim != 3:
                raise RuntimeError(
                    f"For batched 3-D input, hx should also be 3-D but got {t.ndim}-D tensor"
                )
            if tuple(t.shape) != shape:
                which = "hidden" if len(shapes) == 1 else f"hidden[{i}]"
                raise RuntimeError(f"Expected {which} size {shape}, got {list(t.shape)}")
        return [t if order is None else t.index_select(1, order) for t in given]

    # -- the walk

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Outputs of the last layer, and the last states of all layers.

        Args:
            input: (T, B, input_size), (T, input_size), or a PackedSequence.
            hx: first hidden state(s) (layers * directions, B, H); zero by default.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        self._check_input(input, False)
        batched = input.ndim == 3
        x = input if batched else input.unsqueeze(1)
        if batched and self.batch_first:
            x = x.transpose(0, 1)
        states = self._start(hx, x, x.shape[1], batched, None)
        sizes = [x.shape[1]] * x.shape[0]
        out, last = self._layers(x, sizes, states)
        if not batched:
            return out.squeeze(1), self._packed_up([t.squeeze(1) for t in last])
        return (out.transpose(0, 1) if self.batch_first else out), self._packed_up(last)

    def _packed_up(self, states: list[Tensor]) -> Any:
        return tuple(states) if self.mode == "LSTM" else states[0]

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> Any:
        data, batch_sizes, order, back = packed
        self._check_input(data, True)
        sizes = batch_sizes.tolist()
        states = self._start(hx, data, sizes[0], True, order)
        if isinstance(data._array, SpreadArray):
            out, last = self._packed_in_parts(data, batch_sizes.numpy(), states)
        else:
            out, last = self._layers(data, sizes, states)
        if back is not None:
            last = [t.index_select(1, back) for t in last]
        return PackedSequence(out, batch_sizes, order, back), self._packed_up(last)

    def _packed_in_parts(
        self, data: Tensor, counts: Any, states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Padded, so that every position walks with its own sequences; ended ones keep their state.

        Dropout acts on the packed data, as everywhere.
        """
        steps, batch = int(counts.size), int(counts[0])
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                data = F.dropout(data, self.dropout, self.training)
            x, there = unpacked_rows(data, counts, steps)
            masks = unstack(there.t().unsqueeze(2))
            x, ends = self._layer(x.transpose(0, 1), [batch] * steps, states, layer, masks)
            last += ends
            data = packed_rows(x.transpose(0, 1), counts)
        return data, [stack(list(parts)) for parts in zip(*last, strict=True)]

    def _layers(
        self, x: Tensor, sizes: list[int], states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers over steps (T, B, features) or packed sequences (sum of sizes, features)."""
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            x, ends = self._layer(x, sizes, states, layer)
            last += ends
        return x, [stack(list(parts)) for parts in zip(*last, strict=True)]

    def _layer(
        self, x: Tensor, sizes: list[int], states: list[Tensor], layer: int, masks: Any = None
    ) -> tuple[Tensor, list[State]]:
        """One layer in its directions; ``masks`` (B, 1) per step: who has not ended."""
        outs, last = [], []
        directions = len(self._suffixes())
        for d in range(directions):
            row = layer * directions + d
            first = tuple(t[row] for t in states)
            walk = self._backward_walk if d else self._forward_walk
            out, end = walk(x, sizes, first, row, masks)
            outs.append(out)
            last.append(end)
        return (outs[0] if directions == 1 else cat(outs, -1)), last

    def _input_products(self, x: Tensor, sizes: list[int], row: int) -> Iterator[Any]:
        """The products with the input, for all steps at once, cut into steps (B_t, gates)."""
        names = self._all_weights[row]
        bias = getattr(self, names[2]) if self.bias else None
        if bias is not None and self.mode != "GRU":
            bias = bias + getattr(self, names[3])  # both biases add up; GRU scales the second
        products = F.linear(x, getattr(self, names[0]), bias)
        return iter(unstack(products) if x.ndim == 3 else steps(products, sizes))

    def _forward_walk(
        self, x: Tensor, sizes: list[int], state: State, row: int, masks: Any = None
    ) -> tuple[Tensor, State]:
        step = self._step(row)
        outs, ended = [], []
        products = self._input_products(x, sizes, row)
        for t, (size, product) in enumerate(zip(sizes, products, strict=True)):
            if size < state[0].shape[0]:  # the shorter sequences end here
                ended.append(tuple(s[size:] for s in state))
                state = tuple(s[:size] for s in state)
            state = _kept(masks, t, step(product, state), state)
            outs.append(state[0])
        ended.append(state)
        if len(ended) > 1:
            state = tuple(cat(list(parts)) for parts in zip(*ended[::-1], strict=True))
        return (stack(outs) if x.ndim == 3 else cat(outs)), state

    def _backward_walk(
        self, x: Tensor, sizes: list[int], state: State, row: int, masks: Any = None
    ) -> tuple[Tensor, State]:
        step = self._step(row)
        first = state
        state = tuple(t[: sizes[-1]] for t in first)
        outs = []
        products = list(self._input_products(x, sizes, row))
        for t in reversed(range(len(sizes))):
            size = sizes[t]
            have = state[0].shape[0]
            if size > have:  # longer sequences than this one start here
                state = tuple(cat([s, f[have:size]]) for s, f in zip(state, first, strict=True))
            state = _kept(masks, t, step(products[t], state), state)
            outs.append(state[0])
        return (stack if x.ndim == 3 else cat)(outs[::-1]), state

    def _step(self, row: int) -> Any:
        """One step of this layer and direction: ``step(input product, state) -> state``."""
        names = self._all_weights[row]
        weight = getattr(self, names[1])
        if self.mode == "LSTM":
            project = getattr(self, names[-1]) if self.proj_size else None

            def lstm(product: Tensor, state: State) -> State:
                h, c = lstm_step(product + F.linear(state[0], weight), state[1])
                return (h if project is None else F.linear(h, project)), c

            return lstm
        if self.mode == "GRU":
            bias = getattr(self, names[3]) if self.bias else None
            return lambda product, state: (
                gru_step(product, F.linear(state[0], weight, bias), state[0]),
            )
        squash = tanh if self.mode == "RNN_TANH" else relu
        return lambda product, state: (squash(product + F.linear(state[0], weight)),)


def _kept(masks: Any, t: int, new: State, old: State) -> State:
    """The new state, or the old one of sequences that are not there at step t."""
    if masks is None:
        return new
    return tuple(where(masks[t], n, o) for n, o in zip(new, old, strict=True))


class RNN(RNNBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` (Elman 1990).

    Args:
        nonlinearity: ``"tanh"`` or ``"relu"``.

    The others are those of `RNNBase`.

    Shape:
        (T, B, input_size), h_0 (layers * directions, B, H) -> (T, B, directions * H), h_n

    Example:
        >>> import isograd as torch
        >>> out, h = torch.nn.RNN(3, 4)(torch.zeros(5, 2, 3))
        >>> out.shape, h.shape
        (torch.Size([5, 2, 4]), torch.Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(
            "RNN_" + nonlinearity.upper(), input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, 0, device, dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); gates in the order i, f, g, o.

    Args:
        proj_size: project the hidden state to this size (Sak et al. 2014).

    The others are those of `RNNBase`.

    Shape:
        (T, B, input_size), (h_0, c_0) -> (T, B, directions * H), (h_n, c_n)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype,
        )  # fmt: skip


class GRU(RNNBase):
    """Gated recurrent unit (Cho et al. 2014); gates in the order r, z, n.

    The arguments are those of `RNNBase`.

    Shape:
        (T, B, input_size), h_0 -> (T, B, directions * H), h_n
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            0, device, dtype,
        )  # fmt: skip
