"""Make printing.npz: tensors and the text torch prints for them.

Needs torch (2.13 was used): ``python tests/golden/make_printing.py``. The file holds the raw
bytes of each tensor and one JSON list with its dtype, shape, print options and text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

INF, NAN = float("inf"), float("nan")
F16, BF16, F64 = torch.float16, torch.bfloat16, torch.float64
Case = tuple[torch.Tensor, dict[str, Any]]


def cases() -> list[Case]:
    torch.manual_seed(0)
    r = torch.randn
    plain: list[torch.Tensor] = [
        torch.tensor(1.0),
        torch.tensor(3.14159265),
        torch.tensor(-0.0),
        torch.tensor(1e-5),
        torch.tensor(123456789.0),
        torch.tensor(INF),
        torch.tensor(-NAN),
        torch.tensor(7),
        torch.tensor(True),
        torch.tensor(1 + 2j),
        torch.tensor([]),
        torch.empty(0, 3),
        torch.empty(2, 0, dtype=torch.int64),
        torch.empty(0, dtype=torch.int64),
        torch.empty(0, dtype=torch.bool),
        torch.zeros(3),
        torch.zeros(2, 3, dtype=F64),
        torch.tensor([1.0, 2.0, 30.0]),
        torch.tensor([1.0, -2.0, 3000.0]),
        torch.tensor([1.0, 1001.0]),
        torch.tensor([1.0, 2.0e8]),
        torch.tensor([0.5, 501.0]),
        torch.tensor([0.5, 499.0]),
        torch.tensor([9e-5, 1e-3]),
        torch.tensor([1.0, INF, -INF, NAN]),
        torch.tensor([1.5, INF, -INF, NAN]),
        torch.tensor([INF, NAN]),
        torch.tensor([0.0, NAN]),
        torch.tensor([1e-8, INF, -1.0]),
        torch.tensor([1e-320, 1.0], dtype=F64),
        torch.tensor([1e308, -1e-300], dtype=F64),
        torch.tensor([-5, 100, 3]),
        torch.tensor([[1, -2], [300, 4]], dtype=torch.int32),
        torch.tensor([1, 255], dtype=torch.uint8),
        torch.tensor([-(2**63), 2**63 - 1]),
        torch.tensor([[True, False], [False, True]]),
        torch.tensor([0.1, 0.2, 1 / 3], dtype=F16),
        torch.tensor([0.1, 0.2, 1 / 3], dtype=BF16),
        torch.tensor([65504.0, 1.0], dtype=F16),
        torch.tensor(1.5, dtype=BF16),
        torch.tensor([1 + 2j, -3.5j, 1e-9]),
        torch.tensor([[1j, 2], [3 - 4j, -1]]),
        torch.tensor([complex(INF, NAN), complex(-1, -INF)], dtype=torch.complex128),
        torch.tensor([1e10 + 1j, 2]),
        torch.randint(0, 9, (2, 3, 4)),
        torch.arange(100),
        torch.arange(30) / 7,
        torch.arange(1000),
        torch.arange(1001),
        torch.arange(2000.0) / 3,
        r(4, 4),
        r(3, 20),
        r(2, 2, 3),
        r(2, 2, 2, 2),
        r(50, 30),
        r(7, 200),
        r(4, 300, 5),
        r(12, 12, 12),
        r(8, 8, 8, 8, dtype=F64),
        r(1, 1, 1),
        r(5, 1) * 1e-6,
        r(3, 500, dtype=torch.complex64),
        r(6, dtype=torch.complex128),
        torch.arange(1500) % 2 == 0,
        torch.arange(1200.0).reshape(2, 600).T,
        r(3, requires_grad=True),
        r(12, requires_grad=True),
        r(9, 3, dtype=F64, requires_grad=True),
        r(8, dtype=F64),
        r(3, 3) + 100,
    ]
    found: list[Case] = [(t, {}) for t in plain]
    sample = r(3, 4) * 10
    long = r(40, 40)
    found += [
        (sample, {"precision": 2}),
        (sample, {"precision": 8, "linewidth": 40}),
        (sample, {"sci_mode": True}),
        (sample * 1e9, {"sci_mode": False}),
        (long, {"edgeitems": 1}),
        (long, {"threshold": 10, "edgeitems": 2}),
        (long, {"profile": "short"}),
        (long[:12], {"profile": "full", "linewidth": 120}),
        (torch.arange(20), {"threshold": 5, "edgeitems": 0}),
    ]
    return found


def raw(t: torch.Tensor) -> np.ndarray:
    t = t.detach().contiguous()
    if t.dtype is BF16:
        return t.view(torch.int16).numpy().reshape(-1).view(np.uint8)
    return t.numpy().reshape(-1).view(np.uint8)


def main() -> None:
    notes, data = [], {}
    for i, (t, options) in enumerate(cases()):
        torch.set_printoptions(**options)
        text = repr(t)
        torch.set_printoptions(profile="default", sci_mode=None, linewidth=80)
        data[f"t{i}"] = raw(t)
        notes.append(
            {
                "dtype": str(t.dtype).removeprefix("torch."),
                "shape": list(t.shape),
                "requires_grad": t.requires_grad,
                "options": options,
                "text": text,
            }
        )
    here = Path(__file__).parent / "printing.npz"
    np.savez_compressed(here, notes=np.array(json.dumps(notes)), **data)


if __name__ == "__main__":
    main()
