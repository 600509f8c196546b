"""torch.utils.data's paths lead to isograd.data.

Run: pytest tests/data
"""

import isograd as torch
from isograd.data import DataLoader, DistributedSampler, default_collate, random_split


def test_paths():
    data = torch.utils.data
    assert data.DataLoader is data.dataloader.DataLoader is DataLoader
    assert data.distributed.DistributedSampler is DistributedSampler
    assert data._utils.collate.default_collate is data.default_collate is default_collate
    assert data.dataset.random_split is random_split
    assert data.sampler.RandomSampler is data.RandomSampler
    assert data.get_worker_info() is None
