"""Module: attributes, the tree, casts, copies, printing, with torch's messages.

Run: pytest tests/nn/test_module.py
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(3, 1))
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("cache", torch.zeros(2), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.rest(self.first(x)) * self.scale


def test_names_in_order() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "first.weight", "first.bias", "rest.1.weight", "rest.1.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_buffers()] == ["count", "cache"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "rest", "rest.0", "rest.1"]
    assert [n for n, _ in net.named_children()] == ["first", "rest"]
    assert [n for n, _ in net.named_parameters(prefix="m", recurse=False)] == ["m.scale"]


def test_shared_modules_and_parameters_are_listed_once() -> None:
    net = Net()
    net.again = net.first
    net.rest[1].bias = net.scale
    assert len(list(net.parameters())) == 4
    assert len(list(net.named_parameters(remove_duplicate=False))) == 7
    assert len(list(net.modules())) == 5


def test_assignment_moves_names_between_the_tables() -> None:
    net = Net()
    net.plain = 3
    net.plain = nn.Parameter(torch.zeros(2))
    assert "plain" in net._parameters
    assert "plain" not in net.__dict__
    net.plain = None
    assert net.plain is None
    assert "plain" in net._parameters
    del net.plain
    assert not hasattr(net, "plain")
    net.part = nn.Buffer(torch.ones(2), persistent=False)
    assert "part" in net._buffers
    assert "part" not in net.state_dict()
    net.count = torch.ones(1)
    assert net.get_buffer("count").item() == 1


def _assign(name: str, value: Any) -> Any:
    return lambda net: setattr(net, name, value)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (_assign("scale", 3), TypeError,
         "cannot assign 'int' as parameter 'scale' (torch.nn.Parameter or None expected)"),
        (_assign("scale", torch.zeros(1)), TypeError,
         "cannot assign 'torch.FloatTensor' as parameter 'scale' "
         "(torch.nn.Parameter or None expected)"),
        (_assign("first", 3), TypeError,
         "cannot assign 'int' as child module 'first' (torch.nn.Module or None expected)"),
        (_assign("count", 3), TypeError,
         "cannot assign 'int' as buffer 'count' (torch.nn.Buffer, torch.Tensor or None expected)"),
        (lambda n: n.foo, AttributeError, "'Net' object has no attribute 'foo'"),
        (lambda n: n.register_buffer(3, None), TypeError,
         "buffer name should be a string. Got int"),
        (lambda n: n.register_buffer("a.b", None), KeyError, 'buffer name can\'t contain "."'),
        (lambda n: n.register_buffer("", None), KeyError, 'buffer name can\'t be empty string ""'),
        (lambda n: n.register_buffer("scale", None), KeyError, "attribute 'scale' already exists"),
        (lambda n: n.register_buffer("b", 3.0), TypeError,
         "cannot assign 'float' object to buffer 'b' (torch Tensor or None required)"),
        (lambda n: n.register_parameter("p", torch.zeros(1)), TypeError,
         "cannot assign 'torch.FloatTensor' object to parameter 'p' "
         "(torch.nn.Parameter or None required)"),
        (lambda n: n.add_module("m", 3.0), TypeError, "float is not a Module subclass"),
        (lambda n: n.add_module("a.b", None), KeyError,
         'module name can\'t contain ".", got: a.b'),
        (lambda n: n.get_submodule("first.no"), AttributeError, "Linear has no attribute `no`"),
        (lambda n: n.get_submodule("first.weight"), AttributeError,
         "`weight` is not an nn.Module"),
        (lambda n: n.get_parameter("count"), AttributeError, "`count` is not an nn.Parameter"),
        (lambda n: n.get_buffer("first.weight"), AttributeError, "`weight` is not a buffer"),
        (lambda n: n.train(3), ValueError, "training mode is expected to be boolean"),
        (lambda n: n.to(torch.int32), TypeError,
         "nn.Module.to only accepts floating point or complex dtypes, but got desired "
         "dtype=torch.int32"),
        (lambda n: n.share_memory(), NotImplementedError, "share_memory: tensors are not shared"),
    ],
)  # fmt: skip
def test_messages(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        act(Net())
    assert message in (caught.value.args[0] if error is KeyError else str(caught.value))


@pytest.mark.parametrize(
    ("value", "what"),
    [(nn.Parameter(torch.zeros(1)), "parameters"), (nn.ReLU(), "module")],
)
def test_assignment_before_init(value: Any, what: str) -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            self.x = value

    with pytest.raises(AttributeError, match=rf"cannot assign {what} before Module.__init__\(\)"):
        Late()


def test_non_leaf_parameter_and_missing_forward() -> None:
    net = Net()
    made = nn.Parameter(torch.zeros(2))
    made._node = (made * 2)._node
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'w'"):
        net.register_parameter("w", made)
    with pytest.raises(
        NotImplementedError, match='Module \\[Module\\] is missing the required "fo'
    ):
        nn.Module()(3)


def test_train_eval_apply_requires_grad() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train().rest.training
    seen: list[str] = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_casts_keep_parameters_and_integers() -> None:
    net = Net()
    before = net.first.weight
    net(torch.zeros(1, 2)).sum().backward()
    assert net.double() is net
    assert net.first.weight is before
    assert before.dtype is torch.float64
    assert before.grad is not None
    assert before.grad.dtype is torch.float64
    assert net.count.dtype is torch.int64
    assert net.cache.dtype is torch.float64
    assert net.to(torch.float16).first.bias.dtype is torch.float16
    assert net.float().half().bfloat16().first.bias.dtype is torch.bfloat16


def test_zero_grad() -> None:
    net = Net()
    net(torch.ones(1, 2)).sum().backward()
    kept = net.scale.grad
    net.zero_grad(set_to_none=False)
    assert kept is not None and net.scale.grad is kept
    assert kept.item() == 0
    net.zero_grad()
    assert net.scale.grad is None


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_equal_and_apart(how: Any) -> None:
    net = Net()
    net.rest[1].bias = net.scale  # shared before and after
    other = how(net)
    x = torch.randn(4, 2)
    np.testing.assert_array_equal(net(x).detach().numpy(), other(x).detach().numpy())
    assert other.rest[1].bias is other.scale
    assert isinstance(other.scale, nn.Parameter)
    with torch.no_grad():
        other.scale.add_(1)
    assert net.scale.item() == 1


def test_repr() -> None:
    assert repr(Net()) == (
        "Net(\n  (first): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (rest): Sequential(\n    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=1, bias=True)\n  )\n)"
    )


def test_parameter() -> None:
    data = torch.zeros(2)
    p = nn.Parameter(data)
    with torch.no_grad():
        p.add_(1)
    assert data.tolist() == [1, 1]  # the memory is shared
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert type(p + 1) is torch.Tensor
    with pytest.raises(RuntimeError, match="nly Tensors of floating point and complex dtype can"):
        nn.Parameter(torch.zeros(2, dtype=torch.int64))
