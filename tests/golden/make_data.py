"""Write data.json: the orders that PyTorch 2.13's samplers and loader take, for tests/data.

Run: python tests/golden/make_data.py   (needs torch; the tests do not)
"""

import json
import random
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
    random_split,
)

warnings.simplefilter("ignore")
SIZE = 11


class Draws(Dataset):
    """What the three generators of a worker draw."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return [torch.rand(()).item(), random.random(), np.random.rand()]


class Parts(IterableDataset):
    """5 samples in worker 0, 1 in each other."""

    def __iter__(self):
        number = get_worker_info().id
        return iter([number * 10 + i for i in range(1 if number else 5)])


class EagerOrder:
    """Draws when iteration begins, not at the first sample."""

    def __len__(self):
        return SIZE

    def __iter__(self):
        return iter(torch.randperm(SIZE).tolist())


def epochs(**options):
    """Two epochs and what the default generator draws before, between and after."""
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(torch.arange(SIZE)), **options)
    out = [torch.rand(1).item()]
    for _ in range(2):
        out.append([x.tolist() for (x,) in loader])
        out.append(torch.rand(1).item())
    return out


def own_generator(**options):
    """Two epochs with a generator, left early the second time, and where it then stands."""
    generator = torch.Generator().manual_seed(5)
    loader = DataLoader(range(SIZE), shuffle=True, generator=generator, **options)
    out = [[x.tolist() for x in loader], next(iter(loader)).tolist()]
    return [*out, torch.rand(1, generator=generator).item()]


def order(make, *arguments, **options):
    generator = torch.Generator().manual_seed(7)
    sampler = make(*arguments, generator=generator, **options)
    torch.manual_seed(7)
    default = list(make(*arguments, **options))
    return {
        "own": [list(sampler), list(sampler), torch.rand(1, generator=generator).item()],
        "default": [default, torch.rand(1).item()],
    }


def shares(size, replicas, **options):
    out = []
    for rank in range(replicas):
        sampler = DistributedSampler(range(size), replicas, rank, **options)
        sampler.set_epoch(3)
        out.append(list(sampler))
    return out


def split(*arguments):
    generator = torch.Generator().manual_seed(7)
    return [list(part.indices) for part in random_split(*arguments, generator=generator)]


if __name__ == "__main__":
    workers = {"num_workers": 2}
    two = {"batch_size": 2, "num_workers": 2}
    torch.manual_seed(0)
    draws = [[v.item() for v in row] for row in DataLoader(Draws(), **workers)]
    found = {
        "serial": epochs(batch_size=3, shuffle=True),
        "in order": epochs(batch_size=3),
        "drop": epochs(batch_size=3, shuffle=True, drop_last=True),
        "workers": epochs(batch_size=3, shuffle=True, **workers),
        "persistent": epochs(batch_size=3, shuffle=True, persistent_workers=True, **workers),
        "eager": epochs(batch_size=None, sampler=EagerOrder()),
        "own serial": own_generator(batch_size=2),
        "own workers": own_generator(batch_size=2, **workers),
        "draws": draws,
        "parts": [x.tolist() for x in DataLoader(Parts(), **two)],
        "parts drop": [x.tolist() for x in DataLoader(Parts(), drop_last=True, **two)],
        "parts single": list(DataLoader(Parts(), batch_size=None, num_workers=3)),
        "random": order(RandomSampler, range(SIZE)),
        "random more": order(RandomSampler, range(SIZE), num_samples=25),
        "random replacement": order(RandomSampler, range(SIZE), replacement=True, num_samples=40),
        "subset": order(SubsetRandomSampler, [3, 1, 4, 1, 5]),
        "weighted": order(WeightedRandomSampler, [0.1, 0.2, 3.0, 0.7], 9),
        "weighted once": order(WeightedRandomSampler, [0.1, 0.2, 3.0, 0.7], 3, replacement=False),
        "shares": {
            f"{size} {replicas} {drop}": shares(size, replicas, seed=2, drop_last=drop)
            for size in (10, 3)
            for replicas in (1, 4)
            for drop in (True, False)
        },
        "split": split(range(SIZE), [4, 7]),
        "split fractions": split(range(SIZE), [0.3, 0.3, 0.4]),
    }
    Path(__file__).with_name("data.json").write_text(json.dumps(found, indent=None) + "\n")
