"""Explicit data parallelism in torch.distributed's style; what differs is marked `# dist`.

    python examples/ddp.py                # one process: the marked lines do nothing
    isograd run -n 2 examples/ddp.py      # or: mpirun -n 2 python examples/ddp.py

A regression on the noisy surface y = sin(3 a) + b^2. Every rank prints the same final loss.
"""

import isograd as torch
import isograd.distributed as dist  # dist
from isograd import nn
from isograd.nn.parallel import DistributedDataParallel as DDP  # dist
from isograd.utils.data import DataLoader, DistributedSampler, TensorDataset


def make_data(count=4096):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(count, 2, generator=generator) * 2 - 1
    y = torch.sin(3 * x[:, :1]) + x[:, 1:] ** 2
    return TensorDataset(x, y + 0.05 * torch.randn(count, 1, generator=generator))


def main(epochs=6, batch=64):
    dist.init_process_group()  # dist
    rank, world = dist.get_rank(), dist.get_world_size()  # dist
    torch.manual_seed(0)
    dataset = make_data()
    model = nn.Sequential(
        nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
    )
    model = DDP(model)  # dist
    sampler = DistributedSampler(dataset, num_replicas=world, rank=rank)  # dist
    loader = DataLoader(dataset, batch_size=batch // world, sampler=sampler)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    criterion = nn.MSELoss()
    for epoch in range(epochs):
        sampler.set_epoch(epoch)  # dist
        total = torch.zeros(())
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()  # gradients are averaged over the ranks while this still runs
            optimizer.step()
            total += loss.detach()
        mean = total / len(loader)
        dist.all_reduce(mean, op=dist.ReduceOp.AVG)  # dist
        if rank == 0:  # dist
            print(f"epoch {epoch}: mean loss {mean.item():.5f}")
    dist.destroy_process_group()  # dist


if __name__ == "__main__":
    main()
