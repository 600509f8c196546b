"""torch.utils.data.dataloader."""

from isograd.data.collate import default_collate as default_collate
from isograd.data.collate import default_convert as default_convert
from isograd.data.loader import DataLoader as DataLoader
from isograd.data.worker import get_worker_info as get_worker_info
