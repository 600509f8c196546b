"""An unchanged script that is stopped and goes on with another number of processes: the same bits.

python -m pytest tests/distributed/checkpoint/test_resume.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# pytest's own ranks must not start jobs inside a job
pytestmark = [
    pytest.mark.job,
    pytest.mark.skipif("OMPI_COMM_WORLD_SIZE" in os.environ, reason="starts jobs itself"),
]

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

folder, steps = sys.argv[1], int(sys.argv[2])
torch.manual_seed(3)
x = torch.randn(50, 6)
y = (x.sum(1) > 0).long()
model = nn.Sequential(
    nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2)
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
keeper = dcp.Checkpointer(folder, keep_last=2)
state = {"model": model, "optimizer": optimizer, "loader": loader, "rng": torch.get_rng_state()}
step = keeper.load(state) or 0
torch.set_rng_state(state["rng"])
while step < steps:
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
        step += 1
        state["rng"] = torch.get_rng_state()
        keeper.async_save(step, state)
        if step >= steps:
            break
print(step, loss.item(), model[0].weight.detach().numpy().tobytes().hex())
"""


def run(folder: Path, ranks: int, steps: int) -> str:
    script = folder.parent / "train.py"
    script.write_text(SCRIPT)
    outer = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_"))}
    start = [sys.executable, "-m", "isograd.launch", "run", "--torch", "-n", str(ranks)]
    done = subprocess.run(
        [*start, "--shards", "2", script, folder, str(steps)],
        env={**outer, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_stopped_on_two_and_continued_on_one(tmp_path: Path) -> None:
    never_stopped = run(tmp_path / "a", 1, 9)
    run(tmp_path / "b", 2, 6)  # in the middle of an epoch of four batches
    assert run(tmp_path / "b", 1, 9) == never_stopped
