"""Eager overhead: forward + backward of tiny operations, isograd against torch in one run.

    python benchmarks/overhead.py [--repeat 30]

Both run in this process with one thread, interleaved; the figure is the ratio of medians. Without
PyTorch only isograd's own times are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import isograd  # noqa: E402

try:
    import torch
except ImportError:
    torch = None


def cases(lib: Any) -> dict[str, Callable[[], None]]:
    """One forward and backward of each operation on 4x8 float32 tensors."""
    a = lib.ones(4, 8).requires_grad_(True)
    b = lib.ones(4, 8).requires_grad_(True)
    w = lib.ones(8, 8).requires_grad_(True)
    scale, shift = lib.ones(8).requires_grad_(True), lib.zeros(8).requires_grad_(True)
    g = lib.ones(4, 8)
    functional = lib.nn.functional

    def run(make: Callable[[], Any]) -> Callable[[], None]:
        def once() -> None:
            make().backward(g)

        return once

    return {
        "add": run(lambda: a + b),
        "mul": run(lambda: a * b),
        "matmul": run(lambda: a @ w),
        "relu": run(lambda: functional.relu(a)),
        "layer_norm": run(lambda: functional.layer_norm(a, (8,), scale, shift)),
    }


def once(fn: Callable[[], None], loops: int) -> float:
    """Microseconds per call."""
    start = time.perf_counter()
    for _ in range(loops):
        fn()
    return (time.perf_counter() - start) / loops * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--loops", type=int, default=200)
    options = parser.parse_args()
    libraries = {"isograd": isograd} if torch is None else {"isograd": isograd, "torch": torch}
    if torch is not None:
        torch.set_num_threads(1)
    made = {name: cases(lib) for name, lib in libraries.items()}
    print(f"{'op':<12}" + "".join(f"{n + ' us':>14}" for n in made) + f"{'ratio':>9}")
    for op in made["isograd"]:
        times: dict[str, list[float]] = {n: [] for n in made}
        for _ in range(options.repeat):
            for n in made:
                times[n].append(once(made[n][op], options.loops))
        medians = [statistics.median(times[n]) for n in made]
        ratio = f"{medians[0] / medians[1]:9.2f}" if len(medians) > 1 else "        -"
        print(f"{op:<12}" + "".join(f"{m:14.2f}" for m in medians) + ratio)


if __name__ == "__main__":
    main()
