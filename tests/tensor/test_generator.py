"""`Generator` draws what PyTorch 2.13's CPU generator draws, and stays in step with it.

Reference: tests/golden/random.npz, written by tests/golden/make_random.py with torch.
Run: pytest tests/tensor/test_generator.py
"""

import copy
import json
import pickle
import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from isograd.tensor import generator as module
from isograd.tensor.generator import Generator, fill

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "random.npz")
META = json.loads(str(GOLDEN["cases"]))
# draws whose values come out of integers and exact scalings: every bit must agree
EXACT = {"uniform", "random", "randperm", "bernoulli", "multinomial", "geometric"}
TOLERANCE = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6, "float64": 1e-12}


def dtype_of(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def weights(shape, dtype):
    values = (np.arange(int(np.prod(shape))) * 37 % 63 + 1) / 64
    return values.reshape(shape).astype(dtype)


def draw(generator, method, shape, dtype, arguments):
    shape, dtype, arguments = tuple(shape), dtype_of(dtype), dict(arguments)
    if method == "randperm":
        return generator.randperm(shape[0], dtype)
    if method == "multinomial":
        return generator.multinomial(weights(shape, dtype), **arguments)
    if arguments.get("p") == "array":
        return generator.bernoulli(weights(shape, dtype), shape, dtype)
    if arguments.pop("twice", False):
        generator.normal(shape, dtype)
    return getattr(generator, method)(shape=shape, dtype=dtype, **arguments)


def case_name(case):
    method, shape, dtype, arguments = case
    return f"{method}-{dtype}-{shape}-{arguments}"


@pytest.mark.parametrize("number", range(len(META["cases"])), ids=map(case_name, META["cases"]))
def test_draws_as_pytorch(number):
    method, shape, dtype, arguments = META["cases"][number]
    generator = Generator().manual_seed(META["seed"])
    got = draw(generator, method, shape, dtype, arguments)
    want = GOLDEN[f"values{number}"]
    result_dtype = np.dtype(np.int64) if method == "multinomial" else dtype_of(dtype)
    assert got.dtype == result_dtype
    if got.size > 1000:
        got = got.reshape(-1)[-want.size :]
    assert got.shape == want.shape
    got = got.astype(want.dtype)
    if method in EXACT:
        np.testing.assert_array_equal(got, want)
    else:
        rtol = TOLERANCE[dtype]
        if method == "cauchy":  # tan near its pole magnifies the last place
            rtol = max(rtol, 1e-6)
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)
    after = generator.random((1,), np.int32)
    np.testing.assert_array_equal(after, GOLDEN[f"next{number}"])


def test_state_is_pytorchs_byte_for_byte():
    generator = Generator().manual_seed(-7)
    assert generator.initial_seed() == 2**64 - 7
    np.testing.assert_array_equal(generator.state_array(), GOLDEN["state_seeded"])
    generator.normal((3,), np.float32)
    np.testing.assert_array_equal(generator.state_array()[:5024], GOLDEN["state_drawn"][:5024])
    np.testing.assert_allclose(  # the spare normal, at its place
        generator.state_array()[5024:5032].view(np.float64),
        GOLDEN["state_drawn"][5024:5032].view(np.float64),
        rtol=1e-14,
    )
    np.testing.assert_array_equal(generator.state_array()[5032:], GOLDEN["state_drawn"][5032:])


def test_continues_from_a_pytorch_state():
    generator = Generator()
    generator.set_state_array(GOLDEN["state_drawn"])
    got = generator.normal((20,), np.float32)
    np.testing.assert_allclose(got, GOLDEN["state_next"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625, 1300])
def test_state_round_trip_at_every_position(drawn):
    generator = Generator().manual_seed(5)
    generator.random((drawn,), np.int32)
    generator.normal((3,), np.float64)
    generator.next_draw(4)
    others = [
        generator.clone_state(),
        copy.deepcopy(generator),
        pickle.loads(pickle.dumps(generator)),
    ]
    want = generator.normal((7,), np.float64)
    for other in others:
        assert other.initial_seed() == 5
        np.testing.assert_array_equal(other.normal((7,), np.float64), want)
        assert other.next_draw() == (5, 4)


@pytest.mark.parametrize(
    "state", [np.zeros(5056, np.uint8), np.zeros(16, np.uint8), np.zeros(5056, np.int8)]
)
def test_a_foreign_state_is_refused(state):
    with pytest.raises(RuntimeError, match="set_state"):
        Generator().set_state_array(state)


def test_seeds():
    generator = Generator()
    assert generator.initial_seed() == 67280421310721
    assert str(generator.device) == "cpu"
    first = generator.manual_seed(3).random((4,), np.int64)
    np.testing.assert_array_equal(generator.manual_seed(3).random((4,), np.int64), first)
    assert generator.seed() == generator.initial_seed() != 3
    with pytest.raises(RuntimeError, match="got float"):
        generator.manual_seed(1.5)
    with pytest.raises(ValueError, match="18446744073709551616"):
        generator.manual_seed(2**64)


