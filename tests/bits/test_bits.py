"""The same bits at any number of processes: three models under `isograd run --shards 8 --digest`.

Reference: the run in one process with the same number of shards. As a control, the same script
without ``--shards``, whose sums follow the number of ranks, must give several hashes.

pytest tests/bits; ISOGRAD_ALL_BITS=1 (make test-bits) takes 200 steps at W = 1, 2, 3, 4, 5, 8.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from isograd.launch.mpi import find_mpi

try:
    find_mpi(os.environ)
except FileNotFoundError:
    pytest.skip("no mpirun here", allow_module_level=True)

pytestmark = pytest.mark.job

HERE = Path(__file__).parent
ALL = os.environ.get("ISOGRAD_ALL_BITS", "") not in ("", "0")
STEPS = 200 if ALL else 12
WORLDS = [2, 3, 4, 5, 8] if ALL else [2, 3]
STOP = 77 if ALL else 5
OUTSIDE = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_", "RANK", "WORLD_SIZE", "LOCAL_", "MASTER_")


class Digest(NamedTuple):
    """Hashes of weights and text together, and of the weights alone."""

    whole: str
    weights: str


def run(model: str, world: int, *args: str, shards: int | None = 8, steps: int = STEPS) -> Digest:
    """What a run ends with."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(OUTSIDE)}
    options = ["-n", str(world), "--standalone", "--digest"]
    options += [] if shards is None else ["--shards", str(shards)]
    script = [str(HERE / "train.py"), "--model", model, "--steps", str(steps), *args]
    done = subprocess.run(
        [sys.executable, "-m", "isograd.launch", "run", *options, *script],
        env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=560, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(r"isograd: digest ([0-9a-f]{64}) \(weights ([0-9a-f]{16}) ", done.stderr)
    assert found, done.stderr[-3000:]
    return Digest(found[1], found[2])


@cache
def alone(model: str) -> Digest:
    return run(model, 1)


@pytest.mark.parametrize("model", ["cnn", "gpt", "lstm"])
@pytest.mark.parametrize("world", WORLDS)
def test_the_number_of_processes_changes_no_bit(model: str, world: int) -> None:
    assert run(model, world) == alone(model)


def test_sums_of_mpi_alone_follow_the_number_of_ranks() -> None:
    assert len({run("cnn", world, shards=None).weights for world in (1, 2, 3)}) == 3


@pytest.mark.parametrize("model", ["cnn", "gpt", "lstm"] if ALL else ["gpt"])
def test_a_stopped_run_goes_on_at_another_number(model: str, tmp_path: Path) -> None:
    """Stopped with four ranks, then on three until another stop, then on one to the end."""
    folder = ("--folder", str(tmp_path / "checkpoint"))
    run(model, 4, "--stop", str(STOP), *folder)
    run(model, 3, "--stop", str(STEPS - 3), *folder)
    assert run(model, 1, *folder).weights == alone(model).weights
