"""Make nn.npz and nn_functions.npz: results of torch's layers and functions.

Needs torch (2.13 was used): ``python tests/golden/make_nn.py``. Each case is one vector: all its
results one after the other (those of layers sorted by name).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.nn import layer_cases
from tests.nn.functional import function_cases

HERE = Path(__file__).parent


def layers() -> dict[str, np.ndarray]:
    out = {}
    for name, case in layer_cases.cases(torch).items():
        result = layer_cases.run(torch, name, *case)
        out[name] = np.concatenate([result[key].reshape(-1) for key in sorted(result)])
    return out


def functions() -> dict[str, np.ndarray]:
    return {
        name: np.concatenate([a.reshape(-1) for a in function_cases.run(torch, *case)])
        for name, case in function_cases.cases(torch).items()
    }


if __name__ == "__main__":
    np.savez_compressed(HERE / "nn.npz", **layers())
    np.savez_compressed(HERE / "nn_functions.npz", **functions())
