"""``torch.nn.parallel``'s names: a face over `isograd.distributed.ddp`, and DataParallel."""

import sys

from isograd.distributed import ddp as distributed
from isograd.distributed.ddp import DistributedDataParallel as DistributedDataParallel
from isograd.nn.parallel.data_parallel import DataParallel as DataParallel
from isograd.nn.parallel.data_parallel import data_parallel as data_parallel

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel", "distributed"]

sys.modules[f"{__name__}.distributed"] = distributed  # torch's path to DistributedDataParallel
