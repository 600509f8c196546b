"""Write random.npz: what PyTorch 2.13's CPU generator draws, for tests/tensor/test_generator.py.

Each case seeds, draws, and then draws one int32 more, which shows where the stream stands.
Run: python tests/golden/make_random.py   (needs torch; the tests do not)
"""

import json
from pathlib import Path

import numpy as np
import torch

SEED = 20240229
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["bool", "uint8", "int8", "int16", "int32", "int64"]
TAIL = 40  # of a long draw only the end is kept


def cases():
    for dtype in FLOATS:
        for size in ([5], [7, 9], [100003]):
            yield "uniform", size, dtype, {}
        for low, high in ((-1 / 3, 1 / 3), (0.1, 0.7), (0.0, 5.0), (-2.0, -0.5)):
            yield "uniform", [300], dtype, {"low": low, "high": high}
        for size in ([], [1], [2], [15], [16], [17], [31], [33], [8, 8], [100003]):
            yield "normal", size, dtype, {"mean": 0.25, "std": 1.5}
        yield "normal", [40], dtype, {"contiguous": False}
        yield "normal", [3], dtype, {"twice": True}  # the second one starts with the spare sample
        yield "log_normal", [21], dtype, {"mean": 0.2, "std": 0.7}
        yield "exponential", [50], dtype, {"lambd": 2.0}
        yield "cauchy", [21], dtype, {"median": 0.2, "sigma": 3.0}
        yield "geometric", [50], dtype, {"p": 0.2}
        yield "random", [30], dtype, {"low": -5}
        yield "bernoulli", [60], dtype, {"p": "array"}
        for replacement in (True, False):
            yield "multinomial", [3, 20], dtype, {"num_samples": 9, "replacement": replacement}
        yield "multinomial", [20], dtype, {"num_samples": 1, "replacement": True}
    for dtype in FLOATS + INTEGERS:
        yield "random", [30], dtype, {}
        yield "random", [30], dtype, {"low": 0, "high": 2}
        yield "bernoulli", [100], dtype, {"p": 0.3}
    for exponent in (27, 28, 32, 62):
        for step in (-1, 0, 1):
            yield "random", [9], "int64", {"low": -3, "high": 2**exponent + step}
    yield "random", [9], "int64", {"low": -(2**63), "high": 2**63 - 1}
    yield "random", [9], "int64", {"low": -(2**63)}
    yield "random", [9], "float16", {"low": 0, "high": 5000}
    yield "random", [9], "float16", {"low": -5001, "high": 7}
    yield "random", [9], "float32", {"low": 0, "high": 2**30 + 1}
    for size in (0, 1, 2, 10, 1000):
        yield "randperm", [size], "int64", {}
    yield "randperm", [100], "uint8", {}


def draw(method, size, dtype, arguments):
    kind = getattr(torch, dtype)
    if method == "randperm":
        return torch.randperm(size[0], dtype=kind)
    if method == "multinomial":
        return torch.multinomial(weights(size, dtype), **arguments)
    out = torch.empty(size, dtype=kind)
    if method == "normal" and not arguments.pop("contiguous", True):
        out = torch.empty([*size, 2], dtype=kind)[..., 0]
    if method == "normal" and arguments.pop("twice", False):
        out.normal_()
    if method == "bernoulli" and arguments["p"] == "array":
        return torch.bernoulli(weights(size, dtype))
    if method == "random" and list(arguments) == ["low"]:
        return out.random_(arguments["low"], None)
    return getattr(out, method + "_")(*arguments.values())


def weights(size, dtype):
    """Exact in every dtype: multiples of 1/64 in (0, 1)."""
    count = int(np.prod(size))
    return ((torch.arange(count) * 37 % 63 + 1) / 64).reshape(size).to(getattr(torch, dtype))


def main():
    table, arrays = [], {}
    for number, (method, size, dtype, arguments) in enumerate(cases()):
        table.append([method, size, dtype, arguments])
        torch.manual_seed(SEED)
        values = draw(method, size, dtype, dict(arguments))
        arrays[f"next{number}"] = torch.empty(1, dtype=torch.int32).random_().numpy()
        values = values.float() if values.dtype == torch.bfloat16 else values
        values = values.flatten()[-TAIL:] if values.numel() > 1000 else values
        arrays[f"values{number}"] = values.contiguous().numpy()
    generator = torch.Generator().manual_seed(-7)
    arrays["state_seeded"] = generator.get_state().numpy()
    torch.empty(3).normal_(generator=generator)
    arrays["state_drawn"] = generator.get_state().numpy()
    arrays["state_next"] = torch.empty(20).normal_(generator=generator).numpy()
    for name, method in (("uniform", "uniform_"), ("normal", "normal_")):
        torch.manual_seed(SEED)
        arrays[f"permuted_{name}"] = getattr(torch.empty(3, 5, 4).permute(1, 2, 0), method)()
    arrays["cases"] = np.array(json.dumps({"seed": SEED, "cases": table}))
    np.savez_compressed(Path(__file__).with_name("random.npz"), **arrays)


if __name__ == "__main__":
    main()
