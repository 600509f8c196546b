"""Ten scripts written for one device, on 1, 2 and 4 ranks: the same text, the same files.

Reference: the run on one rank; with ``--shards``, equal to the last character. The run on one rank
is compared with the texts of torch 2.13 (golden/scripts.json). The `diverge_*` scripts do something
else on every rank, which must end in an error that names both lines.

pytest tests/scripts; ISOGRAD_ALL_SCRIPTS=1 (make test-scripts) runs every script at n = 1, 2, 4.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from isograd.launch.mpi import find_mpi

try:
    find_mpi(os.environ)
except FileNotFoundError:
    pytest.skip("no mpirun here", allow_module_level=True)

pytestmark = pytest.mark.job

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE.parent / "golden" / "scripts.json").read_text())
SCRIPTS = ["mnist_cnn", "vae", "dcgan", "char_rnn", "word_lm", "transformer", "resnet",
           "reinforce", "siamese", "accumulate"]  # fmt: skip
ALL = os.environ.get("ISOGRAD_ALL_SCRIPTS", "") not in ("", "0")
ON_TWO = SCRIPTS
ON_FOUR = SCRIPTS if ALL else ["char_rnn"]
SHARDED = (
    [(s, n) for s in SCRIPTS for n in (2, 3, 4)] if ALL else [("mnist_cnn", 2), ("word_lm", 4)]
)
OUTSIDE = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_", "RANK", "WORLD_SIZE", "LOCAL_", "MASTER_")
NUMBER = re.compile(r"[-+]?(?:\d+\.\d+|\d+)(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Ran:
    """A run that has ended, and the folder it ran in."""

    code: int
    out: str
    err: str
    folder: Path
    seconds: float

    @property
    def files(self) -> list[str]:
        found = [p for p in self.folder.rglob("*") if p.is_file() and "logs" not in p.parts]
        return sorted(str(p.relative_to(self.folder)) for p in found)


def run(script: str, folder: Path, *args: str, n: int = 1, shards: int | None = None) -> Ran:
    """`isograd run` with a script of this folder; its stdin is closed and stdout no terminal."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(OUTSIDE)}
    options = ["--torch", "-n", str(n), "--log-dir", str(folder / "logs")]
    options += [] if shards is None else ["--shards", str(shards)]
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "isograd.launch", "run", *options, HERE / f"{script}.py", *args],
        cwd=folder, env=env | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=120, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr, folder, time.monotonic() - start)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """Runs a script, once for each number of ranks and positions."""
    known: dict[tuple[str, int, int | None], Ran] = {}

    def once(script: str, n: int = 1, shards: int | None = None) -> Ran:
        key = (script, n, shards)
        if key not in known:
            known[key] = run(script, tmp_path_factory.mktemp(script), n=n, shards=shards)
        assert known[key].code == 0, known[key].out + known[key].err
        return known[key]

    return once


def difference(one: str, two: str, relative: float = 1e-4) -> str:
    """Where two texts differ; empty where they do not.

    Words and whole numbers must be equal, other numbers to ``relative`` and one unit of the last
    printed place.
    """
    lines, others = one.splitlines(), two.splitlines()
    for i, (a, b) in enumerate(zip(lines, others), 1):
        if NUMBER.sub("#", a) != NUMBER.sub("#", b):
            return f"line {i}: {a!r} and {b!r}"
        for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True):
            places = len(x.partition(".")[2])
            near = abs(float(x) - float(y)) <= relative * abs(float(x)) + 1.01 * 10.0**-places
            if x != y and not (places and near):
                return f"line {i}: {x} and {y} in {a!r} and {b!r}"
    if len(lines) != len(others):
        return f"{len(lines)} and {len(others)} lines"
    return ""


def test_texts_are_compared_number_by_number() -> None:
    assert not difference("loss 1.2345 of 10", "loss 1.2346 of 10")
    assert not difference("ppl 5432.10", "ppl 5432.62")
    assert difference("loss 1.2345", "loss 1.2348")
    assert difference("17 of 20", "18 of 20")
    assert difference("a 1.0", "b 1.0")
    assert difference("a\nb", "a")


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_one_rank_prints_the_numbers_of_torch(name, ran, tmp_path) -> None:
    script, *args = name.split()
    done = run(script, tmp_path, *args) if args else ran(script)
    assert done.code == 0, done.err
    assert not difference(GOLDEN[name], done.out, relative=1e-3)


@pytest.mark.parametrize("script", ON_TWO)
def test_two_ranks_print_what_one_prints(script, ran) -> None:
    one, two = ran(script), ran(script, n=2)
    assert not difference(one.out, two.out)
    assert one.files == two.files


@pytest.mark.parametrize("script", ON_FOUR)
def test_four_ranks_print_what_one_prints(script, ran) -> None:
    one, four = ran(script), ran(script, n=4)
    assert not difference(one.out, four.out)
    assert one.files == four.files


@pytest.mark.parametrize(("script", "n"), SHARDED)
def test_text_to_the_last_character_with_shards(script, n, ran) -> None:
    one, many = ran(script, shards=4), ran(script, n=n, shards=4)
    assert one.out == many.out
    assert not difference(ran(script).out, one.out)


def test_files_are_written_once_and_alike(ran) -> None:
    one, two = ran("accumulate"), ran("accumulate", n=2)
    logs = [(r.folder / "log.csv").read_text() for r in (one, two)]
    assert logs[0].startswith("epoch,") and not difference(*logs)
    assert one.files == ["checkpoints/best.pt", "checkpoints/last.pt", "log.csv"]
    images = [
        (r.folder / "results" / "sample_6.pgm").read_text() for r in (ran("vae"), ran("vae", 2))
    ]
    pixels = [[int(word) for word in text.split()[1:]] for text in images]
    assert max(abs(a - b) for a, b in zip(*pixels, strict=True)) <= 1


def test_logging_and_progress_bars_come_from_one_rank(ran) -> None:
    err = ran("transformer", n=2).err
    assert [err.count(f"INFO:epoch {i} done") for i in range(4)] == [1, 1, 1, 1]
    assert ran("resnet", n=2).err.count("train:   0%") == 3


@pytest.mark.parametrize("n", [1, 2])
def test_a_run_is_resumed_from_its_checkpoint(n, ran, tmp_path) -> None:
    first = run("accumulate", tmp_path, "--max-epochs", "3", n=n)
    assert first.code == 0, first.err
    rest = run("accumulate", tmp_path, n=3 - n)
    assert rest.code == 0, rest.err
    resumed, lines = rest.out.partition("\n")[::2]
    assert resumed == "=> resumed from checkpoints/last.pt at epoch 3"
    whole = ran("accumulate").out
    assert not difference(whole[whole.index("Epoch 04/12") :], lines)


@pytest.mark.parametrize("script", sorted(p.stem for p in HERE.glob("diverge_*.py")))
def test_ranks_that_part_raise_and_name_both_lines(script, tmp_path) -> None:
    done = run(script, tmp_path, n=2)
    assert done.code != 0 and "done" not in done.out.split()
    assert done.seconds < 60
    said = set(re.findall(rf"rank (\d)\b.*{script}\.py:(\d+)", done.err))
    gone = script == "diverge_break"  # the one that has ended may stand on no line
    assert {rank for rank, _ in said} >= ({"0"} if gone else {"0", "1"}), done.err
    marks = ("# one rank", "# the others")
    text = (HERE / f"{script}.py").read_text().splitlines()
    marked = {str(i) for i, line in enumerate(text, 1) if line.endswith(marks)}
    assert marked <= {line for _, line in said}, done.err
