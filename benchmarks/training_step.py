"""Whole training steps on the CPU, isograd against torch in one run: GPT, CNN, LSTM, MLP.

    python benchmarks/training_step.py [--repeat 7] [--only gpt]

One thread, interleaved, median of the steps. Same architecture, same data, AdamW.
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


def gpt(T: Any) -> tuple[Any, Callable[[Any], Any]]:
    """1 M parameters, 16 sequences of 128 characters: one rank's part of `examples/gpt.py`."""
    nn, F = T.nn, T.nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(128), nn.LayerNorm(128)
            self.qkv, self.out = nn.Linear(128, 384), nn.Linear(128, 128)
            self.up, self.down = nn.Linear(128, 512), nn.Linear(512, 128)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, 4, 32).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))

    model = nn.Sequential(nn.Embedding(128, 128), *[Block() for _ in range(5)], nn.Linear(128, 128))
    idx = T.randint(0, 128, (16, 129))
    return model, lambda m: F.cross_entropy(m(idx[:, :-1]).flatten(0, 1), idx[:, 1:].flatten())


def cnn(T: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Two convolutions and batch norms on 64 images of 28x28."""
    nn = T.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 49, 10),
    )  # fmt: skip
    x, y = T.randn(64, 1, 28, 28), T.randint(0, 10, (64,))
    return model, lambda m: nn.functional.cross_entropy(m(x), y)


def lstm(T: Any) -> tuple[Any, Callable[[Any], Any]]:
    """A two-layer LSTM of width 128 over 32 sequences of length 35."""
    nn = T.nn
    body, head = nn.LSTM(64, 128, 2, batch_first=True), nn.Linear(128, 64)
    model = nn.ModuleList([body, head])
    x, y = T.randn(32, 35, 64), T.randint(0, 64, (32 * 35,))
    return model, lambda m: nn.functional.cross_entropy(m[1](m[0](x)[0]).flatten(0, 1), y)


def mlp(T: Any) -> tuple[Any, Callable[[Any], Any]]:
    """784-512-512-10 on 128 rows."""
    nn = T.nn
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    x, y = T.randn(128, 784), T.randint(0, 10, (128,))
    return model, lambda m: nn.functional.cross_entropy(m(x), y)


CASES = {"gpt": gpt, "cnn": cnn, "lstm": lstm, "mlp": mlp}


def stepper(T: Any, case: Any) -> Callable[[], None]:
    T.manual_seed(0)
    model, loss_of = case(T)
    optimizer = T.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--only", choices=CASES)
    options = parser.parse_args()
    libraries = {"isograd": isograd} if torch is None else {"isograd": isograd, "torch": torch}
    if torch is not None:
        torch.set_num_threads(1)
    print(f"{'step':<6}" + "".join(f"{n + ' ms':>14}" for n in libraries) + f"{'ratio':>9}")
    for name, case in CASES.items():
        if options.only not in (None, name):
            continue
        steps = {n: stepper(T, case) for n, T in libraries.items()}
        times: dict[str, list[float]] = {n: [] for n in libraries}
        for _ in range(options.repeat + 2):
            for n, step in steps.items():
                start = time.perf_counter()
                step()
                times[n].append((time.perf_counter() - start) * 1e3)
        medians = [statistics.median(times[n][2:]) for n in libraries]
        ratio = f"{medians[0] / medians[1]:9.2f}" if len(medians) > 1 else "        -"
        print(f"{name:<6}" + "".join(f"{m:14.1f}" for m in medians) + ratio, flush=True)


if __name__ == "__main__":
    main()
