"""The loader with worker processes: order, seeds, errors, deaths, endings.

Run: pytest tests/data
"""

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import resource_tracker

import numpy as np
import pytest

import isograd
from isograd.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
SIZE = 11


class Each(Dataset):
    """Sample i is ``function(i)``."""

    def __init__(self, function, n=4):
        self.function, self.n = function, n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.function(index)


class Parts(IterableDataset):
    def __iter__(self):
        number = get_worker_info().id
        return iter([number * 10 + i for i in range(1 if number else 5)])


@pytest.fixture(autouse=True)
def nobody_left():
    """After each test no worker runs and no descriptor is open that was not before."""
    where = "/proc/self/fd"
    resource_tracker.ensure_running()  # of spawned processes; it stays
    gc.collect()
    before = len(os.listdir(where)) if os.path.isdir(where) else 0
    yield
    gc.collect()
    assert multiprocessing.active_children() == []
    if before:
        assert len(os.listdir(where)) <= before


@pytest.mark.parametrize(("name", "persistent"), [("workers", False), ("persistent", True)])
def test_two_epochs_and_the_draws_between_are_torchs(golden, name, persistent):
    isograd.manual_seed(0)
    loader = DataLoader(
        TensorDataset(isograd.arange(SIZE)),
        batch_size=3,
        shuffle=True,
        num_workers=2,
        persistent_workers=persistent,
    )
    out = [isograd.rand(1).item()]
    for _ in range(2):
        out.append([x.tolist() for (x,) in loader])
        out.append(isograd.rand(1).item())
    assert out == golden[name]
    assert loader.batches_yielded == 4


def test_prefetching_draws_what_torchs_does(golden):
    generator = isograd.Generator().manual_seed(5)
    loader = DataLoader(range(SIZE), 2, shuffle=True, generator=generator, num_workers=2)
    out = [[x.tolist() for x in loader], next(iter(loader)).tolist()]
    assert [*out, isograd.rand(1, generator=generator).item()] == golden["own workers"]


def test_workers_are_seeded_as_torchs(golden):
    """Their own streams, which worker_init_fn sees; each sample has streams of its own."""
    drawn = []

    def init(_):
        drawn.extend([isograd.rand(()).item(), random.random(), np.random.rand()])

    isograd.manual_seed(0)
    loader = DataLoader(Each(lambda i: drawn, 2), num_workers=2, worker_init_fn=init)
    assert [[v.item() for v in row] for row in loader] == golden["draws"][:2]


def test_streams_interleave_as_torchs(golden):
    def batches(**options):
        return [b.tolist() for b in DataLoader(Parts(), batch_size=2, num_workers=2, **options)]

    assert batches() == golden["parts"]
    assert batches(drop_last=True) == golden["parts drop"]
    assert list(DataLoader(Parts(), batch_size=None, num_workers=3)) == golden["parts single"]


def test_worker_info():
    def facts(_):
        info = get_worker_info()
        return info.id, info.num_workers, info.seed, seeds[info.id], type(info.dataset)

    def init(number):
        seeds[number] = isograd.initial_seed()

    seeds = {}
    loader = DataLoader(Each(facts), num_workers=2, collate_fn=list, worker_init_fn=init)
    rows = [row for (row,) in loader]
    assert [row[0] for row in rows] == [0, 1, 0, 1]
    assert {row[1] for row in rows} == {2}
    assert all(row[2] == row[3] for row in rows)
    assert rows[1][2] - rows[0][2] == 1
    assert rows[0][4] is Each
    assert get_worker_info() is None


def test_large_batches_values_and_kept_ones():
    x = isograd.arange(60000).reshape(60, 1000)
    kept = list(DataLoader(TensorDataset(x), batch_size=4, num_workers=2))
    assert isograd.cat([b for (b,) in kept]).tolist() == x.tolist()


def test_out_of_order():
    def slow_first(i):
        time.sleep(0.4 if i == 0 else 0)
        return i

    options = {"num_workers": 2, "in_order": False, "batch_size": None}
    out = list(DataLoader(Each(slow_first, 6), **options))
    assert sorted(out) == list(range(6))
    assert out[0] != 0


