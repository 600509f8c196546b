"""Comparing what every process holds whole: when, how exactly, and what it says.

With whole programs: tests/distributed/test_divergence.py.

pytest tests/distributed/tensor/test_sameness.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
from isograd.distributed.tensor import DeviceMesh
from isograd.distributed.tensor.sameness import Sameness

Made = tuple[Sameness, DeviceMesh]


def made(reproducible: bool = True) -> Made:
    mesh = DeviceMesh("cpu", np.arange(2), reproducible=reproducible)
    return Sameness(mesh), mesh


def said(values: Any, reproducible: bool = True) -> list[str]:
    """What two ranks say that hold ``values(rank)``."""

    def program(rank: int) -> str:
        try:
            made(reproducible)[0].gradients_read([values(rank)])
        except RuntimeError as error:
            return str(error)
        return ""

    return dist.run_local(2, program, timeout=20)


def test_seldom() -> None:
    def program(rank: int) -> list[int]:
        sameness, mesh = made()
        comm: Any = mesh.communicator
        weight, due = torch.ones(3), []
        for read in range(1, 400):
            before = comm.sequence
            sameness.gradients_read([weight])
            if comm.sequence > before:
                due.append(read)
        return due

    assert dist.run_local(2, program) == [[1, 2, 4, 8, 16, 32, 64, 128, 256, 384]] * 2


def test_alone_nothing_is_compared() -> None:
    mesh = DeviceMesh("cpu", np.arange(3))
    Sameness(mesh).gradients_read([torch.ones(3)])


@pytest.mark.parametrize(
    ("change", "reproducible", "same"),
    [
        (0.0, True, True),
        (1e-6, True, False),
        (1e-6, False, True),  # another host rounds otherwise
        (1e-2, False, False),
        (float("nan"), False, False),
        (float("inf"), True, False),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_how_exactly(dtype: Any, change: float, reproducible: bool, same: bool) -> None:
    def values(rank: int) -> Any:
        out = torch.linspace(1, 2, 50).to(dtype)
        out[0] = out[0] * (1 + rank * change) if np.isfinite(change) else [1.0, change][rank]
        return out

    answers = said(values, reproducible)
    assert answers == ["", ""] if same else all("a parameter of shape (50,)" in a for a in answers)


def test_whole_numbers_exactly() -> None:
    assert said(lambda rank: torch.tensor([5000, 1]), False) == ["", ""]
    for text in said(lambda rank: torch.tensor([5000 + rank, 1]), False):
        assert "rank 0 has 5000 where rank 1 has 5001" in text and "test_sameness.py:" in text


def test_other_lengths_and_layouts() -> None:
    assert all("differs" in text for text in said(lambda rank: torch.ones(3 + rank)))
    assert said(lambda rank: torch.empty(0)) == ["", ""]
    assert said(lambda rank: torch.arange(40.0).reshape(5, 8).t()) == ["", ""]
    assert said(lambda rank: torch.full((3,), float("nan"))) == ["", ""]
    assert said(lambda rank: torch.ones(3, dtype=torch.bfloat16)) == ["", ""]
