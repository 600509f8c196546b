"""``kl_divergence``: how far one distribution is from another, by a table of formulas.

``KL(p || q) = E_p[log p(x) - log q(x)]``. `register_kl` adds a formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from isograd.distributions.bernoulli import Bernoulli
from isograd.distributions.categorical import Categorical, OneHotCategorical
from isograd.distributions.distribution import Distribution
from isograd.distributions.exponential import Exponential
from isograd.distributions.independent import Independent
from isograd.distributions.laplace import Laplace
from isograd.distributions.multivariate_normal import MultivariateNormal
from isograd.distributions.normal import LogNormal, Normal
from isograd.distributions.uniform import Uniform
from isograd.linalg import solve_triangular
from isograd.nn.functional import logsigmoid
from isograd.tensor.core import Tensor
from isograd.tensor.primitives.shape import expand

__all__ = ["kl_divergence", "register_kl"]

Formula = Callable[[Any, Any], Tensor]

_FORMULAS: dict[tuple[type, type], Formula] = {}


def register_kl(type_p: Any, type_q: Any) -> Callable[[Formula], Formula]:
    """Register the decorated function as the formula for these classes and their subclasses.

    Raises:
        TypeError: for classes of no distributions.
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"register_kl: expected Distribution subclasses, got {kind!r}")

    def register(formula: Formula) -> Formula:
        _FORMULAS[type_p, type_q] = formula
        return formula

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """``KL(p || q)`` in nats, of the batch shape.

    Raises:
        NotImplementedError: if there is no formula for the two classes.
    """
    formula = _closest(type(p), type(q))
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}"
        )
    return formula(p, q)


def _closest(p: type, q: type) -> Formula | None:
    """The formula of the nearest base classes, those of ``p`` first."""
    for base_p in p.__mro__:
        for base_q in q.__mro__:
            if (base_p, base_q) in _FORMULAS:
                return _FORMULAS[base_p, base_q]
    return None


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    if isinstance(p, LogNormal) != isinstance(q, LogNormal):
        raise NotImplementedError("No KL(p || q) is implemented between Normal and LogNormal")
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    if isinstance(p, OneHotCategorical) != isinstance(q, OneHotCategorical):
        raise NotImplementedError("No KL(p || q) between Categorical and OneHotCategorical")
    t = p.probs * (p.logits - q.logits)
    t = t.masked_fill((q.probs == 0).expand_as(t), math.inf)
    return t.masked_fill((p.probs == 0).expand_as(t), 0).sum(-1)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    one = logsigmoid(p.logits) - logsigmoid(q.logits)
    zero = logsigmoid(-p.logits) - logsigmoid(-q.logits)
    t1 = (p.probs * one).masked_fill((q.probs == 0) & (p.probs != 0), math.inf)
    t0 = ((1 - p.probs) * zero).masked_fill((q.probs == 1) & (p.probs != 1), math.inf)
    return t1.masked_fill(p.probs + q.probs * 0 == 0, 0) + t0.masked_fill(
        p.probs + q.probs * 0 == 1, 0
    )


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), math.inf)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * (-away / p.scale).exp() - 1


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    n = p.event_shape[0]
    if q.event_shape[0] != n:
        raise ValueError(f"kl_divergence: events of {n} and {q.event_shape[0]} dimensions")
    away = (q.loc - p.loc).unsqueeze(-1)
    shape = (*away.shape[:-2], n, n)
    theirs, ours = expand(q.scale_tril, shape), expand(p.scale_tril, shape)
    trace = solve_triangular(theirs, ours, upper=False).pow(2).sum((-2, -1))
    distance = solve_triangular(theirs, away, upper=False).pow(2).sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (trace + distance - n)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: Independent of unequal numbers of dimensions")
    return p._summed(kl_divergence(p.base_dist, q.base_dist))
