"""The examples, shortened, as a user would start them; and the numbers they promise.

pytest tests/examples
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.job

ROOT = Path(__file__).parents[2]
TINY = ["--steps", "8", "--batch", "8", "--context", "32", "--layers", "2", "--width", "32",
        "--text", "200000", "--every", "4"]  # fmt: skip


def start(*command: str, ranks: int = 1, timeout: int = 120) -> str:
    """Output of an example on one process, or on several ranks through ``isograd run``."""
    prefix = [] if ranks == 1 else ["-m", "isograd.launch", "run", "-n", str(ranks)]
    done = subprocess.run(
        [sys.executable, *prefix, *command], cwd=ROOT, capture_output=True, text=True,
        timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def training_losses(folder: Path) -> list[float]:
    with (folder / "loss.csv").open() as f:
        return [float(row["training"]) for row in csv.DictReader(f)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    out = start("examples/gpt.py", *TINY, "--out", str(folder))
    assert "M parameters" in out
    return folder


def test_gpt_writes_what_it_promises(alone: Path) -> None:
    names = {p.name for p in alone.iterdir()}
    assert names == {"checkpoint.pt", "loss.png", "loss.csv"}
    assert (alone / "loss.png").read_bytes().startswith(b"\x89PNG")
    losses = training_losses(alone)
    assert len(losses) == 8 and losses[-1] < losses[0]


def test_gpt_on_two_ranks_follows_one_process(alone: Path, tmp_path: Path) -> None:
    start("examples/gpt.py", *TINY, "--out", str(tmp_path), ranks=2)
    one, two = training_losses(alone), training_losses(tmp_path)
    assert all(abs(a - b) <= 1e-4 * abs(a) for a, b in zip(one, two, strict=True))


def test_gpt_resumes_exactly(alone: Path, tmp_path: Path) -> None:
    start("examples/gpt.py", *TINY, "--stop", "4", "--out", str(tmp_path))
    start("examples/gpt.py", *TINY, "--resume", "--out", str(tmp_path))
    assert training_losses(tmp_path) == training_losses(alone)


def test_digits_learn_the_same_on_two_ranks() -> None:
    out = start("examples/digits.py", "--epochs", "3")
    accuracy = [float(v) for v in re.findall(r"accuracy ([\d.]+)%", out)]
    assert len(accuracy) == 3 and accuracy[-1] > 90
    two = start("examples/digits.py", "--epochs", "1", ranks=2)
    assert two.splitlines()[-1] == out.splitlines()[0]


def test_ddp_prints_the_same_on_two_ranks() -> None:
    def losses(text: str) -> list[float]:
        return [float(v) for v in re.findall(r"mean loss ([\d.]+)", text)]

    one, two = losses(start("examples/ddp.py")), losses(start("examples/ddp.py", ranks=2))
    assert len(one) == 6 and one[-1] < 0.2 * one[0]
    assert one == pytest.approx(two, rel=1e-3)  # five digits are printed
