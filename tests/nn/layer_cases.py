"""Layers and inputs whose results must be torch's: `tests/golden/make_nn.py` runs them with torch,
`test_layers_golden.py` with isograd.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def cases(torch: Any) -> dict[str, Any]:
    """``(make, inputs, kwargs)`` by name; inputs are shapes, or values as they are."""
    nn = torch.nn
    rng = np.random.default_rng(0)

    def values(*shape: int) -> Any:
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    masked = torch.tensor([[False, False, True, False], [False, True, True, False]])
    causal = torch.from_numpy(np.triu(np.ones((3, 4), bool), 2))
    words = torch.tensor([[1, 2, 3], [2, 2, 0]])
    bags = (torch.tensor([1, 2, 4, 5, 4, 3]), torch.tensor([0, 3, 3, 5]))
    pack = nn.utils.rnn.pack_padded_sequence
    out: dict[str, Any] = {
        "linear": (lambda: nn.Linear(20, 30), [(5, 20)], {}),
        "linear_no_bias": (lambda: nn.Linear(3, 2, bias=False), [(4, 2, 3)], {}),
        "bilinear": (lambda: nn.Bilinear(2, 3, 4), [(5, 2), (5, 3)], {}),
        "embedding": (lambda: nn.Embedding(10, 3, padding_idx=2), [words], {}),
        "embedding_by_frequency": (
            lambda: nn.Embedding(10, 3, scale_grad_by_freq=True, max_norm=1.0), [words], {}),
        "prelu": (lambda: nn.PReLU(3), [(2, 3, 4)], {}),
        "rnn_relu": (lambda: nn.RNN(3, 4, 2, nonlinearity="relu"), [(5, 2, 3), (2, 2, 4)], {}),
        "lstm_projected": (
            lambda: nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True), [(5, 2, 3)], {}),
        "lstm_with_state": (
            lambda: nn.LSTM(3, 4), [(5, 2, 3), (values(1, 2, 4), values(1, 2, 4))], {}),
    }  # fmt: skip
    for mode in ("sum", "mean", "max"):
        out[f"bag_{mode}"] = (
            lambda mode=mode: nn.EmbeddingBag(10, 3, mode=mode, padding_idx=2),
            [*bags],
            {},
        )
    for kind in ("RNN", "LSTM", "GRU"):
        layer, cell = getattr(nn, kind), getattr(nn, kind + "Cell")
        out[kind] = (lambda layer=layer: layer(3, 4), [(5, 2, 3)], {})
        out[f"{kind}_unbatched"] = (lambda layer=layer: layer(3, 4), [(5, 3)], {})
        out[f"{kind}_both_ways"] = (
            lambda layer=layer: layer(3, 4, 2, bidirectional=True, batch_first=True),
            [(2, 5, 3)],
            {},
        )
        packed = pack(values(5, 3, 3), [2, 5, 3], enforce_sorted=False)
        out[f"{kind}_packed"] = (
            lambda layer=layer: layer(3, 4, 2, bidirectional=True, bias=False),
            [packed],
            {},
        )
        out[f"{kind}_cell"] = (lambda cell=cell: cell(3, 4), [(2, 3)], {})
    mha = nn.MultiheadAttention
    three = [(3, 2, 4), (4, 2, 4), (4, 2, 4)]
    out |= {
        "attention": (lambda: mha(4, 2), three, {}),
        "attention_unbatched": (lambda: mha(4, 2), [(3, 4), (4, 4), (4, 4)], {}),
        "attention_other_widths": (
            lambda: mha(4, 2, kdim=3, vdim=5), [(3, 2, 4), (4, 2, 3), (4, 2, 5)], {}),
        "attention_extra_keys": (
            lambda: mha(4, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True),
            [(2, 3, 4), (2, 4, 4), (2, 4, 4)],
            {"key_padding_mask": masked, "attn_mask": causal}),
        "attention_each_head": (
            lambda: mha(4, 2), three,
            {"key_padding_mask": masked, "attn_mask": causal, "average_attn_weights": False}),
        "attention_without_weights": (
            lambda: mha(4, 2), three, {"need_weights": False, "attn_mask": causal}),
    }  # fmt: skip
    return out | _transformers(torch)


def _transformers(torch: Any) -> dict[str, Any]:
    nn = torch.nn
    square = nn.Transformer.generate_square_subsequent_mask
    padding = torch.tensor([[False] * 4 + [True], [False] * 5])
    out: dict[str, Any] = {}
    for first in (False, True):
        out[f"encoder_layer_{first}"] = (
            lambda first=first: nn.TransformerEncoderLayer(4, 2, 8, 0.0, norm_first=first),
            [(5, 2, 4)],
            {},
        )
        out[f"decoder_layer_{first}"] = (
            lambda first=first: nn.TransformerDecoderLayer(
                4, 2, 8, 0.0, "gelu", norm_first=first, batch_first=True),
            [(2, 5, 4), (2, 3, 4)],
            {},
        )  # fmt: skip
    out["transformer"] = (
        lambda: nn.Transformer(4, 2, 2, 2, 8, 0.0),
        [(5, 2, 4), (3, 2, 4)],
        {"tgt_mask": square(3), "src_key_padding_mask": padding},
    )
    out["transformer_no_bias"] = (
        lambda: nn.Transformer(4, 2, 1, 1, 8, 0.0, bias=False, batch_first=True),
        [(2, 5, 4), (2, 3, 4)],
        {},
    )
    return out


def run(torch: Any, name: str, make: Any, inputs: Any, kwargs: Any) -> dict[str, Any]:
    """Outputs, weights and gradients of one case as arrays, all draws from one seed."""
    torch.manual_seed(3)
    rng = np.random.default_rng(sum(name.encode()))
    module = make()
    tensors = [
        torch.from_numpy(rng.standard_normal(x).astype(np.float32)).requires_grad_(True)
        if isinstance(x, tuple) and all(isinstance(n, int) for n in x)
        else x
        for x in inputs
    ]
    outputs = list(_flat(module(*tensors, **kwargs)))
    total = sum(
        (
            o * torch.from_numpy(np.cos(np.arange(o.numel())).astype(np.float32)).reshape(o.shape)
        ).sum()
        for o in outputs
        if o.requires_grad
    )
    total.backward()
    arrays = {f"out{i}": o.detach().numpy() for i, o in enumerate(outputs)}
    for n, p in module.named_parameters():
        arrays[f"weight.{n}"] = p.detach().numpy()
        arrays[f"grad.{n}"] = p.grad.numpy()
    for i, x in enumerate(tensors):
        if getattr(x, "requires_grad", False):
            arrays[f"grad{i}"] = x.grad.numpy()
    return arrays


def _flat(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        for v in value:
            yield from _flat(v)
    elif value is not None and value.is_floating_point():
        yield value
