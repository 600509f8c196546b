"""A data-parallel GPT step on two ranks: isograd over MPI against PyTorch over gloo, in one run.

    python benchmarks/ddp.py [--rounds 3]

The model and the batch per rank are those of `training_step.py`; one thread per rank; each library
runs in turn, `rounds` times, and the median step is compared. Needs PyTorch beside isograd.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

HERE = Path(__file__).resolve()
START = {
    "isograd": ["-m", "isograd.launch", "run", "-n", "2"],
    "torch": ["-m", "torch.distributed.run", "--nproc-per-node", "2"],
}


def worker(name: str, steps: int) -> None:
    """One rank: the median milliseconds of a step, printed by rank 0."""
    sys.path.insert(0, str(HERE.parent))
    from training_step import gpt

    T = importlib.import_module(name)
    dist = importlib.import_module(f"{name}.distributed")
    wrap = importlib.import_module(f"{name}.nn.parallel").DistributedDataParallel
    if name == "torch":
        T.set_num_threads(1)
    dist.init_process_group("gloo")
    T.manual_seed(0)
    module, loss_of = gpt(T)
    model = wrap(module)
    optimizer = T.optim.AdamW(model.parameters(), lr=1e-3)
    times = []
    for _ in range(steps):
        dist.barrier()
        start = time.perf_counter()
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
        times.append((time.perf_counter() - start) * 1e3)
    if dist.get_rank() == 0:
        print("median", statistics.median(times[2:]))
    dist.destroy_process_group()


def measure(name: str, steps: int) -> float:
    command = [sys.executable, *START[name], str(HERE), "--worker", name, "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parents[1])
    return float(done.stdout.split("median ")[1].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--worker", choices=START)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.steps)
        return
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed: nothing to compare with")
        return
    times: dict[str, list[float]] = {name: [] for name in START}
    for _ in range(options.rounds):
        for name, seen in times.items():
            seen.append(measure(name, options.steps))
    ours, theirs = (statistics.median(times[n]) for n in START)
    print(f"isograd {ours:.0f} ms, torch {theirs:.0f} ms, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
