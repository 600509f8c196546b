"""Threads of the CPU's matrix products, asked of the BLAS in memory.

Reference: threadpoolctl where it is installed. Run: pytest tests/tensor/test_threads.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import isograd as torch
from isograd.tensor import threads


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_set_is_what_get_tells() -> None:
    for count in (1, 2):
        torch.set_num_threads(count)
        assert torch.get_num_threads() == count


def test_the_library_agrees() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    torch.set_num_threads(2)
    blas = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    assert 2 in [p["num_threads"] for p in blas]
    torch.set_num_threads(1)
    blas = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    assert 1 in [p["num_threads"] for p in blas]


@pytest.mark.parametrize("set_it", [torch.set_num_threads, torch.set_num_interop_threads])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_nonsense_raises(set_it: Any, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="threads expects"):
        set_it(value)


def test_an_unknown_library_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_blas", lambda: None)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert torch.get_num_threads() == 3
    with pytest.raises(RuntimeError, match="set OMP_NUM_THREADS before starting"):
        torch.set_num_threads(2)
    monkeypatch.undo()  # before the fixture restores


def test_interop_threads_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_interop", [1])
    torch.set_num_interop_threads(4)
    assert torch.get_num_interop_threads() == 4


def test_a_fixed_number_stays() -> None:
    threads.fix_num_threads("the reason")
    try:
        with pytest.warns(UserWarning, match=r"set_num_threads\(2\) is ignored: the reason"):
            torch.set_num_threads(2)
        torch.set_num_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        threads.fix_num_threads(None)
    torch.set_num_threads(2)
    assert torch.get_num_threads() == 2
