"""How whole jobs end: planted faults under mpirun, two or three processes each.

python -m pytest tests/distributed/test_faults.py
"""

import os
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., tuple[int, str]]

# pytest's own ranks must not start jobs inside a job
pytestmark = [
    pytest.mark.job,
    pytest.mark.skipif("OMPI_COMM_WORLD_SIZE" in os.environ, reason="starts mpirun itself"),
]

HEAD = """
import sys, time
from datetime import timedelta
import numpy as np
import isograd.distributed as dist
from isograd.tensor.core import wrap
dist.init_process_group("gloo", timeout=timedelta(seconds=LIMIT))
rank = dist.get_rank()
"""


def job(body: str, limit: float = 60) -> str:
    return HEAD.replace("LIMIT", str(limit)) + body


def line_of(program: str, words: str) -> int:
    return next(i for i, line in enumerate(program.splitlines(), 1) if words in line)


def test_swapped_collectives_end_the_job_with_both_lines_from_both_ranks(mpirun: Any) -> None:
    program = job("""
x, y = wrap(np.ones(3)), wrap(np.ones(3))
if rank == 0:
    dist.all_reduce(x)  # A
    dist.broadcast(y, 0)
else:
    dist.broadcast(y, 0)  # B
    dist.all_reduce(x)
print("SURVIVED")
""")
    code, output = mpirun(2, program)
    assert code != 0 and "SURVIVED" not in output
    for rank in (0, 1):
        told = "\n".join(li for li in output.splitlines() if li.startswith(f"[rank {rank}]"))
        assert "CollectiveMismatchError" in told
        a, b = line_of(program, "# A"), line_of(program, "# B")
        assert re.search(rf"rank 0: all_reduce\(SUM\) float64 \(3,\) at .*program.py:{a}\b", told)
        assert re.search(rf"rank 1: broadcast\(root=0\) float64 \(3,\) at .*program.py:{b}\b", told)


def test_missing_rank_is_named_with_its_line(mpirun: Any) -> None:
    program = job(
        """
def load():
    time.sleep(30)  # HERE
if rank == 1:
    load()
dist.all_reduce(wrap(np.ones(3)))
""",
        limit=1,
    )
    start = time.monotonic()
    code, output = mpirun(3, program)
    assert code != 0 and time.monotonic() - start < 20
    here, call = line_of(program, "# HERE"), line_of(program, "dist.all_reduce")
    assert "CollectiveTimeoutError" in output
    assert "waited 1.0 s for rank(s) [1]" in output
    assert re.search(rf"rank 1: stands at .*program.py:{here} in load: time.sleep", output)
    assert re.search(rf"rank 0 \(this one\): waits at .*program.py:{call}\b", output)


def test_uncaught_exception_ends_all_ranks(mpirun: Any) -> None:
    code, output = mpirun(
        2,
        job("""
if rank == 1:
    raise KeyError("planted")
dist.barrier()
"""),
    )
    assert code != 0
    assert "[rank 1] KeyError: 'planted'" in output
    assert "[rank 0]" not in output


def test_sys_exit_with_a_code_ends_all_ranks(mpirun: Any) -> None:
    code, output = mpirun(
        2,
        job("""
if rank == 1:
    sys.exit(3)
dist.barrier()
"""),
    )
    assert code == 3, output
    assert "[rank 1] exits with 3: ending all ranks" in output


def test_caught_sys_exit_is_no_exit(mpirun: Any) -> None:
    code, output = mpirun(
        2,
        job("""
try:
    sys.exit(3)
except SystemExit:
    pass
dist.barrier()
dist.destroy_process_group()
"""),
    )
    assert code == 0, output


def test_rank_that_leaves_early_is_reported_at_once(mpirun: Any) -> None:
    start = time.monotonic()
    code, output = mpirun(
        2,
        job("""
if rank == 1:
    sys.exit(0)
dist.all_reduce(wrap(np.ones(3)))
"""),
    )
    assert code != 0 and time.monotonic() - start < 20
    assert "rank(s) [1] exited without taking part" in output
    assert "rank 1: has exited normally" in output


def test_last_collective_survives_an_early_end(mpirun: Any) -> None:
    """A goodbye that overtakes the last result must not spoil it."""
    code, output = mpirun(
        3,
        job("""
for _ in range(200):
    x = wrap(np.ones(3))
    dist.all_reduce(x)
if rank == 0:
    time.sleep(0.3)
print("SUM", x.tolist())
"""),
    )
    assert code == 0, output
    assert output.count("SUM [3.0, 3.0, 3.0]") == 3


def test_sums_that_nobody_waited_for_are_finished_at_the_end(mpirun: Any) -> None:
    code, output = mpirun(
        2,
        job("""
works = [dist.all_reduce(wrap(np.ones(1 << 20)), async_op=True) for _ in range(20)]
print("DONE")
"""),
    )
    assert code == 0 and output.count("DONE") == 2, output
    assert "Segmentation" not in output


def test_an_interrupted_collective_is_not_gone_on_from(mpirun: Any) -> None:
    code, output = mpirun(
        2,
        job("""
import os, signal, threading
if rank == 1:
    time.sleep(60)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    dist.barrier()
except KeyboardInterrupt:
    print("CAUGHT")
dist.barrier()
"""),
    )
    assert code != 0 and "CAUGHT" in output
    assert "cannot be used on rank 0 after barrier() was ended by KeyboardInterrupt" in output


def test_processes_that_mpi_cannot_connect(mpirun: Any) -> None:
    """As under `srun --mpi=none`: four tasks that each believe to be alone."""
    code, output = mpirun(1, job(""), SLURM_PROCID="1", SLURM_NTASKS="4", SLURM_LOCALID="1")
    assert code == 0, output  # Open MPI's own variables come first
    program = """
import os
for name in list(os.environ):
    if name.startswith(("OMPI_COMM", "PMIX")):
        del os.environ[name]
""" + job("")
    code, output = mpirun(1, program, SLURM_PROCID="1", SLURM_NTASKS="4", SLURM_LOCALID="1")
    assert code != 0
    assert "slurm started 4 process(es) but MPI sees a world of 1" in output
    assert "srun --mpi=pmix" in output
