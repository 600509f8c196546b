"""``multiprocessing.spawn``: arguments, failures, timeouts.

Run: pytest tests/test_multiprocessing.py
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import isograd as torch
from isograd import multiprocessing as mp

# Python 3.12 and later warn of forks beside threads; the forked functions here touch none.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
# Fork is quick, and enough for what does not depend on how a process starts.
FORK: dict[str, Any] = {"start_method": "fork"}


def write(index: int, folder: str, value: Any) -> None:
    Path(folder, str(index)).write_text(str(value * index))


def double(index: int, results: Any, x: torch.Tensor) -> None:
    results.put((index, x * 2))


def fail(index: int) -> None:
    if index == 1:
        raise ValueError("no such luck")
    time.sleep(60)


def leave(index: int, how: str) -> None:
    if index == 1:
        os._exit(7) if how == "exit" else os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def test_spawned_processes_get_index_and_tensors() -> None:
    results = mp.get_context("spawn").SimpleQueue()
    mp.spawn(double, args=(results, torch.arange(3)), nprocs=1)
    index, x = results.get()
    assert index == 0
    assert x.tolist() == [0, 2, 4]


def test_every_index_runs_once(tmp_path: Path) -> None:
    assert mp.start_processes(write, (str(tmp_path), 5), nprocs=3, **FORK) is None
    assert [(tmp_path / str(i)).read_text() for i in range(3)] == ["0", "5", "10"]


def test_an_exception_ends_all_and_is_shown() -> None:
    start = time.monotonic()
    with pytest.raises(
        mp.ProcessRaisedException, match="Process 1 terminated(?s:.)*no such luck"
    ) as e:
        mp.start_processes(fail, nprocs=2, **FORK)
    assert e.value.error_index == 1
    assert time.monotonic() - start < 20
    again = pickle.loads(pickle.dumps(e.value))
    assert (again.error_index, again.error_pid) == (1, e.value.error_pid)


@pytest.mark.parametrize(
    ("how", "message", "code"), [("exit", "exit code 7", 7), ("kill", "signal SIGKILL", -9)]
)
def test_a_process_that_vanishes_is_named(how: str, message: str, code: int) -> None:
    with pytest.raises(
        mp.ProcessExitedException, match=f"process 1 terminated with {message}"
    ) as e:
        mp.start_processes(leave, (how,), nprocs=2, **FORK)
    assert e.value.exit_code == code
    assert pickle.loads(pickle.dumps(e.value)).exit_code == code


def test_join_says_whether_all_have_ended(tmp_path: Path) -> None:
    context = mp.start_processes(write, (str(tmp_path), 1), nprocs=2, join=False, **FORK)
    assert context is not None
    assert len(context.pids()) == 2
    deadline = time.monotonic() + 30
    while not context.join(timeout=0.05):
        assert time.monotonic() < deadline
    assert context.join()


def test_the_standard_library_is_there() -> None:
    assert mp.cpu_count() == os.cpu_count()
    for name in ("Process", "Queue", "Pool", "set_start_method", "get_context"):
        assert hasattr(mp, name)


def test_sharing_strategies_are_hints() -> None:
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(ValueError, match="got 'telepathy'"):
        mp.set_sharing_strategy("telepathy")
