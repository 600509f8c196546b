"""The GPT example's training step on one and on two ranks, and what fingerprints cost.

    python benchmarks/ranks.py [--steps 30]

Tokens per second of `examples/gpt.py` with the same global batch, one thread per rank; and
microseconds of a checked and an unchecked all-reduce of 4 floats on two ranks.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMALL = """
import time, isograd as torch, isograd.distributed as dist
dist.init_process_group()
x = torch.ones(4)
for _ in range(200): dist.all_reduce(x)
times = []
for _ in range(20):
    dist.barrier(); start = time.perf_counter()
    for _ in range(200): dist.all_reduce(x)
    times.append((time.perf_counter() - start) / 200 * 1e6)
if dist.get_rank() == 0: print("us", sorted(times)[10])
dist.destroy_process_group()
"""


def launch(ranks: int, *command: str, **environment: str) -> str:
    """Output of a script on some ranks, one thread each."""
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-m", "isograd.launch", "run", "-n", str(ranks), *command],
        cwd=ROOT, env=settings, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def tokens(ranks: int, steps: int, *options: str) -> float:
    """Median tokens per second of the example's steps, as its progress bar shows them.

    Args:
        options: of `isograd run`.
    """
    with tempfile.TemporaryDirectory() as out:
        script = ["examples/gpt.py", "--steps", str(steps), "--out", out]
        text = launch(ranks, *options, *script)
    seen = [float(v.replace(",", "")) for v in re.findall(r"([\d,]+) tokens/s", text)]
    return statistics.median(seen[len(seen) // 4 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    steps = parser.parse_args().steps
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for ranks, seen in rates.items():
            seen.append(tokens(ranks, steps))
    one, two = (statistics.median(v) for v in rates.values())
    print(f"tokens/s: one rank {one:,.0f}, two ranks {two:,.0f}, ratio {two / one:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "small.py"
        script.write_text(SMALL)
        for name, value in (("checked", "1"), ("unchecked", "0")):
            text = launch(2, str(script), ISOGRAD_FINGERPRINT=value)
            print(f"all_reduce of 4 floats, {name}: {text.split('us ')[-1].split()[0][:5]} us")


if __name__ == "__main__":
    main()
