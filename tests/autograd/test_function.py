"""Function, gradcheck, checkpoint, saved-tensor hooks, functional derivatives.

pytest tests/autograd/test_function.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.autograd import Function, GradcheckError, functional, gradcheck, gradgradcheck
from isograd.autograd.checkpoint import checkpoint, checkpoint_sequential
from isograd.autograd.function import once_differentiable
from isograd.autograd.saved_tensors import save_on_cpu, saved_tensors_hooks


def leaf(*shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(0).uniform(0.5, 2, shape)).requires_grad_()


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


class Broken(Cube):
    """A gradient that is wrong on purpose."""

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 2 * x**2


def test_function_first_and_second_order() -> None:
    assert gradcheck(Cube.apply, (leaf(3),))
    assert gradgradcheck(Cube.apply, (leaf(3),))


def test_gradcheck_catches_a_broken_gradient() -> None:
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradcheck(Broken.apply, (leaf(3),))
    assert not gradcheck(Broken.apply, (leaf(3),), raise_exception=False)
    assert not gradcheck(Broken.apply, (leaf(3),), raise_exception=False, fast_mode=True)


def test_gradgradcheck_catches_a_constant_second_derivative() -> None:
    def wrong(x: Any) -> Any:
        return x * x.detach() + 0.5 * (x - x.detach()) ** 2 * 0

    assert not gradcheck(wrong, (leaf(3),), raise_exception=False)
    assert not gradgradcheck(lambda x: (x * x.detach()).exp(), (leaf(2),), raise_exception=False)


def test_several_outputs_and_none() -> None:
    class Split(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float) -> Any:
            ctx.factor = factor
            return x * factor, x + 1

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            return a * ctx.factor + b, None

    x = leaf(2)
    first, second = Split.apply(x, 3.0)
    (first.sum() + second.sum()).backward()
    assert x.grad.tolist() == [4, 4]
    y = leaf(2)
    Split.apply(y, 3.0)[0].sum().backward()  # the other gradient comes as zeros
    assert y.grad.tolist() == [3, 3]


def test_saving_outputs_and_marks() -> None:
    class Exp(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            out = x.exp()
            index = x.argmax()
            ctx.save_for_backward(out)
            ctx.mark_non_differentiable(index)
            return out, index

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            (out,) = ctx.saved_tensors
            return g * out

    x = leaf(3)
    out, index = Exp.apply(x)
    assert not index.requires_grad
    assert gradcheck(lambda t: Exp.apply(t)[0], (x,))
    assert gradgradcheck(lambda t: Exp.apply(t)[0], (x,))


class Triple(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(3)

    @staticmethod
    def backward(ctx, g):
        return g * 3


def test_a_view_written_by_a_function_tells_its_base_and_other_views() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    base = x * 1
    row = base[0]
    assert Triple.apply(row) is row
    (base * base).sum().backward()
    assert x.grad.tolist() == [[18, 36], [6, 8]]
    x.grad = None
    base = x * 1
    row = base[0]
    Triple.apply(base)
    row.sum().backward()
    assert x.grad.tolist() == [[3, 3], [0, 0]]
    with pytest.raises(RuntimeError, match="view of a leaf"):
        Triple.apply(x[0])


def test_outputs_that_are_no_tensors_have_no_gradient() -> None:
    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, 5, None

        @staticmethod
        def backward(ctx, *grads):
            assert grads[1] is None and grads[2] is None
            return grads[0] * 2

    x = torch.ones(2, requires_grad=True)
    y, five, nothing = Mixed.apply(x)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2] and five == 5 and nothing is None


def test_setup_context_and_needs_input_grad() -> None:
    class Mul(Function):
        @staticmethod
        def forward(x: Any, y: Any) -> Any:
            return x * y

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, y = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False)
            return g * y, None

    x = leaf(2)
    Mul.apply(x, torch.ones(2, dtype=torch.float64)).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_gradients_that_backward_keeps_or_repeats_are_not_added_to() -> None:
    class Keeps(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.made = torch.ones_like(a)
            return a + b

        @staticmethod
        def backward(ctx, g):
            return ctx.made, ctx.made

    x = torch.zeros(2, requires_grad=True)
    y = torch.zeros(2, requires_grad=True)
    out = Keeps.apply(x, y).sum()
    for _ in range(3):
        out.backward(retain_graph=True)
    assert x.grad.tolist() == y.grad.tolist() == [3, 3]


def test_wrong_number_of_gradients() -> None:
    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    with pytest.raises(RuntimeError, match="expected 2, got 1"):
        Two.apply(leaf(2), leaf(2)).sum().backward()


def test_a_gradient_too_small_is_refused() -> None:
    class Small(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g.sum()

    with pytest.raises(RuntimeError, match="invalid gradient at index 0"):
        Small.apply(leaf(2)).sum().backward()


def test_an_input_returned_without_recording_is_a_constant() -> None:
    class Same(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

    x = leaf(2)
    with torch.no_grad():
        y = Same.apply(x)
    assert not y.requires_grad and x.requires_grad


def test_once_differentiable() -> None:
    class Once(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(2)
    (g,) = torch.autograd.grad((Once.apply(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def segment(x: Any) -> Any:
    return (x.exp() * x).tanh() * x


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint_gives_the_same_gradient(reentrant: bool) -> None:
    x, y = leaf(3), leaf(3)
    segment(x).sum().backward()
    checkpoint(segment, y, use_reentrant=reentrant).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


def test_checkpoint_runs_twice_and_sees_the_same_random_numbers() -> None:
    drawn: list[float] = []

    def noisy(x: Any) -> Any:
        noise = torch.rand(1, dtype=torch.float64)
        drawn.append(noise.item())
        return (x * noise).exp()

    x = leaf(2)
    out = checkpoint(noisy, x)
    torch.rand(3)
    out.sum().backward()
    assert len(drawn) == 2 and drawn[0] == drawn[1]


def test_checkpoint_keeps_less() -> None:
    saved: list[int] = []
    with saved_tensors_hooks(lambda t: saved.append(t.nbytes) or t, lambda t: t):
        segment(leaf(100) * 1)
        plain = sum(saved)
        saved.clear()
        checkpoint(segment, leaf(100) * 1)
        assert sum(saved) < plain / 2


def test_checkpoint_notices_another_computation() -> None:
    calls = [0]

    def changing(x: Any) -> Any:
        calls[0] += 1
        return x.exp() if calls[0] == 1 else x[:1].exp()

    out = checkpoint(changing, leaf(3))
    with pytest.raises(RuntimeError, match="different metadata"):
        out.sum().backward()


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint_notices_an_input_written_to(reentrant: bool) -> None:
    x = leaf(2)
    y = x * 1
    out = checkpoint(lambda y: y.sin() * y, y, use_reentrant=reentrant)
    with torch.no_grad():
        y.mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        out.sum().backward()


def test_checkpoint_sequential() -> None:
    x, y = leaf(3), leaf(3)
    chain = [torch.exp, torch.tanh, torch.sin, torch.sqrt]
    out = x
    for f in chain:
        out = f(out)
    out.sum().backward()
    checkpoint_sequential(chain, 2, y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


def test_saved_tensors_hooks_pack_and_unpack() -> None:
    packed: list[Any] = []

    def pack(t: Any) -> Any:
        packed.append(t.numpy().copy())
        return packed[-1]

    x = leaf(3)
    with saved_tensors_hooks(pack, torch.from_numpy):
        y = (x * 2).exp()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(2 * x.detach().numpy()))
    assert packed
    with save_on_cpu():
        z = (x * 2).exp()
    z.sum().backward()


def test_outputs_of_operations_with_several_are_packed_too() -> None:
    packed: list[Any] = []
    x = leaf(3, 3)
    hooks = saved_tensors_hooks(lambda t: packed.append(tuple(t.shape)) or t.clone(), lambda t: t)
    with hooks:
        values = torch.linalg.svd(x)[1]
    values.sum().backward()
    got = x.grad
    assert (3,) in packed
    x.grad = None
    torch.linalg.svd(x)[1].sum().backward()
    assert torch.allclose(got, x.grad)
    x.grad = None
    checkpoint(lambda x: torch.linalg.svd(x * 1)[1].exp(), x).log().sum().backward()
    assert torch.allclose(got, x.grad)


def test_functional_derivatives() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    f = lambda t: t**3  # noqa: E731
    np.testing.assert_allclose(functional.jacobian(f, x).numpy(), np.diag([3, 12]))
    total = lambda t: (t**3).sum()  # noqa: E731
    np.testing.assert_allclose(functional.hessian(total, x).numpy(), np.diag([6, 12]))
    v = torch.tensor([1.0, -1.0], dtype=torch.float64)
    assert functional.vjp(f, x, v)[1].tolist() == [3, -12]
    assert functional.jvp(f, x, v)[1].tolist() == [3, -12]
    assert functional.hvp(total, x, v)[1].tolist() == [6, -12]
    assert functional.vhp(total, x, v)[1].tolist() == [6, -12]
