"""Legacy tensor types: construction, isinstance, casts, names. Reference: torch 2.13's answers.

Run: pytest tests/tensor/test_legacy_types.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd as torch
from tests.tensor import pretend_cupy

NAMES = {
    "FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16",
    "BFloat16Tensor": "bfloat16", "LongTensor": "int64", "IntTensor": "int32",
    "ShortTensor": "int16", "CharTensor": "int8", "ByteTensor": "uint8", "BoolTensor": "bool",
}  # fmt: skip


@pytest.fixture
def restored_defaults() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


@pytest.mark.parametrize("name", NAMES)
def test_makes_tensors_of_its_dtype(name: str) -> None:
    kind, d = getattr(torch, name), getattr(torch, NAMES[name])
    for made in (kind(2, 3), kind(torch.Size([2, 3])), kind([[1, 0, 1], [0, 1, 1]])):
        assert made.dtype is d
        assert made.shape == (2, 3)
        assert isinstance(made, kind)
        assert made.type() == f"torch.{name}"
    assert kind().shape == (0,)
    assert kind.dtype is d
    assert repr(kind) == f"<class 'torch.{name}'>"


def test_values_are_converted() -> None:
    assert torch.LongTensor([1.7, -1.7]).tolist() == [1, -1]
    assert torch.FloatTensor((2, 3)).tolist() == [2.0, 3.0]
    assert torch.FloatTensor(np.arange(3)).tolist() == [0.0, 1.0, 2.0]


def test_a_tensor_of_the_type_shares_its_memory() -> None:
    x = torch.zeros(2)
    torch.FloatTensor(x)[0] = 5
    assert x.tolist() == [5, 0]
    with pytest.raises(TypeError, match="got torch.FloatTensor; cast it first"):
        torch.DoubleTensor(x)


def test_isinstance_asks_for_dtype_and_device() -> None:
    assert not isinstance(torch.ones(1), torch.DoubleTensor)
    assert not isinstance(torch.ones(1), torch.cuda.FloatTensor)
    assert not isinstance([1.0], torch.FloatTensor)
    assert not issubclass(torch.FloatTensor, torch.Tensor)


@pytest.mark.parametrize("kind", [torch.LongTensor, "torch.LongTensor", torch.int64])
def test_type_casts(kind: Any) -> None:
    assert torch.tensor([1.5]).type(kind).dtype is torch.int64


def test_type_keeps_a_tensor_of_the_type_and_lets_gradients_through() -> None:
    x = torch.ones(2, requires_grad=True)
    assert x.type(torch.FloatTensor) is x
    x.type(torch.DoubleTensor).sum().backward()
    assert x.grad.tolist() == [1, 1]
    assert torch.ones(1, dtype=torch.complex64).type() == "torch.ComplexFloatTensor"
    assert torch.ones(1, dtype=torch.int64).type(torch.Tensor).dtype is torch.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: torch.FloatTensor(2.5), TypeError, r"one sequence of values, got \(float\)"),
        (lambda: torch.FloatTensor([1], [2]), TypeError, r"got \(list, list\)"),
        (lambda: torch.FloatTensor(2, device="cuda"), TypeError, "expected a cpu device"),
        (lambda: torch.ones(1).type("LongTensor"), ValueError, "invalid type: 'LongTensor'"),
        (lambda: torch.set_default_tensor_type(torch.LongTensor), TypeError, "only floating-point"),
        (lambda: torch.set_default_tensor_type("float"), TypeError, "invalid type object: 'float'"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_types_without_a_device() -> None:
    assert repr(torch.cuda.LongTensor) == "<class 'torch.cuda.LongTensor'>"
    for call in (
        lambda: torch.cuda.FloatTensor(2),
        lambda: torch.ones(1).type(torch.cuda.FloatTensor),
        lambda: torch.set_default_tensor_type(torch.cuda.FloatTensor),
    ):
        with pytest.raises(TypeError, match="torch.cuda.FloatTensor not available"):
            call()


def test_cuda_types_with_a_device(restored_defaults: None) -> None:
    with pretend_cupy.pretended():
        made = torch.cuda.FloatTensor([1, 2])
        assert made.is_cuda
        assert isinstance(made, torch.cuda.FloatTensor)
        assert not isinstance(made, torch.FloatTensor)
        assert made.type() == "torch.cuda.FloatTensor"
        assert made.type(torch.LongTensor).device.type == "cpu"
        assert torch.ones(2).type(torch.cuda.LongTensor).type() == "torch.cuda.LongTensor"
        assert torch.cuda.FloatTensor(2, 3).fill_(1.0).tolist() == [[1] * 3] * 2
        torch.set_default_tensor_type(torch.cuda.DoubleTensor)
        made = torch.zeros(1)
        assert made.is_cuda
        assert made.dtype is torch.float64


def test_default_type(restored_defaults: None) -> None:
    torch.set_default_tensor_type(torch.DoubleTensor)
    assert torch.ones(1).dtype is torch.float64
    torch.set_default_tensor_type("torch.FloatTensor")
    assert torch.ones(1).dtype is torch.float32
