"""Functions and inputs whose results must be torch's: `tests/golden/make_nn.py` runs them with
torch, `test_functions_golden.py` with isograd.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def cases(torch: Any) -> dict[str, Any]:
    """``(fn, inputs)`` by name: a function of float64 tensors that wants all their gradients."""
    return {**_activations(torch), **_losses(torch), **_margins(torch), **_others(torch)}


def _draw(seed: int = 0) -> Any:
    return np.random.default_rng(seed)


def _activations(torch: Any) -> dict[str, Any]:
    F = torch.nn.functional
    x = _draw().uniform(-4, 4, (3, 4))
    table: dict[str, Any] = {
        name: getattr(F, name)
        for name in (
            "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish",
            "sigmoid", "tanh", "softplus", "softsign", "hardtanh", "hardswish", "hardsigmoid",
            "hardshrink", "softshrink", "tanhshrink", "logsigmoid", "glu",
        )
    }  # fmt: skip
    table |= {
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "celu_2": lambda x: F.celu(x, 2.0),
        "softplus_2": lambda x: F.softplus(x, 2.0, 3.0),
        "softmax": lambda x: F.softmax(x, 1),
        "softmin": lambda x: F.softmin(x, 0),
        "log_softmax": lambda x: F.log_softmax(x, -1),
        "threshold": lambda x: F.threshold(x, 0.5, 7.0),
        "rrelu_eval": lambda x: F.rrelu(x, 0.1, 0.3),
    }
    out = {name: (fn, [x]) for name, fn in table.items()}
    out["prelu"] = (F.prelu, [x, np.linspace(0.1, 0.4, 4)])
    return out


def _losses(torch: Any) -> dict[str, Any]:
    F = torch.nn.functional
    rng = _draw(1)
    a, b = rng.standard_normal((2, 3, 4))
    p = rng.uniform(0.1, 0.9, (3, 4))
    weights = torch.tensor([0.5, 1.0, 2.0, 0.25], dtype=torch.float64)
    classes = torch.tensor([1, 3, 0])
    image = rng.standard_normal((2, 4, 3))
    pixels = torch.tensor([[1, 3, 0], [2, -100, 3]])
    soft = np.abs(b) / np.abs(b).sum(1, keepdims=True)
    out: dict[str, Any] = {
        "mse": (F.mse_loss, [a, b]),
        "l1": (F.l1_loss, [a, b]),
        "smooth_l1": (lambda x, t: F.smooth_l1_loss(x, t, beta=0.7), [a, b]),
        "huber": (lambda x, t: F.huber_loss(x, t, delta=0.7), [a, b]),
        "bce": (lambda x: F.binary_cross_entropy(x, torch.from_numpy(soft)), [p]),
        "bce_logits": (
            lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=weights), [a, p]),
        "kl_div": (lambda x, t: F.kl_div(x, t, reduction="batchmean"), [a, p]),
        "kl_div_log": (lambda x, t: F.kl_div(x, t, reduction="sum", log_target=True), [a, b]),
        "poisson": (lambda x: F.poisson_nll_loss(x, torch.from_numpy(p * 5), full=True), [a]),
        "poisson_rate": (
            lambda x: F.poisson_nll_loss(x, torch.from_numpy(p), log_input=False), [p]),
        "gaussian": (lambda x, t, v: F.gaussian_nll_loss(x, t, v, full=True), [a, b, p]),
        "soft_margin": (lambda x: F.soft_margin_loss(x, torch.from_numpy(np.sign(b))), [a]),
        "soft_targets": (
            lambda x, t: F.cross_entropy(x, t, weights, label_smoothing=0.1), [a, soft]),
    }  # fmt: skip
    for reduction in ("none", "sum", "mean"):
        how = {"reduction": reduction}
        out[f"cross_entropy_{reduction}"] = (
            lambda x, how=how: F.cross_entropy(x, classes, **how), [a])  # fmt: skip
        out[f"cross_entropy_smooth_{reduction}"] = (
            lambda x, how=how: F.cross_entropy(x, pixels, weights, label_smoothing=0.2, **how),
            [image],
        )
        out[f"cross_entropy_weighted_{reduction}"] = (
            lambda x, how=how: F.cross_entropy(x, pixels, weights, **how),
            [image],
        )
        out[f"nll_{reduction}"] = (
            lambda x, how=how: F.nll_loss(x, pixels.abs() % 4, ignore_index=3, **how),
            [image],
        )
    return out


def _margins(torch: Any) -> dict[str, Any]:
    F = torch.nn.functional
    rng = _draw(2)
    a, b, c = rng.standard_normal((3, 3, 4))
    sign = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    labels = torch.tensor([[1, 3, -1, 0], [0, -1, 2, 2], [-1, 1, 1, 1]])
    weights = torch.tensor([0.5, 1.0, 2.0, 0.25], dtype=torch.float64)
    return {
        "hinge": (lambda x: F.hinge_embedding_loss(x, sign, 0.5), [a[:, 0]]),
        "ranking": (lambda x, y: F.margin_ranking_loss(x, y, sign, 0.5), [a[:, 0], b[:, 0]]),
        "cosine": (lambda x, y: F.cosine_embedding_loss(x, y, sign, 0.1), [a, b]),
        "triplet": (lambda x, y, z: F.triplet_margin_loss(x, y, z, swap=True, p=3.0), [a, b, c]),
        "triplet_distance": (F.triplet_margin_with_distance_loss, [a, b, c]),
        "multi_margin": (
            lambda x: F.multi_margin_loss(x, torch.tensor([1, 3, 0]), p=2, weight=weights), [a]),
        "multilabel_margin": (lambda x: F.multilabel_margin_loss(x, labels, reduction="none"), [a]),
        "multilabel_soft_margin": (
            lambda x, t: F.multilabel_soft_margin_loss(x, t, weights), [a, np.abs(b)]),
    }  # fmt: skip


def _others(torch: Any) -> dict[str, Any]:
    F = torch.nn.functional
    rng = _draw(3)
    a, b = rng.standard_normal((2, 3, 4))
    q, k, v = rng.standard_normal((3, 2, 4, 3, 5))
    mask = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    scores = rng.standard_normal((6, 3, 5))
    spell = (
        torch.tensor([[1, 2], [2, 2], [3, 0]]),
        torch.tensor([6, 5, 2]),
        torch.tensor([2, 2, 1]),
    )
    attend = F.scaled_dot_product_attention
    out: dict[str, Any] = {
        "cosine_similarity": (lambda x, y: F.cosine_similarity(x, y, 1), [a, b]),
        "pairwise_distance": (lambda x, y: F.pairwise_distance(x, y, 1.5), [a, b]),
        "pdist": (lambda x: F.pdist(x, 2.0), [a]),
        "bilinear": (F.bilinear, [a, b, rng.standard_normal((2, 4, 4)), rng.standard_normal(2)]),
        "attention": (attend, [q, k, v]),
        "attention_causal": (lambda *x: attend(*x, is_causal=True, scale=0.3), [q, k, v]),
        "attention_bool_mask": (lambda *x: attend(*x, attn_mask=mask), [q, k, v]),
        "attention_added_mask": (lambda q, k, v, m: attend(q, k, v, m), [q, k, v, a[:, :3]]),
        "attention_grouped": (
            lambda *x: attend(*x, enable_gqa=True), [q, k[:, :2], v[:, :2]]),
    }  # fmt: skip
    for reduction in ("none", "sum", "mean"):
        out[f"ctc_{reduction}"] = (
            lambda x, r=reduction: F.ctc_loss(F.log_softmax(x, 2), *spell, reduction=r),
            [scores],
        )
    return out


def run(torch: Any, fn: Any, inputs: list[Any]) -> list[Any]:
    """The output and the gradients of all inputs as arrays."""
    tensors = [torch.from_numpy(np.array(x)).requires_grad_(True) for x in inputs]
    out = fn(*tensors)
    weight = torch.from_numpy(np.cos(np.arange(out.numel()))).reshape(out.shape)
    (out * weight).sum().backward()
    return [out.detach().numpy(), *(t.grad.numpy() for t in tensors)]
