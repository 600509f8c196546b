"""``torch.distributions``: draws, densities, entropies and divergences."""

from __future__ import annotations

from isograd.distributions import constraints as constraints
from isograd.distributions import kl as kl
from isograd.distributions.bernoulli import Bernoulli as Bernoulli
from isograd.distributions.categorical import Categorical as Categorical
from isograd.distributions.categorical import OneHotCategorical as OneHotCategorical
from isograd.distributions.distribution import Distribution as Distribution
from isograd.distributions.exponential import Exponential as Exponential
from isograd.distributions.independent import Independent as Independent
from isograd.distributions.kl import kl_divergence as kl_divergence
from isograd.distributions.kl import register_kl as register_kl
from isograd.distributions.laplace import Laplace as Laplace
from isograd.distributions.multivariate_normal import MultivariateNormal as MultivariateNormal
from isograd.distributions.normal import LogNormal as LogNormal
from isograd.distributions.normal import Normal as Normal
from isograd.distributions.uniform import Uniform as Uniform
