"""torch.utils.data: the names of `isograd.data`."""

from isograd.data import *  # noqa: F403
from isograd.data import __all__ as __all__
from isograd.utils.data import _utils as _utils
from isograd.utils.data import dataloader as dataloader
from isograd.utils.data import dataset as dataset
from isograd.utils.data import distributed as distributed
from isograd.utils.data import sampler as sampler
