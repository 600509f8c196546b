"""Random tensors: seeds repeat them, generators are apart, their gradients are 0, errors.

The numbers themselves are compared with torch's in test_generator.py.
Run: pytest tests/tensor/test_random.py
"""

from __future__ import annotations

import pytest

import isograd

DRAWS = {
    "rand": lambda g: isograd.rand(5, generator=g),
    "randn": lambda g: isograd.randn(5, generator=g),
    "randint": lambda g: isograd.randint(0, 100, (5,), generator=g),
    "randperm": lambda g: isograd.randperm(20, generator=g),
    "normal": lambda g: isograd.normal(isograd.zeros(5), 2.0, generator=g),
    "bernoulli": lambda g: isograd.bernoulli(isograd.full((40,), 0.5), generator=g),
    "multinomial": lambda g: isograd.multinomial(isograd.ones(20), 10, generator=g),
    "uniform_": lambda g: isograd.empty(5).uniform_(-1, 1, generator=g),
    "exponential_": lambda g: isograd.empty(5).exponential_(generator=g),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_draws_the_same(name):
    draw = DRAWS[name]
    first = isograd.Generator().manual_seed(3)
    a, b = draw(first), draw(first)
    assert isograd.equal(a, draw(isograd.Generator().manual_seed(3)))
    assert not isograd.equal(a, b)
    isograd.manual_seed(3)
    assert isograd.equal(draw(None), a)


def test_state_goes_back():
    state = isograd.get_rng_state()
    a = isograd.rand(3)
    isograd.set_rng_state(state)
    assert isograd.equal(isograd.rand(3), a)


def test_ranges_and_dtypes():
    x = isograd.randint(2, 5, (200,))
    assert x.dtype is isograd.int64 and set(x.tolist()) == {2, 3, 4}
    assert sorted(isograd.randperm(6).tolist()) == list(range(6))
    assert isograd.rand(3, dtype=isograd.float16).dtype is isograd.float16
    assert isograd.randn_like(isograd.ones(2, dtype=isograd.float64)).dtype is isograd.float64
    assert isograd.rand(2, requires_grad=True).requires_grad
    assert isograd.randn(2, dtype=isograd.complex64).is_complex()


@pytest.mark.parametrize("which", ["mean", "std", "bernoulli"])
def test_draws_have_gradient_zero_in_their_parameters(which):
    x = isograd.full((3,), 0.5, requires_grad=True)
    made = {
        "mean": lambda: isograd.normal(x, 1.0),
        "std": lambda: isograd.normal(0.0, x),
        "bernoulli": lambda: isograd.bernoulli(x),
    }[which]()
    made.sum().backward()
    assert x.grad.tolist() == [0.0] * 3


def test_filling_a_leaf_is_refused():
    leaf = isograd.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        leaf.normal_()
    with isograd.no_grad():
        assert leaf.uniform_(1, 2).min().item() >= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: isograd.randint(3, 3, (1,)), "to be less than"),
        (lambda: isograd.randperm(-1), "non-negative"),
        (lambda: isograd.normal(isograd.zeros(1), -1.0), "std >= 0"),
        (lambda: isograd.bernoulli(isograd.tensor([2.0])), "p_in"),
        (lambda: isograd.rand(2, dtype=isograd.int64), "not implemented"),
        (lambda: isograd.empty(1).uniform_(2, 1), "range"),
        (lambda: isograd.multinomial(isograd.ones(2), 3), "without replacement"),
        (lambda: isograd.multinomial(isograd.ones(1, 1, 1), 1), "1 or 2 dim"),
    ],
)
def test_errors(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()
