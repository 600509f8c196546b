"""torch.utils.data._utils: private in name, but scripts take `collate` from here."""

from isograd.utils.data._utils import collate as collate
from isograd.utils.data._utils import worker as worker
