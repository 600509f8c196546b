"""In-place operations: histories, views, version counters. Reference: the same out of place.

pytest tests/autograd/test_inplace.py
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import isograd as torch
import isograd.nn.functional as F


def leaf(*shape: int) -> torch.Tensor:
    values = np.random.default_rng(0).uniform(0.5, 2, shape)
    return torch.from_numpy(values).requires_grad_()


def test_chain_of_inplace_operations() -> None:
    x = leaf(3)
    y = x * 2
    y.mul_(3).add_(1).exp_()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * np.exp(6 * x.detach().numpy() + 1))


def test_other_operand_gets_the_old_values() -> None:
    x, w = leaf(3), leaf(3)
    y = x * 1
    old = y.detach().numpy().copy()
    y.mul_(w)
    y.sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), old)


def test_write_to_a_view_reaches_the_base() -> None:
    x = leaf(2, 3)
    y = x * 2
    row = y[0]
    row.mul_(10)
    assert y.grad_fn.name == "ViewScatterBackward0"
    (y * y).sum().backward()
    want = 8 * x.detach().numpy()
    want[0] *= 100
    np.testing.assert_allclose(x.grad.numpy(), want)


def test_other_views_see_the_write() -> None:
    x = leaf(2, 3)
    y = x * 1
    first, column = y[0], y[:, 1]
    first.mul_(5)
    column.sum().backward()
    want = np.zeros((2, 3))
    want[:, 1] = [5, 1]
    np.testing.assert_allclose(x.grad.numpy(), want)


def test_write_to_the_base_is_seen_by_views() -> None:
    x = leaf(4)
    y = x * 1
    part = y[1:3]
    y.mul_(3)
    part.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 3, 3, 0])


def test_assignment_carries_gradients_both_ways() -> None:
    x, v = leaf(3, 3), leaf(3)
    y = x * 1
    y[1] = v * 2
    (y * y).sum().backward()
    np.testing.assert_allclose(v.grad.numpy(), 8 * v.detach().numpy())
    want = 2 * x.detach().numpy()
    want[1] = 0
    np.testing.assert_allclose(x.grad.numpy(), want)


def test_assignment_into_a_tensor_without_history() -> None:
    v = leaf(2)
    out = torch.zeros(4, dtype=torch.float64)
    view = out[2:]
    out[:2] = v
    assert out.requires_grad
    out.sum().backward()
    np.testing.assert_allclose(v.grad.numpy(), [1, 1])
    assert view.requires_grad


def test_leaf_must_not_be_overwritten() -> None:
    x = leaf(2)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[0].add_(1)
    with torch.no_grad():
        x.add_(1)
    assert x.requires_grad and x.is_leaf


@pytest.mark.parametrize("name", ["exp", "tanh", "sqrt", "sigmoid"])
def test_saved_output_changed_is_noticed(name: str) -> None:
    x = leaf(3)
    y = getattr(x, name)()
    z = y * 1
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_saved_input_changed_is_noticed() -> None:
    x = leaf(3)
    y = x * 1
    z = y * y
    with torch.no_grad():
        y.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation.*MulBackward0"):
        z.sum().backward()


def test_change_through_a_view_or_detach_is_noticed() -> None:
    for change in (lambda y: y[0].zero_(), lambda y: y.detach().zero_()):
        x = leaf(3)
        y = x * 1
        z = y * y
        with torch.no_grad():
            change(y)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.sum().backward()


def test_change_of_what_is_not_saved_is_fine() -> None:
    x = leaf(3)
    y = x * 1
    z = y + 1
    with torch.no_grad():
        y.zero_()
    z.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_inplace_relu_keeps_torch_semantics() -> None:
    x = leaf(4)
    y = x - 1
    torch.relu_(y) if hasattr(torch, "relu_") else y.relu_()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), (x.detach().numpy() > 1) * 1.0)


@pytest.mark.parametrize(
    "layer",
    [
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.group_norm(x, 2),
        lambda x: F.layer_norm(x, x.shape[2:]),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.adaptive_max_pool2d(x, 2),
        lambda x: F.rms_norm(x, x.shape[2:]),
    ],
)
def test_activation_in_place_after_a_layer_that_saves_its_other_outputs(layer) -> None:
    torch.manual_seed(0)
    grads = []
    values = torch.randn(3, 4, 6, 6)
    for inplace in (False, True):
        x = values.clone().requires_grad_()
        y = F.leaky_relu(layer(x), 0.2, inplace=inplace)
        (y * y.detach().cos()).sum().backward()
        grads.append(x.grad)
    assert grads[0].abs().max() > 0
    assert torch.equal(grads[0], grads[1])


def test_copy_and_fill() -> None:
    x = leaf(3)
    y = torch.zeros(2, 3, dtype=torch.float64)
    y.copy_(x)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    z = x * 2
    z.fill_(7)
    assert z.tolist() == [7, 7, 7]
    x.grad = None
    z.sum().backward()
    assert x.grad is None or x.grad.tolist() == [0, 0, 0]
    w = torch.tensor([math.inf, math.nan])
    w.fill_(x[0])
    assert w.tolist() == [pytest.approx(x[0].item())] * 2


def test_shapes_and_dtypes_must_fit() -> None:
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        torch.ones(3).add_(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.ones(3, dtype=torch.int64).add_(0.5)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.ones(1).expand(3).add_(1)


def test_a_parameter_turned_without_recording_stays_a_parameter() -> None:
    w = leaf(2, 3)
    with torch.no_grad():
        w.unsqueeze_(0)
    assert w.requires_grad and w.is_leaf
    (w * 2).sum().backward()
    assert w.grad.tolist() == [[[2] * 3] * 2]


@pytest.mark.parametrize("share", [copy.copy, torch.Tensor])
def test_sharers_of_memory_see_recorded_writes(share) -> None:
    x = torch.tensor([1.0, 2.0])
    y = share(x)
    x.mul_(torch.tensor(2.0, requires_grad=True))
    assert y.tolist() == [2, 4]


def test_writes_to_strided_views() -> None:
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    base = torch.ones(4)
    base.as_strided((2,), (2,)).mul_(w)
    base.sum().backward()  # an expanded gradient: its memory is one element
    assert base.tolist() == [2, 1, 3, 1] and w.grad.tolist() == [1, 1]


def test_write_to_a_flat_view_of_a_transposed_base() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    base = torch.zeros_like(x.detach().t())
    assert base.stride() == (1, 2)
    base.numpy()  # so that the base keeps its memory
    base.copy_(x * 1)
    base.t().view(-1)[1:3].mul_(10.0)
    (base * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert x.grad.tolist() == [[1, 20], [30, 4]]


def test_data_of_a_view_replaced_starts_anew() -> None:
    row = torch.zeros(3, 3)[1]
    row.data = torch.ones(3)
    row[1:].mul_(torch.tensor([2.0, 3.0], requires_grad=True))
    assert row.tolist() == [1, 2, 3]


def test_numpy_shares_memory() -> None:
    array = np.zeros(3, np.float32)
    t = torch.from_numpy(array)
    t.add_(1)
    assert array.tolist() == [1, 1, 1]
    array[0] = 5
    assert t.tolist() == [5, 1, 1]
    out = torch.zeros(3)
    seen = out.numpy()
    out.add_(2)
    assert seen.tolist() == [2, 2, 2]
