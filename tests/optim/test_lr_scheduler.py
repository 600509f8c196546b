"""Schedulers give PyTorch 2.13's rates, keep its state, and warn as it does.

Reference: tests/golden/optim.npz, written by tests/golden/make_optim.py with torch.
Run: pytest tests/optim/test_lr_scheduler.py
"""

import numpy as np
import pytest

import isograd
from isograd import optim
from isograd.optim import lr_scheduler
from tests.golden import make_optim as runs


def make(lr=0.2, cls=optim.SGD, **options):
    return cls([isograd.tensor([1.0], requires_grad=True)], lr=lr, **options)


def pair(name):
    groups = [{"params": [isograd.tensor([1.0], requires_grad=True)]} for _ in range(2)]
    optimizer = optim.SGD(groups, lr=0.2, momentum=0.6)
    return optimizer, runs.SCHEDULERS[name](lr_scheduler, optimizer)


@pytest.mark.parametrize("name", runs.SCHEDULERS)
def test_rates(name):
    want, got = runs.golden(name), runs.run_scheduler(isograd, optim, name)
    np.testing.assert_allclose(got["rates"], want["rates"], 1e-12, 1e-14)
    np.testing.assert_allclose(got["last"], want["last"], 1e-12, 1e-14)


@pytest.mark.parametrize("name", runs.SCHEDULERS)
def test_state_dict_has_torchs_structure(name):
    got = runs.scheduler_structure(isograd, optim, name)
    assert got == str(runs.golden(name)["structure"])


@pytest.mark.parametrize("name", runs.SCHEDULERS)
def test_resuming_goes_on(name):
    metric = [0.5] if name.startswith("plateau") else []
    optimizer, scheduler = pair(name)
    for _ in range(7):
        optimizer.step()
        scheduler.step(*metric)
    again, other = pair(name)
    again.load_state_dict(optimizer.state_dict())
    other.load_state_dict(scheduler.state_dict())
    for _ in range(6):
        for o, s in ((optimizer, scheduler), (again, other)):
            o.step()
            s.step(*metric)
        assert [g["lr"] for g in again.param_groups] == [g["lr"] for g in optimizer.param_groups]


def test_resuming_by_last_epoch_needs_initial_lr():
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(make(), 2, last_epoch=3)


def test_wrong_order_warns_once():
    scheduler = lr_scheduler.StepLR(make(), 2)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    scheduler.step()


def test_overridden_step_warns():
    optimizer = make()
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    optimizer.step = lambda closure=None: None
    optimizer.step()
    with pytest.warns(UserWarning, match="overridden after learning rate scheduler"):
        scheduler.step()


def test_epoch_argument_is_deprecated_but_works():
    optimizer = make()
    scheduler = lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(5)
    assert scheduler.get_last_lr() == [0.05]


def test_get_lr_warns_outside_of_step():
    with pytest.warns(UserWarning, match="get_last_lr"):
        lr_scheduler.StepLR(make(), 2).get_lr()


def test_tensor_rates_are_written_in_place():
    rate = isograd.tensor(0.2)
    optimizer = make(rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert rate.item() == pytest.approx(0.1)
    assert optimizer.param_groups[0]["lr"] is rate
    assert scheduler.base_lrs[0].item() == pytest.approx(0.2)


def test_cycles_move_beta1():
    optimizer = make(0.1, optim.Adam)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.999)
    for _ in range(2):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.85, 0.999))
    with pytest.raises(ValueError, match="momentum or beta1"):
        lr_scheduler.CyclicLR(make(0.1, optim.Adagrad), 0.1, 0.2)


def test_one_cycle_ends():
    optimizer = make()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=2)
    optimizer.step()
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        scheduler.step()


def test_callable_objects_are_saved_functions_are_not():
    class Warm:
        def __init__(self, speed):
            self.speed = speed

        def __call__(self, epoch):
            return self.speed * epoch

    first = lr_scheduler.LambdaLR(make(), Warm(2.0))
    other = lr_scheduler.LambdaLR(make(), Warm(5.0))
    other.load_state_dict(first.state_dict())
    assert other.lr_lambdas[0].speed == 2.0
    assert lr_scheduler.LambdaLR(make(), lambda e: 1.0).state_dict()["lr_lambdas"] == [None]


@pytest.mark.parametrize(
    ("make_it", "error"),
    [
        (lambda o: lr_scheduler.LambdaLR(o, [abs, abs]), ValueError),
        (lambda o: lr_scheduler.ConstantLR(o, 2.0), ValueError),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="least"), ValueError),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [1]), ValueError),
        (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]), ValueError),
        (lambda o: lr_scheduler.StepLR("no optimizer", 2), TypeError),
    ],
)
def test_what_is_refused(make_it, error):
    with pytest.raises(error):
        make_it(make(momentum=0.9))
