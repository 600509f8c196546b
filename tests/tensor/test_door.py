"""The one door: interpreters before execution, promotion, errors. Reference: torch's rules.

pytest tests/tensor/test_door.py
"""

from __future__ import annotations

from typing import Any

import pytest

import isograd as torch
from isograd.tensor.door import register_interpreter
from isograd.tensor.primitive import PRIMITIVES, Primitive
from isograd.tensor.promotion import result_dtype


def test_interpreters_see_operations_first_and_may_run_them() -> None:
    seen: list[str] = []

    def watch(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        seen.append(primitive.name)
        return torch.tensor(42.0) if primitive.name == "exp" else NotImplemented

    remove = register_interpreter(watch)
    try:
        out = torch.ones(2).exp()
        assert (torch.ones(2) + 1).tolist() == [2.0, 2.0]
    finally:
        remove()
    assert out.item() == 42.0 and seen[0] == "exp" and "add" in seen
    assert torch.zeros(1).exp().item() == 1.0


PROMOTIONS = [
    ("float32", "int64", "float32"),
    ("uint8", "int8", "int16"),
    ("float16", "bfloat16", "float32"),
    ("bool", "uint8", "uint8"),
    ("complex64", "float64", "complex128"),
    ("int32", "float16", "float16"),
]


@pytest.mark.parametrize(("a", "b", "want"), PROMOTIONS)
def test_tensors_promote(a: str, b: str, want: str) -> None:
    x, y = (torch.ones(2, dtype=getattr(torch, n)) for n in (a, b))
    assert (x + y).dtype is getattr(torch, want) is (y + x).dtype
    assert torch.result_type(x, y) is getattr(torch, want)


def test_numbers_and_0d_tensors_count_less() -> None:
    half = torch.ones(2, dtype=torch.bfloat16)
    assert (half * 2.0).dtype is torch.bfloat16
    assert (half + torch.tensor(1.0, dtype=torch.float64)).dtype is torch.bfloat16
    ints = torch.ones(2, dtype=torch.int32)
    assert (ints + 1).dtype is torch.int32
    assert (ints + 1.5).dtype is torch.float32
    assert (ints / 2).dtype is torch.float32
    assert (torch.tensor(True) + 1).dtype is torch.int64
    assert (torch.ones(2) * 1j).dtype is torch.complex64
    assert torch.tensor([200], dtype=torch.uint8).add(100).tolist() == [44]  # wraps, as in C


def test_unsupported_promotion_is_named() -> None:
    with pytest.raises(TypeError, match="uint16 and int32|int32 and uint16"):
        torch.ones(1, dtype=torch.uint16) + torch.ones(1, dtype=torch.int32)
    with pytest.raises(TypeError, match="at least one"):
        result_dtype([])


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(RuntimeError, match=r"size of tensor a \(3\) must match.*\(2\)"):
        torch.ones(3) + torch.ones(2)


def test_a_rule_may_only_ask_for_what_there_is() -> None:
    record = Primitive(
        "test_bad_rule", lambda xp, x: x + 0, vjp={"x": lambda g, nonsense: g}, doc="For a test."
    )
    try:
        with pytest.raises(ValueError, match="asks for 'nonsense'"):
            record.plan()
        with pytest.raises(ValueError, match="defined twice"):
            Primitive("test_bad_rule", lambda xp, x: x, doc="Again.")
    finally:
        del PRIMITIVES["test_bad_rule"]


def test_only_what_a_rule_names_is_kept() -> None:
    x = torch.ones(3, requires_grad=True)
    assert (x + x).grad_fn.saved == ()
    assert len((x * x).grad_fn.saved) == 2
    assert x.exp().grad_fn.saved_outputs is not None
