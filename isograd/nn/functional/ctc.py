"""Connectionist temporal classification (Graves et al. 2006).

The labels with blanks between them are the states; a forward pass over time adds, in logarithms,
the probabilities of all ways to reach each state. Every step is made of Tensor operations, so
derivatives of any order exist. "Impossible" is a large negative number, not -inf, whose gradients
would be nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.nn.functional.reduction import reduce_loss
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.primitives.reduction import logsumexp
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import cat, stack
from isograd.tensor.public import public

__all__ = ["ctc_loss"]

_IMPOSSIBLE = -1e30


def _lengths(values: Any) -> Any:
    host = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return host.astype(np.int64).reshape(-1)


def _label_rows(targets: Tensor, lengths: Any, blank: int) -> Any:
    """The labels of each sample, padded with blanks: (N, longest)."""
    host = targets.detach().cpu().numpy()
    longest = int(lengths.max(initial=0))
    rows = np.full((len(lengths), longest), blank, np.int64)
    start = 0
    for i, n in enumerate(lengths):
        if host.ndim == 1:
            rows[i, :n] = host[start : start + n]
            start += n
        else:
            rows[i, :n] = host[i, :n]
    return rows


def _check(log_probs: Tensor, targets: Tensor, times: Any, lengths: Any, blank: int) -> None:
    steps, batch, classes = log_probs.shape
    if len(times) != batch or len(lengths) != batch:
        raise RuntimeError(
            f"ctc_loss: expected {batch} input_lengths and target_lengths, got {len(times)} and "
            f"{len(lengths)}"
        )
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    if times.max(initial=0) > steps:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value {times.max()}"
        )
    if targets.ndim == 1 and targets.numel() != lengths.sum():
        raise RuntimeError(
            f"ctc_loss: expected {int(lengths.sum())} targets in all, got {targets.numel()}"
        )
    if targets.ndim == 2 and lengths.max(initial=0) > targets.shape[1]:
        raise RuntimeError(
            f"Expected tensor to have size at least {lengths.max()} at dimension 1, but got size "
            f"{list(targets.shape)}"
        )


def _losses(log_probs: Tensor, labels: Any, times: Any, lengths: Any, blank: int) -> Tensor:
    """(T, N, C) -> (N,): minus the logarithm of the probability of each sample's labels."""
    batch, longest = labels.shape
    states = 2 * longest + 1
    extended = np.full((batch, states), blank, np.int64)
    extended[:, 1::2] = labels
    skips = np.zeros((batch, states), bool)  # from the label before, past the blank
    skips[:, 2:] = (extended[:, 2:] != blank) & (extended[:, 2:] != extended[:, :-2])
    where_to = log_probs.device
    index, may_skip = wrap(extended).to(where_to), wrap(skips).to(where_to)
    wall = log_probs.new_full((batch, 2), _IMPOSSIBLE)
    start = np.arange(states)[None] < np.minimum(2, 2 * lengths + 1)[:, None]
    alpha = where(wrap(start).to(where_to), log_probs[0].gather(1, index), _IMPOSSIBLE)
    for t in range(1, int(times.max(initial=0))):
        padded = cat([wall, alpha], 1)  # (N, 2 + states)
        ways = stack([
            alpha, padded[:, 1:-1], where(may_skip, padded[:, :-2], _IMPOSSIBLE)
        ])  # fmt: skip
        after = logsumexp(ways, 0) + log_probs[t].gather(1, index)
        running = wrap((t < times)[:, None]).to(where_to)
        alpha = where(running, after, alpha)
    ends = np.stack([2 * lengths, np.maximum(2 * lengths - 1, 0)], 1)
    last = alpha.gather(1, wrap(ends).to(where_to))
    twice = wrap(np.stack([lengths >= 0, lengths > 0], 1)).to(where_to)
    total = logsumexp(where(twice, last, _IMPOSSIBLE), 1)
    empty = wrap(times == 0).to(where_to)
    nothing = wrap(np.where(lengths == 0, 0.0, _IMPOSSIBLE).astype(log_probs.dtype.np))
    return where(empty, -nothing.to(where_to), -total)


@public(method=False)
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log-probability that the frames spell the targets, with blanks and repeats.

    Args:
        log_probs: outputs of log_softmax.
        targets: labels, padded (N, S) or one after the other.
        input_lengths: how many frames of each sample count.
        target_lengths: how many labels of each sample count.
        reduction: the mean is of the losses divided by their target lengths.
        zero_infinity: samples that cannot be spelt give 0, also as gradient.

    Shape:
        (T, N, C) or (T, C)
    """
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    times, lengths = _lengths(input_lengths), _lengths(target_lengths)
    _check(x, targets, times, lengths, blank)
    loss = _losses(x, _label_rows(targets, lengths, blank), times, lengths, blank)
    # torch's gradient is that of unnormalised scores: add a term of value 0 and gradient exp(x)
    frames = wrap(np.arange(x.shape[0])[:, None] < times[None]).to(x.device)
    p = where(frames.unsqueeze(2), x.exp(), 0.0).sum((0, 2))
    impossible = loss > -_IMPOSSIBLE / 2
    loss = loss + (p - p.detach())
    loss = where(impossible, 0.0 if zero_infinity else float("inf"), loss)
    if reduction == "mean":
        return (loss / wrap(lengths).to(x.device).clamp(min=1).to(loss.dtype)).mean()
    return loss.reshape(()) if single and reduction == "none" else reduce_loss(loss, reduction)
