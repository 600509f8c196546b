"""Scripts that import mpi4py communicate by themselves.

Run: python -m pytest tests/launch/test_explicit.py
"""

import pytest

from isograd.launch.explicit import uses_mpi


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("from mpi4py import MPI\n", True),
        ("def main():\n    import os, mpi4py.MPI as M\n", True),
        ("import torch\n# import mpi4py\ns = 'import mpi4py'\n", False),
        ("import torch.distributed as dist\ndist.init_process_group()\n", False),
        ("this is no python\n", False),
    ],
)
def test_read_from_the_source(tmp_path, text, answer):
    path = tmp_path / "s.py"
    path.write_text(text)
    assert uses_mpi(path) is answer


def test_no_such_file(tmp_path):
    assert not uses_mpi(tmp_path / "none.py")


def test_shards_are_refused(launch, script):
    code, _, err = launch("--shards", 2, script("import mpi4py\n"))
    assert code != 0
    assert "--shards is for scripts that leave communication to isograd" in err


DISTRIBUTED = """
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

dist.init_process_group("gloo")
torch.manual_seed(0)
data = TensorDataset(torch.randn(40, 8), torch.randint(2, (40,)))
sampler = DistributedSampler(data)
model = DistributedDataParallel(nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in DataLoader(data, batch_size=5, sampler=sampler):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
size = dist.get_world_size()
weight = [torch.zeros(2, 8) for _ in range(size)]
dist.all_gather(weight, model.module.weight.detach())
if dist.get_rank() == 0:
    print(size, len(sampler), len(x), all(torch.equal(w, weight[0]) for w in weight))
dist.destroy_process_group()
"""


@pytest.mark.job
def test_a_script_that_distributes_itself(launch, script):
    code, out, err = launch("-n", 2, script(DISTRIBUTED))
    assert code == 0, err
    assert out == "2 20 5 True\n"


@pytest.mark.job
def test_init_process_group_with_shards_is_refused(launch, script):
    code, out, err = launch("-n", 2, "--shards", 4, script(DISTRIBUTED))
    assert code != 0 and out == ""
    assert "RuntimeError: init_process_group: this script distributes itself, and --shards" in err
    assert "run it without --shards, or take the distributed lines out" in err


MESH = """
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

mesh = init_device_mesh("cpu", (2,))
x = distribute_tensor(torch.arange(5.0), mesh, [Shard(0)])
print(torch.distributed.get_world_size(), x.to_local().tolist(), x.full_tensor().tolist())
"""


@pytest.mark.job
def test_a_mesh_joins_the_processes(launch, script):
    code, out, err = launch("-n", 2, script(MESH))
    assert code == 0, err
    assert out == "2 [0.0, 1.0, 2.0] [0.0, 1.0, 2.0, 3.0, 4.0]\n"
    code, _, err = launch("-n", 2, "--shards", 2, script(MESH))
    assert code != 0 and "this script distributes itself, and --shards" in err
