"""Streams and events of the CUDA backend have torch's methods, over those CuPy has.

Reference: the order of calls that reach CuPy. Run: pytest tests/tensor/test_streams.py
"""

from __future__ import annotations

from typing import Any

import pytest


def test_torchs_methods_reach_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = pytest.importorskip("cupy")
    from isograd.tensor.backends import cupy_backend

    calls: list[Any] = []

    class Event:
        ptr, done = 9, True

        def __init__(self, block: bool, disable_timing: bool) -> None:
            calls.append((block, disable_timing))

        def record(self, stream: Any = None) -> None:
            calls.append(("record", stream))

        def synchronize(self) -> None:
            calls.append("synchronize")

    class Stream:
        done, ptr = False, 7

        def __init__(self, name: str) -> None:
            self.name = name

        def wait_event(self, event: Any) -> None:
            calls.append((self.name, "waits for", event.ptr))

        def __enter__(self) -> None:
            calls.append("enter")

        def __exit__(self, *exc: object) -> None:
            calls.append("exit")

    monkeypatch.setattr(cupy.cuda, "Event", Event)
    first, second = Stream("first"), Stream("second")
    a, b = cupy_backend._Stream(first), cupy_backend._Stream(second)
    a.wait_stream(b)
    assert calls == [(False, True), ("record", second), ("first", "waits for", 9)]
    calls.clear()
    with a:
        event = b.record_event()
        event.wait(a)
    assert calls == ["enter", (False, True), ("record", second), ("first", "waits for", 9), "exit"]
    assert event.query() and not a.query() and a.ptr == 7
