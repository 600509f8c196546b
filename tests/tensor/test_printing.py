"""Printed tensors, against the text torch 2.13 prints (tests/golden/make_printing.py).

Run: ``pytest tests/tensor/test_printing.py``
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isograd.tensor import dtypes
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.printing import set_printoptions, tensor_text

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "printing.npz")
NOTES: list[dict[str, Any]] = json.loads(str(GOLDEN["notes"]))


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    yield
    set_printoptions(profile="default", sci_mode=None)


def tensor_of(i: int) -> Tensor:
    note = NOTES[i]
    d = next(d for d in dtypes.DTYPES if d.name == note["dtype"])
    t = wrap(GOLDEN[f"t{i}"].view(d.np).reshape(note["shape"]))
    t._requires_grad = note["requires_grad"]
    return t


@pytest.mark.parametrize("i", range(len(NOTES)))
def test_prints_as_torch(i: int) -> None:
    set_printoptions(**NOTES[i]["options"])
    assert repr(tensor_of(i)) == NOTES[i]["text"]


def test_long_suffix_starts_a_line() -> None:
    text = tensor_text("[" + "1, " * 25 + "]", ["grad_fn=<AddBackward0>"])
    assert text.endswith(",\n       grad_fn=<AddBackward0>)")
    assert tensor_text("[1.]", ["requires_grad=True"]) == "tensor([1.], requires_grad=True)"


def test_unknown_profile() -> None:
    with pytest.raises(ValueError, match=r"'default', 'full', 'short'.*'wide'"):
        set_printoptions(profile="wide")
