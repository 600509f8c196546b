"""torch.utils.data._utils.worker."""

from isograd.data.worker import WorkerInfo as WorkerInfo
from isograd.data.worker import get_worker_info as get_worker_info
