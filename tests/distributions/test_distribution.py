"""What all distributions share: gradients, tests of arguments, expansion.

Run: pytest tests/distributions/test_distribution.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import isograd as torch
import isograd.distributions as D
from isograd.autograd import gradcheck
from tests.tensor import pretend_cupy


def parameters() -> tuple[torch.Tensor, torch.Tensor]:
    a = torch.tensor([0.3, 0.8], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.5, 1.2], dtype=torch.float64, requires_grad=True)
    return a, b


FAMILIES: dict[str, tuple[Callable[..., D.Distribution], float]] = {
    "normal": (D.Normal, 0.4),
    "log_normal": (D.LogNormal, 0.4),
    "laplace": (D.Laplace, 0.4),
    "uniform": (lambda a, b: D.Uniform(a - 1, a + b), 0.4),
    "exponential": (lambda a, b: D.Exponential(a * b), 0.4),
    "bernoulli": (lambda a, b: D.Bernoulli(a * b.sigmoid()), 1.0),
    "bernoulli logits": (lambda a, b: D.Bernoulli(logits=a - b), 1.0),
    "categorical": (lambda a, b: D.Categorical(torch.stack([a, b], -1)), 1.0),
    "categorical logits": (lambda a, b: D.Categorical(logits=torch.stack([a, b], -1)), 1.0),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_of_densities_and_entropies(name: str) -> None:
    make, at = FAMILIES[name]
    value = torch.full((3, 2), at, dtype=torch.float64)
    assert gradcheck(lambda a, b: make(a, b).log_prob(value), parameters())
    assert gradcheck(lambda a, b: make(a, b).entropy(), parameters())


@pytest.mark.parametrize("name", ["normal", "log_normal", "laplace", "uniform", "exponential"])
def test_gradients_flow_through_draws(name: str) -> None:
    make, _ = FAMILIES[name]

    def draw(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return make(a, b).rsample((4,))

    assert gradcheck(draw, parameters())
    a, b = parameters()
    assert make(a, b).has_rsample
    assert not make(a, b).sample().requires_grad


def test_multivariate_gradients() -> None:
    def covariance(a: torch.Tensor) -> torch.Tensor:
        return torch.diag(a + 1) + 0.1

    def density(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return D.MultivariateNormal(b, covariance(a)).log_prob(torch.zeros(3, 2).double())

    def divergence(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        p = D.MultivariateNormal(b, covariance(a))
        return D.kl_divergence(p, D.MultivariateNormal(a, precision_matrix=covariance(b)))

    assert gradcheck(density, parameters())
    assert gradcheck(divergence, parameters())


def test_a_policy_learns_from_sampled_actions() -> None:
    logits = torch.zeros(2, requires_grad=True)
    for _ in range(50):
        policy = D.Categorical(logits=logits)
        action = policy.sample()
        reward = 1.0 if action.item() == 1 else -1.0
        (-policy.log_prob(action) * reward).backward()
        with torch.no_grad():
            logits -= 0.5 * logits.grad
        logits.grad = None
    assert D.Categorical(logits=logits).probs[1] > 0.9


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: D.Normal(0.0, -1.0), ValueError,
     r"Expected parameter scale \(Tensor of shape \(\)\) of distribution Normal\(loc: 0.0, scale: "
     r"-1.0\) to satisfy the constraint GreaterThan\(lower_bound=0.0\), but found .*\n-1.0"),
    (lambda: D.Normal("a", 1.0), ValueError, r"must be numbers or tensors, got \(str, float\)"),
    (lambda: D.Categorical(torch.tensor([-0.1, 1.1])), ValueError, r"constraint Simplex\(\)"),
    (lambda: D.Categorical(), ValueError, "Either `probs` or `logits` must be specified"),
    (lambda: D.Categorical(torch.tensor(0.1)), ValueError, "`probs` parameter must be at least"),
    (lambda: D.Bernoulli(1.5), ValueError, r"Interval\(lower_bound=0.0, upper_bound=1.0\)"),
    (lambda: D.Bernoulli(0.5, 0.5), ValueError, "Either `probs` or `logits` must be specified"),
    (lambda: D.Uniform(2.0, 1.0), ValueError, r"LessThan\(upper_bound=1.0\)"),
    (lambda: D.MultivariateNormal(torch.zeros(2), torch.ones(2, 2) * -1), ValueError, "PositiveDe"),
    (lambda: D.MultivariateNormal(torch.zeros(2)), ValueError, "Exactly one of covariance_matrix"),
    (lambda: D.Independent(D.Normal(0.0, 1.0), 1), ValueError, "actual 1 vs 0"),
    (lambda: D.Normal(0.0, 1.0).log_prob(torch.tensor(float("nan"))), ValueError, r"\(Real\(\)\)"),
    (lambda: D.Categorical(torch.ones(2)).log_prob(torch.tensor(3)), ValueError,
     r"support \(IntegerInterval\(lower_bound=0, upper_bound=1\)\).*\n3"),
    (lambda: D.Normal(torch.zeros(2), 1.0).log_prob(torch.zeros(3)), ValueError,
     "not broadcastable with batch_shape"),
    (lambda: D.Categorical(torch.ones(2)).rsample(), NotImplementedError, "Categorical.rsample"),
    (lambda: D.Categorical(torch.ones(2)).cdf(torch.ones(1)), NotImplementedError, "cdf"),
    (lambda: D.kl_divergence(D.Normal(0.0, 1.0), D.Bernoulli(0.5)), NotImplementedError,
     "p type Normal and q type Bernoulli"),
    (lambda: D.kl_divergence(D.Normal(0.0, 1.0), D.LogNormal(0.0, 1.0)), NotImplementedError,
     "Normal and LogNormal"),
    (lambda: D.register_kl(int, D.Normal), TypeError, "expected Distribution subclasses"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.fixture
def unchecked() -> Iterator[None]:
    D.Distribution.set_default_validate_args(False)
    yield
    D.Distribution.set_default_validate_args(True)


def test_checks_can_be_left_out(unchecked: None) -> None:
    D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="GreaterThan"):
        D.Normal(0.0, -1.0, validate_args=True)


def test_a_formula_can_be_added() -> None:
    class Mine(D.Normal):
        """Nearer than Normal."""

    @D.register_kl(Mine, D.Normal)
    def formula(p: Any, q: Any) -> torch.Tensor:
        return torch.tensor(42.0)

    assert D.kl_divergence(Mine(0.0, 1.0), D.Normal(0.0, 1.0)) == 42
    assert D.kl_divergence(D.Normal(0.0, 1.0), Mine(0.0, 1.0)) == 0


def test_expansion_copies_nothing() -> None:
    narrow = D.Categorical(torch.tensor([0.2, 0.8]))
    assert narrow.logits.shape == (2,)
    wide = narrow.expand((3, 4))
    assert wide.batch_shape == (3, 4)
    assert wide.sample((2,)).shape == (2, 3, 4)
    assert wide.entropy().shape == (3, 4)
    assert wide.probs.stride() == (0, 0, 1)
    both = D.Independent(D.Normal(torch.zeros(3), torch.ones(3)), 1).expand((2,))
    assert (both.batch_shape, both.event_shape) == ((2,), (3,))


def test_draws_on_a_device() -> None:
    with pretend_cupy.pretended():
        loc = torch.zeros(3).cuda()
        made = D.Normal(loc, 1.0)
        assert made.sample((2,)).is_cuda
        assert made.rsample((2,)).is_cuda
        assert D.Categorical(logits=loc).sample((2,)).is_cuda
        assert D.Uniform(loc, 1.0).sample().is_cuda
        assert D.Bernoulli(logits=loc).log_prob(loc).is_cuda
