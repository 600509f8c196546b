"""Averages of weights against NumPy, and SWALR's rates against PyTorch 2.13's.

Run: pytest tests/optim/test_swa_utils.py
"""

import copy

import numpy as np
import pytest

import isograd
from isograd import nn, optim
from isograd.optim.swa_utils import (
    SWALR,
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)

# torch.optim.swa_utils.SWALR(SGD of lr 0.2 and 0.05, [0.02, 0.01], anneal_epochs=4)
RATES = {
    "cos": [
        [0.2, 0.05], [0.1736396103067893, 0.044142135623730955], [0.11, 0.03],
        [0.04636038969321073, 0.01585786437626905], [0.02, 0.01], [0.02, 0.01],
    ],
    "linear": [[0.2, 0.05], [0.155, 0.04], [0.11, 0.03], [0.065, 0.02], [0.02, 0.01], [0.02, 0.01]],
}  # fmt: skip


@pytest.mark.parametrize("strategy", RATES)
def test_rates(strategy):
    p, q = (isograd.ones(1, requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([{"params": p}, {"params": q, "lr": 0.05}], lr=0.2)
    scheduler = SWALR(optimizer, [0.02, 0.01], 4, strategy)
    seen = []
    for _ in range(6):
        seen.append([g["lr"] for g in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(seen, RATES[strategy], 1e-12)


def test_no_annealing_starts_at_the_end():
    optimizer = optim.SGD([isograd.ones(1, requires_grad=True)], lr=0.2)
    SWALR(optimizer, 0.05, anneal_epochs=0)
    assert optimizer.param_groups[0]["lr"] == 0.05


def trained(average, steps=4):
    model = nn.Linear(3, 2)
    averaged = average(model)
    values = []
    for i in range(steps):
        with isograd.no_grad():
            model.weight.add_(float(i))
        values.append(model.weight.detach().numpy().copy())
        averaged.update_parameters(model)
    return averaged, values


@pytest.mark.parametrize("options", [{}, {"multi_avg_fn": get_swa_multi_avg_fn()}])
def test_plain_mean(options):
    averaged, values = trained(lambda m: AveragedModel(m, **options))
    np.testing.assert_allclose(averaged.module.weight.detach().numpy(), np.mean(values, 0), 1e-6)
    assert averaged.n_averaged.item() == 4


@pytest.mark.parametrize(
    "options", [{"avg_fn": get_ema_avg_fn(0.75)}, {"multi_avg_fn": get_ema_multi_avg_fn(0.75)}]
)
def test_exponential_mean(options):
    averaged, values = trained(lambda m: AveragedModel(m, **options))
    mean = values[0]
    for v in values[1:]:
        mean = 0.75 * mean + 0.25 * v
    np.testing.assert_allclose(averaged.module.weight.detach().numpy(), mean, 1e-6)


def test_the_model_is_copied_and_the_average_is_saved():
    model = nn.Linear(1, 1)
    averaged = AveragedModel(model)
    assert averaged.module.weight is not model.weight
    assert list(averaged.state_dict()) == ["n_averaged", "module.weight", "module.bias"]
    twin = AveragedModel(copy.deepcopy(model))
    averaged.update_parameters(model)
    twin.load_state_dict(averaged.state_dict())
    assert twin.n_averaged.item() == 1
    x = isograd.ones(2, 1)
    assert twin(x).tolist() == averaged(x).tolist() == model(x).tolist()


@pytest.mark.parametrize("use_buffers", [False, True])
def test_buffers_are_copied_or_averaged(use_buffers):
    model = nn.BatchNorm1d(1)
    averaged = AveragedModel(model, use_buffers=use_buffers)
    for mean in (1.0, 3.0):
        model.running_mean.fill_(mean)
        averaged.update_parameters(model)
    assert averaged.module.running_mean.item() == (2.0 if use_buffers else 3.0)


def test_update_bn():
    model = nn.Sequential(nn.BatchNorm1d(2)).eval()
    data = np.random.default_rng(0).standard_normal((4, 8, 2)).astype(np.float32) + 5
    update_bn([(isograd.tensor(x), None) for x in data], model)
    np.testing.assert_allclose(model[0].running_mean.numpy(), data.mean((0, 1)), 1e-5)
    expected = data.var(1, ddof=1).mean(0)
    np.testing.assert_allclose(model[0].running_var.numpy(), expected, 1e-5)
    assert not model.training
    assert model[0].momentum == 0.1


def test_what_is_refused():
    with pytest.raises(ValueError, match="Invalid decay"):
        get_ema_avg_fn(2.0)
    with pytest.raises(ValueError, match="Only one of"):
        AveragedModel(nn.Linear(1, 1), avg_fn=get_ema_avg_fn(), multi_avg_fn=get_ema_multi_avg_fn())
    with pytest.raises(ValueError, match="anneal_strategy"):
        SWALR(optim.SGD([isograd.ones(1, requires_grad=True)]), 0.1, anneal_strategy="step")
