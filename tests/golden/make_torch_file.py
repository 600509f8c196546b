"""Write torch_state.bin: a file of PyTorch 2.13's torch.save, for tests/serialization.

Run: python tests/golden/make_torch_file.py   (needs torch; the tests do not)
"""

from collections import OrderedDict
from pathlib import Path

import torch


def main():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    kinds = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
    kinds += [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    kinds += [torch.complex64, torch.complex128, torch.uint16]
    value = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "kinds": {str(k): torch.tensor([0, 1, 2]).to(k) for k in kinds},
        "base": base,
        "column": base[:, 1],
        "turned": base.t(),
        "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0]), requires_grad=False),
        "wants": torch.ones(2, requires_grad=True),
        "empty": torch.empty(0, 3),
        "number": torch.tensor(7),
        "plain": [1, -(2**70), 2.5, True, None, "text \u00e9", b"bytes", (1, (2,)), {1, 2}, 1 + 2j],
        "ordered": OrderedDict(a=1),
        "what": [torch.float32, torch.device("cpu"), torch.Size([2, 3])],
    }
    torch.save(value, Path(__file__).parent / "torch_state.bin")


if __name__ == "__main__":
    main()
