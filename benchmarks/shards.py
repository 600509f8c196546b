"""What the same bits cost: an unchanged script with and without ``--shards``.

    python benchmarks/shards.py [--steps 30] [--rounds 3]

Tokens per second of `examples/gpt.py` (1 M parameters, the same global batch) on one and on two
ranks, plainly, with as many positions as ranks, and with eight; interleaved, medians.
"""

from __future__ import annotations

import argparse
import statistics

from ranks import tokens

CASES = {
    "1 rank": (1, ()),
    "1 rank, --shards 2": (1, ("--shards", "2")),
    "1 rank, --shards 8": (1, ("--shards", "8")),
    "2 ranks": (2, ()),
    "2 ranks, --shards 2": (2, ("--shards", "2")),
    "2 ranks, --shards 8": (2, ("--shards", "8")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(args.rounds):
        for name, (ranks, options) in CASES.items():
            rates[name].append(tokens(ranks, args.steps, *options))
    base = {n: statistics.median(rates[f"{n} rank{'s' if n > 1 else ''}"]) for n in (1, 2)}
    for name, (ranks, _) in CASES.items():
        rate = statistics.median(rates[name])
        print(f"{name:22s} {rate:10,.0f} tokens/s  {base[ranks] / rate:.2f} times the time without")


if __name__ == "__main__":
    main()
