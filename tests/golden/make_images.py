"""Make images.npz: results of torch's layers and functions of images, each case one vector.

Needs torch (2.13 was used): ``python tests/golden/make_images.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.nn.image_cases import LAYERS, functions, run_function, run_layer


def vector(arrays: list[Any]) -> Any:
    return np.concatenate([a.reshape(-1) for a in arrays])


if __name__ == "__main__":
    made = {case[0]: vector(run_layer(torch, case)) for case in LAYERS}
    for name, (fn, shapes) in functions(torch).items():
        made[name] = vector(run_function(torch, name, fn, shapes))
    np.savez_compressed(Path(__file__).parent / "images.npz", **made)