def test_module_functions_speak_of_the_default_generator():
    state = module.default_generator.state_array()
    try:
        assert module.manual_seed(11) is module.default_generator
        assert module.initial_seed() == 11
        assert module.seed() == module.initial_seed()
    finally:
        module.default_generator.set_state_array(state)


def test_draw_numbers():
    generator = Generator("cuda:0").manual_seed(9)
    assert [generator.next_draw(), generator.next_draw(3), generator.next_draw()] == [
        (9, 0),
        (9, 1),
        (9, 4),
    ]
    assert generator.manual_seed(9).next_draw() == (9, 0)


@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_fill_goes_by_memory_order(name):
    target = np.empty((3, 5, 4), np.float32).transpose(1, 2, 0)
    generator = Generator().manual_seed(META["seed"])
    options = {"contiguous": target.flags.c_contiguous} if name == "normal" else {}
    fill(target, lambda shape: getattr(generator, name)(shape, target.dtype, **options))
    np.testing.assert_allclose(target, GOLDEN[f"permuted_{name}"], rtol=1e-6, atol=1e-6)


def test_normal_from_means_and_deviations():
    mean, std = np.array([[1.0], [-2.0]]), np.array([0.5, 0.0, 2.0])
    standard = Generator().manual_seed(1).normal((2, 3), np.float64)
    got = Generator().manual_seed(1).normal_from(mean, std, np.float64)
    np.testing.assert_array_equal(got, standard * std + mean)
    with pytest.raises(RuntimeError, match=r"std >= 0"):
        Generator().normal_from(mean, -std, np.float64)


def test_bernoulli_draws_in_the_dtype_of_the_probabilities():
    p = np.full((4, 30), 0.3)
    number = Generator().manual_seed(1).bernoulli(0.3, p.shape, np.float32)
    as64 = Generator().manual_seed(1).bernoulli(p, p.shape, np.float32)
    as32 = Generator().manual_seed(1).bernoulli(p.astype(np.float32), p.shape, np.float32)
    row = Generator().manual_seed(1).bernoulli(p[0], p.shape, np.float32)
    np.testing.assert_array_equal(number, as64)
    np.testing.assert_array_equal(row, as64)
    assert (number != as32).any()


def test_threads_share_a_generator_without_losing_draws():
    shared, parts = Generator().manual_seed(4), []

    def work():
        for _ in range(50):
            parts.append(shared.random((16,), np.int32))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want = Generator().manual_seed(4).random((4 * 50, 16), np.int32)
    assert sorted(map(tuple, parts)) == sorted(map(tuple, want))


def test_empty_draws_leave_the_stream_alone():
    generator = Generator().manual_seed(2)
    before = generator.state_array()
    for method in (generator.uniform, generator.normal, generator.exponential):
        assert method((0, 3), np.float32).shape == (0, 3)
    assert generator.multinomial(np.ones((0, 3)), 2).shape == (0, 2)
    np.testing.assert_array_equal(generator.state_array(), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.uniform((3,), np.float32, 3, 1), r"from=3 > to=1"),
        (lambda g: g.uniform((3,), np.int32), r"uniform_.*int32"),
        (lambda g: g.uniform((3,), np.float64, -1e308, 1e308), r"finite range"),
        (lambda g: g.normal((3,), np.float32, 0, -1), r"found std -1"),
        (lambda g: g.log_normal((3,), np.float32, 0, 0), r"std=0"),
        (lambda g: g.exponential((3,), np.float32, 0), r"lambda=0"),
        (lambda g: g.cauchy((3,), np.float32, 0, -1), r"sigma=-1"),
        (lambda g: g.geometric((3,), np.float32, 1), r"p=1"),
        (lambda g: g.bernoulli(2, (3,), np.float32), r"p=2"),
        (lambda g: g.bernoulli(np.array([1]), (1,), np.float32), r"int64"),
        (lambda g: g.random((3,), np.int64, 5, 5), r"from=5 >= to=5"),
        (lambda g: g.random((3,), np.uint8, 0, 300), r"to - 1 = 299 .*uint8"),
        (lambda g: g.random((3,), np.int8, -200, 5), r"from = -200 .*int8"),
        (lambda g: g.random((3,), np.float16, 0, 65520), r"65519 .*float16"),
        (lambda g: g.random((3,), np.complex64), r"complex64"),
        (lambda g: g.randperm(-1), r"got -1"),
        (lambda g: g.randperm(300, np.uint8), r"300 does not fit uint8"),
        (lambda g: g.randperm(2**32), r"4294967296"),
        (lambda g: g.multinomial(np.ones(3), 4), r"4 > 3"),
        (lambda g: g.multinomial(np.ones(3), 0), r"n_sample <= 0"),
        (lambda g: g.multinomial(np.ones((1, 1, 1)), 1), r"1 or 2 dim, got 3"),
        (lambda g: g.multinomial(np.array([1, 1]), 1), r"int64"),
        (lambda g: g.multinomial(np.array([1.0, -1.0]), 1), r"element < 0"),
        (lambda g: g.multinomial(np.array([0.0, 0.0]), 1), r"sum of probabilities"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(Generator())
