"""torch.utils.data._utils.collate."""

from isograd.data.collate import collate as collate
from isograd.data.collate import default_collate as default_collate
from isograd.data.collate import default_collate_fn_map as default_collate_fn_map
from isograd.data.collate import default_convert as default_convert
