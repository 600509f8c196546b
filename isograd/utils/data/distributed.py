"""torch.utils.data.distributed."""

from isograd.data.distributed_sampler import DistributedSampler as DistributedSampler
