"""Fixtures of the launcher's tests: write a small script, run `isograd run` on it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORLD_PREFIXES = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_", "ISOGRAD_")
WORLD_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a user's shell: no launcher's traces, sources importable."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(WORLD_PREFIXES) and name not in WORLD_NAMES
    }
    path = os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])
    return env | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Write a script and return its path."""

    def write(text: str, name: str = "script.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start `isograd run` with the given arguments; its output is text."""

    def run(*args: object, **env: str) -> "subprocess.Popen[str]":
        logs = ["--log-dir", str(tmp_path / "logs")]
        return subprocess.Popen(
            [sys.executable, "-m", "isograd.launch", "run", *logs, *map(str, args)],
            env=environment | env,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def launch(start: Callable[..., "subprocess.Popen[str]"]) -> Callable[..., tuple[int, str, str]]:
    """Run `isograd run` to its end: exit code, stdout, stderr."""

    def run(*args: object, **env: str) -> tuple[int, str, str]:
        with start(*args, **env) as process:
            try:
                out, err = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return process.returncode, out, err

    return run


@pytest.fixture
def wait_for() -> Callable[..., Path]:
    """Wait until a file exists and is not empty."""

    def wait(path: Path, seconds: float = 30) -> Path:
        end = time.monotonic() + seconds
        while not (path.exists() and path.stat().st_size):
            assert time.monotonic() < end, f"{path} did not appear in {seconds} s"
            time.sleep(0.05)
        return path

    return wait
