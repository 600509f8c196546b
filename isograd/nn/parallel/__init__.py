"""``torch.nn.parallel``'s names: a face over `isograd.distributed.ddp`."""

from isograd.distributed.ddp import DistributedDataParallel as DistributedDataParallel

__all__ = ["DistributedDataParallel"]
