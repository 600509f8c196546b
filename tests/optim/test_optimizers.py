"""Every optimizer takes PyTorch 2.13's steps, and keeps its state by torch's names.

Reference: tests/golden/optim.npz, written by tests/golden/make_optim.py with torch.
Run: pytest tests/optim/test_optimizers.py
"""

import numpy as np
import pytest

import isograd
from isograd import optim
from isograd.optim import arithmetic
from tests.golden import make_optim as runs

# Ours and torch's roundings differ (torch has fused multiply-adds); twenty steps add them up.
RTOL, ATOL = 2e-6, 1e-6


@pytest.mark.parametrize("name", runs.OPTIMIZERS)
def test_twenty_steps(name):
    want = runs.golden(name)
    got = runs.run_optimizer(isograd, optim, name)
    assert set(got) == set(want) - {"structure"}
    for key, value in got.items():
        np.testing.assert_allclose(value, want[key], RTOL, ATOL, err_msg=key)


@pytest.mark.parametrize("name", runs.LBFGS)
def test_lbfgs(name):
    want = runs.golden(name)
    got = runs.run_lbfgs(isograd, optim, name)
    assert np.array_equal(got["counts"], want["counts"])
    np.testing.assert_allclose(got["losses"], want["losses"], 1e-7, 1e-9)
    np.testing.assert_allclose(got["end"], want["end"], 1e-7, 1e-9)


@pytest.mark.parametrize("name", runs.OPTIMIZERS)
def test_state_dict_has_torchs_structure(name):
    got = runs.state_structure(isograd, optim, *runs.OPTIMIZERS[name])
    assert got == str(runs.golden(name)["structure"])


def test_lbfgs_state_dict_has_torchs_structure():
    got = runs.state_structure(isograd, optim, "LBFGS", {})
    assert got == str(runs.golden("lbfgs")["structure"])


def stepped(name, shape=(5, 7), steps=3, dtype=isograd.float32, prepare=lambda a: a):
    w = isograd.tensor(prepare(runs.noise(shape))).to(dtype).requires_grad_()
    cls, options = runs.OPTIMIZERS[name]
    optimizer = getattr(optim, cls)([w], **options)
    for i in range(steps):
        w.grad = isograd.tensor(prepare(runs.noise(shape) + i)).to(dtype)
        optimizer.step()
    return w.detach().to(isograd.float64).numpy()


@pytest.mark.parametrize("name", runs.OPTIMIZERS)
def test_bits_do_not_depend_on_the_blocks(name, monkeypatch):
    whole = stepped(name)
    monkeypatch.setattr(arithmetic, "BLOCK", 4)
    assert np.array_equal(stepped(name), whole)


@pytest.mark.parametrize("name", runs.OPTIMIZERS)
def test_bits_do_not_depend_on_the_layout(name):
    assert np.array_equal(stepped(name, prepare=lambda a: np.asfortranarray(a)), stepped(name))


@pytest.mark.parametrize("name", runs.OPTIMIZERS)
def test_complex_is_a_pair_of_reals(name):
    w = isograd.tensor(runs.noise((4, 2))[:, 0] + 1j * runs.noise((4, 2))[:, 1])
    w = w.to(isograd.complex64).requires_grad_()
    cls, options = runs.OPTIMIZERS[name]
    optimizer = getattr(optim, cls)([w], **options)
    for i in range(3):
        g = runs.noise((4, 2)) + i
        w.grad = isograd.tensor(g[:, 0] + 1j * g[:, 1]).to(isograd.complex64)
        optimizer.step()
    pairs = np.stack([w.detach().numpy().real, w.detach().numpy().imag], 1)
    assert np.array_equal(pairs, stepped(name, (4, 2)).astype(np.float32))


@pytest.mark.parametrize("dtype", [isograd.float16, isograd.bfloat16])
@pytest.mark.parametrize("name", ["sgd_momentum", "adamw", "rmsprop"])
def test_low_precision_rounds_once(name, dtype):
    eps = 1e-3 if dtype is isograd.float16 else 1e-2
    np.testing.assert_allclose(stepped(name, dtype=dtype), stepped(name), 6 * eps, 6 * eps)


def test_float64_and_scalars():
    w = isograd.tensor(2.0, dtype=isograd.float64, requires_grad=True)
    optimizer = optim.Adam([w], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        ((w - 0.5) ** 2).backward()
        optimizer.step()
    assert w.item() == pytest.approx(0.5, abs=1e-2)
    assert optimizer.state[w]["exp_avg"].dtype is isograd.float64


def test_tensor_lr_follows_the_tensor():
    a, b = (isograd.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    rate = isograd.tensor(0.5)
    for w, lr in ((a, rate), (b, 0.5)):
        optimizer = optim.AdamW([w], lr=lr)
        w.grad = isograd.tensor([1.0, -1.0])
        optimizer.step()
    assert a.tolist() == b.tolist()


def test_step_counts_as_a_change_of_the_parameter():
    w = isograd.tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    w.grad = isograd.ones(2)
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        ("SGD", {"lr": -1}), ("SGD", {"nesterov": True}), ("Adam", {"betas": (1.0, 0.9)}),
        ("AdamW", {"eps": -1}), ("RMSprop", {"alpha": -1}), ("Adagrad", {"lr_decay": -1}),
        ("Adadelta", {"rho": 2}), ("Adamax", {"weight_decay": -1}),
        ("NAdam", {"momentum_decay": -1}), ("RAdam", {"betas": (0.9, -1)}),
        ("ASGD", {"weight_decay": -1}), ("Rprop", {"etas": (1.5, 1.2)}), ("LBFGS", {"lr": -1}),
    ],
)  # fmt: skip
def test_bad_options(cls, options):
    with pytest.raises(ValueError, match="nvalid|requires"):
        getattr(optim, cls)([isograd.ones(1)], **options)


@pytest.mark.gpu
@pytest.mark.parametrize("name", runs.OPTIMIZERS)
def test_gpu_agrees_with_cpu(name):
    w = isograd.tensor(runs.noise((50, 7)), device="cuda").requires_grad_()
    cls, options = runs.OPTIMIZERS[name]
    optimizer = getattr(optim, cls)([w], **options)
    for i in range(3):
        w.grad = isograd.tensor(runs.noise((50, 7)) + i, device="cuda")
        optimizer.step()
    np.testing.assert_allclose(w.detach().cpu().numpy(), stepped(name, (50, 7)), 1e-5, 1e-6)
