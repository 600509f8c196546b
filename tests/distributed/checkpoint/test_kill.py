"""Runs that are killed at random moments: the newest checkpoint is good, and the bits go on.

python -m pytest tests/distributed/checkpoint/test_kill.py
ISOGRAD_KILLS=500 python -m pytest ...  kills more often than the usual 50 times.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.checkpoint import kill_program

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(kill_program.__file__)
KILLS = int(os.environ.get("ISOGRAD_KILLS", "50"))

# pytest's own ranks must not start jobs inside a job
pytestmark = [
    pytest.mark.job,
    pytest.mark.skipif("OMPI_COMM_WORLD_SIZE" in os.environ, reason="starts jobs itself"),
]


def environment() -> dict[str, str]:
    outer = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_"))}
    return {**outer, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(("naming", "kills"), [("steps", KILLS), ("one", max(1, KILLS // 2))])
def test_killed_again_and_again(naming: str, kills: int) -> None:
    arguments = [sys.executable, PROGRAM, str(kills), "11", naming]
    done = subprocess.run(
        arguments, env=environment(), capture_output=True, text=True, timeout=20 + 2 * kills
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["moved"] >= kills // 4  # most rounds got further before they were killed
    assert told["leftovers"] >= kills // 10  # and many were killed in the middle of a save


def started(folder: Path, ranks: int, steps: int) -> Any:
    for old in folder.parent.glob("pid.*"):
        old.unlink()
    command = [sys.executable, "-m", "isograd.launch", "run", "-n", str(ranks), str(PROGRAM)]
    return subprocess.Popen(
        [*command, "--mpi", str(folder), str(steps)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill_ranks(job: Any, folder: Path, delay: float) -> None:
    """Let the job get to its first checkpoint, wait, kill every rank."""
    end, before = time.monotonic() + 60, set(folder.glob("step-*"))
    while set(folder.glob("step-*")) == before and job.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(delay)
    for process in [int(p.read_text()) for p in folder.parent.glob("pid.*")]:
        with suppress(ProcessLookupError):  # the launcher is quick to end the others
            os.kill(process, signal.SIGKILL)
    output, _ = job.communicate(timeout=60)
    assert job.returncode != 0, output


def test_real_ranks_are_killed_and_go_on_at_another_number(tmp_path: Path) -> None:
    folder, draw = tmp_path / "run", random.Random(5)
    reference = kill_program.Reference()
    job = started(folder, 2, kill_program.ENDLESS)
    kill_ranks(job, folder, draw.uniform(0, 0.5))
    step = kill_program.look(folder, reference, 1)
    job = started(folder, 3, step + 5)
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 0, output
    assert kill_program.look(folder, reference, step + 5) == step + 5
