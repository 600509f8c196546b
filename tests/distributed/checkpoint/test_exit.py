"""A save in the background when the program ends: it is finished first.

python -m pytest tests/distributed/checkpoint/test_exit.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import isograd.distributed.checkpoint as dcp

# pytest's own ranks must not start jobs inside a job
pytestmark = [
    pytest.mark.job,
    pytest.mark.skipif("OMPI_COMM_WORLD_SIZE" in os.environ, reason="starts jobs itself"),
]

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys, time
import isograd as torch, isograd.distributed as dist, isograd.distributed.checkpoint as dcp
from isograd.distributed.checkpoint import saver
write = saver.write_shard
def slow(*a):
    time.sleep(0.5)
    return write(*a)
saver.write_shard = slow
if "OMPI_COMM_WORLD_SIZE" in __import__("os").environ:
    dist.init_process_group("mpi")
dcp.async_save({f"t{i}": torch.ones(1000) for i in range(8)}, checkpoint_id="FOLDER")
print("END")
"""


def complete(folder: Path) -> bool:
    return dcp.latest(folder.parent, verify=True) == folder


def test_one_process(tmp_path: Path) -> None:
    program = PROGRAM.replace("FOLDER", str(tmp_path / "a" / "c"))
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=settings, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert complete(tmp_path / "a" / "c")


def test_ranks(tmp_path: Path, mpirun: Callable[..., tuple[int, str]]) -> None:
    code, output = mpirun(2, PROGRAM.replace("FOLDER", str(tmp_path / "a" / "c")))
    assert code == 0 and "END" in output, output
    assert complete(tmp_path / "a" / "c")
    assert len(list((tmp_path / "a" / "c").glob("shard-*"))) == 2