def test_persistent_workers_forget_an_epoch_left_early():
    def slow(i):
        time.sleep(0.02)
        return i, os.getpid()

    loader = DataLoader(Each(slow, 8), batch_size=None, num_workers=2, persistent_workers=True)
    first = next(iter(loader))
    rows = list(loader)
    assert [int(i) for i, _ in rows] == list(range(8))
    assert first[1] in {pid for _, pid in rows}
    old = iter(loader)
    assert next(iter(loader))[0] == 0
    with pytest.raises(RuntimeError, match="newer iter"):
        next(old)
    del loader, old


def test_an_error_carries_the_workers_traceback():
    def broken(i):
        if i == 2:
            raise KeyError("no sample two")
        return i

    batches = iter(DataLoader(Each(broken), num_workers=2))
    assert [next(batches).item() for _ in range(2)] == [0, 1]
    with pytest.raises(KeyError) as caught:
        next(batches)
    text = str(caught.value)
    assert text.startswith("Caught KeyError in DataLoader worker process 0.\nOriginal Traceback")
    assert "in broken" in text
    assert next(batches).item() == 3  # the loader goes on


def test_errors_before_the_first_sample_and_in_the_batch():
    def fail(number):
        raise ValueError(f"init of {number}")

    with pytest.raises(ValueError, match="init of 0"):
        list(DataLoader(range(2), num_workers=1, worker_init_fn=fail))
    with pytest.raises((AttributeError, TypeError), match="pickle|local object"):
        list(DataLoader(Each(lambda i: lambda: i), num_workers=1, collate_fn=list))


def test_init_fn_runs_after_seeding():
    def init(number):
        found.append(isograd.initial_seed() - get_worker_info().seed + 100 + number)

    found = []
    dataset = Each(lambda _: found[0], 2)
    loader = DataLoader(dataset, batch_size=None, num_workers=2, worker_init_fn=init)
    assert list(loader) == [100, 101]


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"\(pid \d+\) is killed by signal: Killed"),
        (lambda: os._exit(3), r"\(pid\(s\) \d+\) exited unexpectedly with exit code 3"),
    ],
)
def test_a_dead_worker_is_noticed(end, message):
    def die(i):
        return end() if i == 1 else time.sleep(30)

    began = time.monotonic()
    batches = iter(DataLoader(Each(die), num_workers=2))
    with pytest.raises(RuntimeError, match=message):
        next(batches)
    with pytest.raises(RuntimeError, match="have ended"):
        next(batches)
    assert time.monotonic() - began < 3  # worker 0 sleeps: nobody waits for it


def test_timeout():
    loader = DataLoader(Each(lambda i: time.sleep(1.0)), num_workers=1, timeout=0.2)
    with pytest.raises(RuntimeError, match=r"timed out after 0.2 seconds"):
        next(iter(loader))


def test_spawned_workers_and_a_context_object():
    x = isograd.arange(3000).reshape(3, 1000)
    for context in ("spawn", multiprocessing.get_context("fork")):
        loader = DataLoader(TensorDataset(x), num_workers=1, multiprocessing_context=context)
        assert [b.sum().item() for (b,) in loader] == x.sum(1).tolist()


def test_fork_beside_a_thread_does_not_warn():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert [b.item() for b in DataLoader(range(2), num_workers=1)] == [0, 1]
    finally:
        done.set()
        thread.join()


SCRIPT = """
import os, sys, time
from isograd.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self): return 100
    def __getitem__(self, i):
        time.sleep(0.05)
        return i, os.getpid()
loader = DataLoader(Slow(), batch_size=None, num_workers=2, persistent_workers=True)
batches = iter(loader)
print(next(batches)[1], next(batches)[1], flush=True)
if sys.argv[1] == "wait":
    for _ in batches: pass
"""


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
@pytest.mark.parametrize("how", ["exit", "interrupt", "kill"])
def test_workers_end_with_the_script(how):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT, "exit" if how == "exit" else "wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    workers = [int(pid) for pid in process.stdout.readline().split()]
    if how == "interrupt":
        process.send_signal(signal.SIGINT)
    elif how == "kill":
        process.kill()
    process.stdout.close()
    process.wait(20)
    deadline = time.monotonic() + 8
    while any(_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers) == 2
    assert not any(_alive(pid) for pid in workers)
    errors = process.stderr.read()
    process.stderr.close()
    assert errors == "" if how != "interrupt" else errors.rstrip().endswith("KeyboardInterrupt")
