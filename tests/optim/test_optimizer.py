"""The optimizers' base: groups, state dicts, hooks, gradients, and torch's words for errors.

Reference: PyTorch's documented behaviour. Run: pytest tests/optim/test_optimizer.py
"""

import copy
import pickle

import numpy as np
import pytest

import isograd
from isograd import optim
from isograd.optim import optimizer as module


def leaf(*values):
    return isograd.tensor(list(values), requires_grad=True)


def give_grads(optimizer, value=1.0):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = isograd.full(p.shape, value)


def test_groups_keep_their_options():
    a, b, c = leaf(1.0), leaf(1.0), leaf(1.0)
    optimizer = optim.SGD([{"params": a, "lr": 0.5}, {"params": [b]}], lr=0.1)
    optimizer.add_param_group({"params": (c,), "weight_decay": 1.0})
    give_grads(optimizer)
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == pytest.approx([0.5, 0.9, 0.8])


def test_names_are_kept_aside():
    optimizer = optim.SGD([("w", leaf(1.0)), ("b", leaf(2.0))], lr=0.1)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["w", "b"]
    assert optimizer.state_dict()["param_groups"][0]["params"] == [0, 1]


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (list, ValueError, "empty parameter list"),
        (
            lambda: leaf(1.0),
            TypeError,
            "should be an iterable of Tensors or dicts, but got torch.F",
        ),
        (lambda: [1.0], TypeError, "can only optimize Tensors, but one of the params is"),
        (lambda: [leaf(1.0) * 2], ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: [{"params": {leaf(1.0)}}], TypeError, "need to be organized in ordered"),
        (lambda: [("a", leaf(1.0)), leaf(1.0)], ValueError, "with/without names"),
        (lambda: [{"params": p} for p in [leaf(1.0)] * 2], ValueError, "more than one parameter"),
    ],
)
def test_what_is_refused(params, error, message):
    with pytest.raises(error, match=message):
        optim.SGD(params(), lr=0.1)


def test_duplicates_warn():
    p = leaf(1.0)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p], lr=0.1)


@pytest.mark.parametrize("flag", ["differentiable", "capturable"])
def test_unsupported_flags(flag):
    with pytest.raises(NotImplementedError, match=flag):
        optim.Adam([leaf(1.0)], **{flag: True})
    optim.Adam([leaf(1.0)], foreach=True)
    with pytest.raises(RuntimeError, match="cannot be `True` together"):
        optim.Adam([leaf(1.0)], foreach=True, fused=True)


def test_parameters_without_gradient_are_left():
    a, b = leaf(1.0), leaf(1.0)
    optimizer = optim.Adam([a, b])
    a.grad = isograd.ones(1)
    optimizer.step()
    assert b.item() == 1.0
    assert list(optimizer.state) == [a]


def test_zero_grad():
    p = leaf(1.0, 2.0)
    optimizer = optim.SGD([p], lr=0.1)
    p.grad = kept = isograd.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept
    assert kept.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_closure_is_run_with_gradients_and_its_loss_returned():
    p = leaf(3.0)
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    with isograd.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert p.item() == pytest.approx(2.4)


@pytest.mark.parametrize("cls", [optim.Adam, optim.SGD, optim.NAdam, optim.Adagrad, optim.ASGD])
def test_resuming_gives_the_same_bits(cls):
    def fresh():
        a, b = leaf(1.0, -2.0), leaf(0.5)
        options = {"momentum": 0.9} if cls is optim.SGD else {}
        return a, b, cls([{"params": [a]}, {"params": [b], "lr": 0.3}], lr=0.1, **options)

    a, b, first = fresh()
    for i in range(3):
        give_grads(first, 1.0 + i)
        first.step()
    c, d, second = fresh()
    c.data, d.data = a.detach().clone(), b.detach().clone()
    second.load_state_dict(first.state_dict())
    for optimizer in (first, second):
        give_grads(optimizer, -0.7)
        optimizer.step()
    assert (a.tolist(), b.tolist()) == (c.tolist(), d.tolist())


def test_loaded_state_is_a_copy_in_the_parameters_dtype():
    p, q = leaf(1.0), isograd.tensor([1.0], dtype=isograd.float64, requires_grad=True)
    first, second = optim.Adam([p]), optim.Adam([q])
    give_grads(first)
    first.step()
    second.load_state_dict(first.state_dict())
    assert second.state[q]["exp_avg"].dtype is isograd.float64
    assert second.state[q]["step"].dtype is isograd.float32
    give_grads(first)
    first.step()
    assert second.state[q]["step"].item() == 1.0


def test_load_checks_the_groups():
    first = optim.SGD([leaf(1.0)], lr=0.1)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optim.SGD([{"params": leaf(1.0)}, {"params": leaf(1.0)}]).load_state_dict(
            first.state_dict()
        )
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optim.SGD([leaf(1.0), leaf(1.0)]).load_state_dict(first.state_dict())


def test_hooks_run_in_order_and_may_replace():
    seen = []
    optimizer = optim.SGD([leaf(1.0)], lr=0.1)
    optimizer.register_step_pre_hook(lambda o, a, k: seen.append("pre"))
    optimizer.register_step_post_hook(lambda o, a, k: seen.append("post"))
    everywhere = module.register_optimizer_step_pre_hook(lambda o, a, k: seen.append("all"))
    optimizer.step()
    everywhere.remove()
    assert seen == ["all", "pre", "post"]
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "extra": 1})
    assert optimizer.state_dict()["extra"] == 1
    optimizer.register_load_state_dict_pre_hook(
        lambda o, d: {**d, "param_groups": [{**d["param_groups"][0], "lr": 7.0}]}
    )
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == 7.0


def test_an_optimizer_of_ones_own():
    class Signed(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @isograd.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p].setdefault("n", 0)
                    self.state[p]["n"] += 1
                    p.add_(p.grad.sign(), alpha=-group["lr"])

    p, seen = leaf(1.0, 1.0), []
    optimizer = Signed([p], 0.25)
    optimizer.register_step_post_hook(lambda o, a, k: seen.append(o))
    p.grad = isograd.tensor([3.0, -3.0])
    optimizer.step()
    assert p.tolist() == [0.75, 1.25]
    assert seen == [optimizer]
    assert optimizer.state_dict()["state"] == {0: {"n": 1}}


def test_deepcopy_and_pickle():
    p = leaf(1.0)
    optimizer = optim.Adam([p], lr=0.1)
    give_grads(optimizer)
    optimizer.step()
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        q = twin.param_groups[0]["params"][0]
        assert q is not p
        q.grad = isograd.ones(1)
        twin.step()
        assert twin.state[q]["step"].item() == 2.0
    assert optimizer.state[p]["step"].item() == 1.0


def test_repr():
    text = repr(optim.SGD([leaf(1.0)], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n")
    assert "    lr: 0.1\n" in text


def test_large_parameters_are_stepped_in_blocks():
    values = np.linspace(-1, 1, 100_001, dtype=np.float32)
    p = isograd.tensor(values, requires_grad=True)
    p.grad = isograd.tensor(values)
    optim.SGD([p], lr=0.5).step()
    assert np.array_equal(p.detach().numpy(), values + values * np.float32(-0.5))
