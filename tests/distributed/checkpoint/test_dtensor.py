"""Tensors cut over a mesh: saved by their owners, read slice by slice at any number of ranks.

python -m pytest tests/distributed/checkpoint/test_dtensor.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.distributed.checkpoint as dcp
from isograd.distributed.tensor import Replicate, Shard, distribute_tensor, init_device_mesh

WHOLE = torch.arange(35.0).reshape(7, 5)


def state(size: int, filled: bool) -> dict[str, Any]:
    mesh = init_device_mesh("cpu", (size,))
    t = WHOLE if filled else torch.zeros(7, 5)
    return {
        "rows": distribute_tensor(t.clone(), mesh, [Shard(0)]),
        "columns": distribute_tensor(t.clone(), mesh, [Shard(1)]),
        "copies": distribute_tensor(t.clone(), mesh, [Replicate()]),
    }


@pytest.mark.parametrize("writers", [1, 2, 4])
@pytest.mark.parametrize("readers", [1, 3])
def test_saved_on_a_mesh_loaded_on_another(writers: int, readers: int, tmp_path: Path) -> None:
    def write(rank: int) -> None:
        dcp.async_save(state(writers, True), checkpoint_id=tmp_path / "c").result(20)

    def read(rank: int) -> None:
        new = state(readers, False)
        dcp.load(new, checkpoint_id=tmp_path / "c")
        for t in new.values():
            assert torch.equal(t.full_tensor(), WHOLE)

    dist.run_local(writers, write)
    dist.run_local(readers, read)
    plain = {name: torch.zeros(7, 5) for name in ("rows", "columns", "copies")}
    dcp.load(plain, checkpoint_id=tmp_path / "c")
    assert all(torch.equal(t, WHOLE) for t in plain.values())
