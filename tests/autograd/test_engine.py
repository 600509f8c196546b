"""The engine: order, accumulation, depth, hooks, captured gradients. Reference: by hand.

pytest tests/autograd/test_engine.py
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isograd as torch


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=True)


def test_gradients_accumulate() -> None:
    x = leaf(1, 2)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5, 7]


def test_depth_ten_thousand_and_its_release() -> None:
    x = leaf(1)
    y = x
    for _ in range(10_000):
        y = y * 1.0
    y.backward()
    assert x.grad.tolist() == [1]
    del y
    gc.collect()


def test_graph_is_freed_without_the_cyclic_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2)
        y = x.exp()  # saves its own output
        node = weakref.ref(y.grad_fn)
        z = (y * y).sum()
        z.backward()
        del y, z
        assert node() is None
    finally:
        gc.enable()


def test_second_backward_needs_retain_graph() -> None:
    x = leaf(2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_grad_of_grad() -> None:
    x = leaf(2)
    (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    assert (first.item(), second.item(), third.item()) == (12, 12, 6)


def test_shared_gradients_do_not_share_memory() -> None:
    x, y = leaf(1, 2), leaf(3, 4)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1, 1]
    g = torch.ones(2, dtype=torch.float64)
    z = leaf(1, 1)
    (z + 0).backward(g)
    z.grad.zero_()
    assert g.tolist() == [1, 1]
    x.grad = y.grad = None
    (x + y).backward(g, create_graph=True)
    with torch.no_grad():
        x.grad.zero_()
    assert y.grad.tolist() == g.tolist() == [1, 1]


def test_grad_wants_inputs_that_were_used() -> None:
    x, y = leaf(1), leaf(1)
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad((x * 2).sum(), [x, y])
    found = torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)
    assert found[0].tolist() == [2] and found[1] is None
    found = torch.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True)
    assert found[1].tolist() == [0]
    assert x.grad is None


def test_grad_of_a_non_leaf_and_of_its_input() -> None:
    x = leaf(3)
    y = x * 2
    z = (y * y).sum()
    gx, gy = torch.autograd.grad(z, [x, y])
    assert (gx.item(), gy.item()) == (24, 12)


def test_backward_into_some_inputs_only() -> None:
    x, y = leaf(1), leaf(2)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [2] and y.grad is None


def test_hooks_change_gradients_and_can_be_removed() -> None:
    x = leaf(1, 1)
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    leaf_handle = x.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert x.grad.tolist() == [21, 21]
    handle.remove()
    leaf_handle.remove()
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_a_hook_may_remove_itself_while_it_runs() -> None:
    def once(register: Callable[..., Any], name: str) -> None:
        def first(*args: Any) -> None:
            order.append(name + " first")
            handle.remove()

        handle = register(first)
        register(lambda *args: order.append(name))

    order: list[str] = []
    x = leaf(1, 1)
    y = x * 2
    once(x.register_hook, "hook")
    once(x.register_post_accumulate_grad_hook, "post")
    once(y.grad_fn.register_hook, "node")
    y.sum().backward(retain_graph=True)
    assert order == ["node first", "node", "hook first", "hook", "post first", "post"]
    y.sum().backward()
    assert order[6:] == ["node", "hook", "post"]


def test_a_handle_removes_its_own_hook_once() -> None:
    x = leaf(1)
    double = lambda g: g * 2  # noqa: E731
    x.register_hook(double)
    second = x.register_hook(double)
    second.remove()
    second.remove()
    x.sum().backward()
    assert x.grad.tolist() == [2]


@pytest.mark.parametrize("of_leaf", [False, True])
def test_hooks_must_return_tensors_of_the_same_shape(of_leaf: bool) -> None:
    for wrong, error in ((lambda g: g.sum(), RuntimeError), (lambda g: 3, TypeError)):
        x = leaf(1, 2)
        y = x * 2
        (x if of_leaf else y).register_hook(wrong)
        with pytest.raises(error, match="hook"):
            y.sum().backward()


def test_gradients_seen_by_node_hooks_are_theirs() -> None:
    x, seen = leaf(1, 2), []
    y = x * 3
    y.grad_fn.register_hook(lambda made, came: seen.append(made[0]))
    y.sum().backward()
    x.grad.zero_()
    assert seen[0].tolist() == [3, 3]


def test_post_accumulate_hook_sees_the_sum_and_runs_before_the_end() -> None:
    order: list[str] = []
    x, w = leaf(1), leaf(1)
    w.register_post_accumulate_grad_hook(lambda p: order.append(f"w {p.grad.item()}"))
    early = x * 1
    early.register_hook(lambda g: order.append("early part"))
    late = early * w
    (late * w).sum().backward()
    assert order == ["w 2.0", "early part"]


def test_retain_grad() -> None:
    x = leaf(2)
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [12]


def test_retain_grad_sees_what_hooks_made_and_the_values_after_a_write() -> None:
    x = leaf(2)
    y = x * 3
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert y.grad.tolist() == [10]
    z = x * 3
    z.retain_grad()
    z.mul_(5)
    z.sum().backward()
    assert z.grad.tolist() == [1]
    z.grad.zero_()  # memory of its own


def test_implicit_gradient_is_for_scalars() -> None:
    with pytest.raises(RuntimeError, match="only for scalar"):
        leaf(1, 2).exp().backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.ones(1).backward()
    with pytest.raises(RuntimeError, match="shape"):
        leaf(1, 2).exp().backward(torch.ones(3, dtype=torch.float64))


def test_broadcast_and_promotion_are_undone() -> None:
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.ones(4, dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.dtype is torch.float32
    assert y.grad.shape == (4,) and y.grad.dtype is torch.float64


def test_grad_fn_and_next_functions() -> None:
    x = leaf(1)
    y = x.exp() * 2
    assert y.grad_fn.name == "MulBackward0"
    inner = y.grad_fn.next_functions[0][0]
    assert inner.name == "ExpBackward0"
    assert inner.next_functions[0][0].variable is x
    assert x.is_leaf and not y.is_leaf


def test_integers_have_no_gradient() -> None:
    with pytest.raises(RuntimeError, match="floating point"):
        torch.tensor([1, 2], requires_grad=True)


def test_anomaly_mode_names_the_forward_line() -> None:
    x = torch.tensor([-1.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = x.sqrt()  # the line to be named
        with pytest.raises(RuntimeError, match="SqrtBackward0.*nan") as error:
            y.sum().backward()
    assert any("the line to be named" in note for note in error.value.__notes__)
    assert not torch.autograd.is_anomaly_enabled()


def test_threads_have_their_own_mode() -> None:
    import threading

    seen: list[bool] = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_modes() -> None:
    x = leaf(1)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
    with torch.inference_mode():
        assert not (x * 2).requires_grad

    @torch.no_grad()
    def function() -> bool:
        return torch.is_grad_enabled()

    @torch.no_grad()
    def generator():  # type: ignore[no-untyped-def]
        yield torch.is_grad_enabled()
        yield torch.is_grad_enabled()

    assert function() is False
    made = generator()
    assert [next(made), torch.is_grad_enabled(), next(made)] == [False, True, False]
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)


def test_generators_are_thrown_into_and_closed_in_their_mode() -> None:
    seen: list[Any] = []

    @torch.no_grad()
    def values() -> Any:
        try:
            yield 1
        except ValueError:
            yield 2
        finally:
            seen.append(torch.is_grad_enabled())

    it = values()
    assert next(it) == 1 and it.throw(ValueError()) == 2 and torch.is_grad_enabled()
    it.close()
    assert seen == [False] and torch.is_grad_enabled()


def test_set_grad_enabled_as_a_decorator_leaves_the_mode_outside() -> None:
    @torch.set_grad_enabled(False)
    def inside() -> bool:
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled() and not inside() and torch.is_grad_enabled()


def test_complex_gradients_follow_torch() -> None:
    z = torch.tensor([1 + 2j], dtype=torch.complex128, requires_grad=True)
    (z * z.conj()).real.sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), [2 + 4j])


def test_a_sum_that_was_passed_on_is_not_added_to() -> None:
    """The sum of h's two gradients goes to a and to b; what a gets later must not reach b."""
    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    a, b = x * 1, y * 1
    early = a * 10
    h = a + b
    (h * 2 + h * 3 + early).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert x.grad.tolist() == [15, 15]
    assert y.grad.tolist() == [5, 5]
