"""Scaled dot-product attention, and the multi-head form with its projections.

Source: Vaswani et al. 2017, "Attention is all you need".
"""

from __future__ import annotations

import math
from typing import Any

from isograd.nn.functional.dropout import dropout
from isograd.tensor.core import Tensor
from isograd.tensor.creation import zeros
from isograd.tensor.dtypes import bool_
from isograd.tensor.primitives.linear import linear
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.shape import cat
from isograd.tensor.primitives.softmax import attention_softmax

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.T * scale + attn_mask) @ value``.

    Args:
        attn_mask: broadcasts to (..., L, S): added, or bool with True where to attend.
        dropout_p: probability of dropping a weight; also outside of training.
        is_causal: position i attends to 0 .. i only.
        scale: 1 / sqrt(E) by default.
        enable_gqa: a head of key and value serves several neighbouring heads of the query.

    Shape:
        (..., H, L, E), (..., H, S, E), (..., H, S, V) -> (..., H, L, V)

    Raises:
        RuntimeError: if both a mask and ``is_causal`` are given, or the mask is of integers.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
        )
    if attn_mask is not None and attn_mask.dtype is not bool_ and attn_mask.dtype.category != 2:
        raise RuntimeError(
            "scaled_dot_product_attention: Expected attn_mask dtype to be bool or float or to "
            f"match query dtype, but got attn_mask.dtype: {attn_mask.dtype} and query.dtype: "
            f"{query.dtype} instead."
        )
    if enable_gqa:
        key, value = (_spread_heads(t, query.shape[-3]) for t in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(query, key.transpose(-2, -1))  # (..., L, S)
    weights = attention_softmax(scores, attn_mask, scale, is_causal)
    if dropout_p > 0:
        weights = dropout(weights, dropout_p)
    return matmul(weights, value)


def _spread_heads(t: Tensor, heads: int) -> Tensor:
    own = t.shape[-3]
    if heads % own:
        raise RuntimeError(
            f"scaled_dot_product_attention: enable_gqa needs a number of query heads ({heads}) "
            f"that is a multiple of the key and value heads ({own})"
        )
    return t.repeat_interleave(heads // own, -3)


def _as_bias(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask in nn's sense, True where *not* to attend, as a number to add."""
    if mask is None or mask.dtype.category == 2:
        return mask
    if mask.dtype is not bool_:
        raise AssertionError(
            f"only bool and floating types of mask are supported, got {mask.dtype}"
        )
    return zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(mask, -math.inf)


def _project(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    in_weight: Tensor | None,
    weights: tuple[Tensor | None, ...] | None,
    bias: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The three projections, in as few products as the inputs allow."""
    E = query.shape[-1]
    biases: Any = (None,) * 3 if bias is None else bias.chunk(3)
    if weights is not None or in_weight is None:
        if weights is None or any(w is None for w in weights):
            raise AssertionError("use_separate_proj_weight is True but a projection weight is None")
        q, k, v = (
            linear(x, w, b)  # type: ignore[arg-type]
            for x, w, b in zip((query, key, value), weights, biases, strict=True)
        )
        return q, k, v
    if key is value:
        if query is key:
            q, k, v = linear(query, in_weight, bias).chunk(3, -1)
            return q, k, v
        w_q, w_kv = in_weight.split([E, 2 * E])
        b_q, b_kv = (None, None) if bias is None else bias.split([E, 2 * E])
        k, v = linear(key, w_kv, b_kv).chunk(2, -1)
        return linear(query, w_q, b_q), k, v
    three = zip((query, key, value), in_weight.chunk(3), biases, strict=True)
    q, k, v = (linear(x, w, b) for x, w, b in three)
    return q, k, v


def _heads(x: Tensor, batch: int, heads: int) -> Tensor:
    """(L, N, E) -> (N, heads, L, E / heads)"""
    length, _, width = x.shape
    return x.reshape(length, batch, heads, width // heads).permute(1, 2, 0, 3)


def _check_masks(
    query: Tensor, key: Tensor, padding: Tensor | None, mask: Tensor | None, heads: int
) -> None:
    batched = query.ndim == 3
    if query.ndim not in (2, 3) or key.ndim != query.ndim:
        raise AssertionError(
            f"query, key and value should be unbatched 2D or batched 3D tensors, but received "
            f"{query.ndim}-D query and {key.ndim}-D key"
        )
    if padding is not None:
        want = (key.shape[1], key.shape[0]) if batched else (key.shape[0],)
        if tuple(padding.shape) != want:
            raise AssertionError(
                f"expecting key_padding_mask shape of {want}, but got {tuple(padding.shape)}"
            )
    if mask is not None:
        flat = (query.shape[0], key.shape[0])
        each = ((query.shape[1] if batched else 1) * heads, *flat)
        if tuple(mask.shape) not in (flat, each):
            raise RuntimeError(
                f"The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, but should be "
                f"{flat if mask.ndim == 2 else each}."
            )


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads, with the projections before and after.

    Args:
        key_padding_mask: (N, S) True at keys not to attend to (or numbers to add).
        need_weights: return the weights, too; slower.
        attn_mask: (L, S) or (N * heads, L, S), True where *not* to attend, or numbers to add.
        bias_k, bias_v: (1, 1, E) a further key and value for all.
        add_zero_attn: a further key and value of zeros.
        static_k, static_v: (N * heads, S, E / heads) used instead of the projected ones.
        average_attn_weights: give the mean of the heads' weights.
        is_causal: says that ``attn_mask`` is the causal mask, which must then be given.

    Shape:
        query (L, N, E) or (L, E), key (S, N, E_k), value (S, N, E_v) -> (L, N, E) and weights
        (N, L, S) or (N, heads, L, S)
    """
    _check_masks(query, key, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    batched = query.ndim == 3
    if not batched:
        same_key, same_value = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same_key else key.unsqueeze(1)
        value = key if same_value else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if width != embed_dim_to_check:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}"
        )
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _project(query, key, value, in_proj_weight, separate, in_proj_bias)
    extra = 0
    if bias_k is not None and bias_v is not None:
        k, v = cat([k, bias_k.repeat(1, batch, 1)]), cat([v, bias_v.repeat(1, batch, 1)])
        extra += 1
    q, k, v = (_heads(x, batch, num_heads) for x in (q, k, v))  # (N, heads, L or S, E / heads)
    if static_k is not None:
        k = static_k.reshape(batch, num_heads, *static_k.shape[1:])
    if static_v is not None:
        v = static_v.reshape(batch, num_heads, *static_v.shape[1:])
    if add_zero_attn:
        empty = k.new_zeros((batch, num_heads, 1, k.shape[-1]))
        k, v = cat([k, empty], 2), cat([v, empty], 2)
        extra += 1
    hint = is_causal and key_padding_mask is None and not need_weights and not extra
    bias = None if hint else _mask_bias(attn_mask, key_padding_mask, q, num_heads, extra)
    dropout_p = dropout_p if training else 0.0
    scores = matmul(q, k.transpose(-2, -1))
    weights = attention_softmax(scores, bias, 1 / math.sqrt(q.shape[-1]), hint)
    dropped = dropout(weights, dropout_p) if dropout_p > 0 else weights
    out = matmul(dropped, v).permute(2, 0, 1, 3).reshape(length, batch, width)
    out = linear(out, out_proj_weight, out_proj_bias)
    if not batched:
        out = out.squeeze(1)
    if not need_weights:
        return out, None
    shown = dropped.mean(1) if average_attn_weights else dropped
    return out, shown if batched else shown.squeeze(0)


def _mask_bias(
    mask: Tensor | None, padding: Tensor | None, q: Tensor, heads: int, extra: int
) -> Tensor | None:
    """Both masks as one number to add to (N, heads, L, S + extra) scores."""
    batch = q.shape[0]
    bias = _as_bias(mask, q)
    if bias is not None and bias.ndim == 3:
        bias = bias.reshape(batch, heads, *bias.shape[1:])
    added = _as_bias(padding, q)
    if added is not None:
        added = added.reshape(batch, 1, 1, -1)
        bias = added if bias is None else bias + added
    if bias is not None and extra:
        bias = cat([bias, bias.new_zeros((*bias.shape[:-1], extra))], -1)
    return bias
