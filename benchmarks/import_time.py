"""How long ``import isograd`` takes in a fresh process, beside ``import numpy`` alone.

    python benchmarks/import_time.py [--repeat 11]

Interleaved, medians, seconds. Target: under 0.3 s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=11)
    repeat = parser.parse_args().repeat
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {"pass": [], "import numpy": [], "import isograd": []}
    for _ in range(repeat):
        for code, seen in times.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=settings)
            seen.append(time.perf_counter() - start)
    for code, seen in times.items():
        print(f"{code:<16}{statistics.median(seen):8.3f} s")


if __name__ == "__main__":
    main()
