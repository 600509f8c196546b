"""A reduction along the fixed tree against a plain all-reduce: 64 MiB of float32 per rank.

    python benchmarks/tree.py [--mib 64] [--rounds 15]

`tree_all_reduce` with one position per rank against `comm.all_reduce` (MPI_Allreduce), both in
place, one after the other in each round, on 2 and 4 ranks of one thread; medians over the rounds
of the slowest rank's time. Also 4 KiB and four floats, where latency counts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]


def worker(elements: int, rounds: int, repeats: int) -> None:
    """One rank; rank 0 prints the medians in milliseconds: tree, plain."""
    import isograd.distributed as dist
    from isograd.distributed.group import resolve_group
    from isograd.distributed.tree import tree_all_reduce

    dist.init_process_group("mpi")
    group = resolve_group("benchmark", None)
    assert group is not None
    comm: Any = group.communicator
    part = np.random.default_rng(comm.rank).standard_normal(elements).astype(np.float32)
    both = part.copy(), part.copy()

    def tree() -> None:
        tree_all_reduce(comm, [both[0]], comm.size, out=both[0])

    def all_reduce() -> None:
        comm.all_reduce(both[1])

    ways: list[Callable[[], None]] = [tree, all_reduce]
    times: list[list[float]] = [[], []]
    for _ in range(rounds + 2):
        for array in both:
            array[...] = part  # else the sums grow without bound
        for call, seen in zip(ways, times, strict=True):
            comm.barrier()
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            mine = np.array([(time.perf_counter() - start) / repeats * 1e3])
            seen.append(max(np.frombuffer(t)[0] for t in comm.exchange_bytes(mine.tobytes())))
    if comm.rank == 0:
        print("medians", *(statistics.median(seen[2:]) for seen in times))
    dist.destroy_process_group()


def measure(ranks: int, *arguments: str) -> tuple[float, float]:
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "isograd.launch", "run", "-n", str(ranks), __file__]
    done = subprocess.run(
        [*command, "--worker", *arguments],
        cwd=ROOT, env=settings, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tree, plain = done.stdout.split("medians ")[1].split()[:2]
    return float(tree), float(plain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--worker", nargs=3, type=int)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker)
        return
    for ranks in (2, 4):
        for name, elements, rounds, repeats in (
            (f"{options.mib} MiB", options.mib << 18, options.rounds, 1),
            ("4 KiB", 1024, 50, 50),
            ("4 floats", 4, 50, 50),
        ):
            tree, plain = measure(ranks, str(elements), str(rounds), str(repeats))
            print(
                f"{ranks} ranks, {name}: tree {tree:.3g} ms, all_reduce {plain:.3g} ms, "
                f"ratio {tree / plain:.2f}"
            )


if __name__ == "__main__":
    main()
