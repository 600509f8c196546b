"""torch.utils.data: the names of `isograd.data`."""

import importlib
from typing import Any

from isograd.data import *  # noqa: F403
from isograd.data import __all__ as __all__
from isograd.utils.data import _utils as _utils
from isograd.utils.data import dataloader as dataloader
from isograd.utils.data import dataset as dataset
from isograd.utils.data import distributed as distributed
from isograd.utils.data import sampler as sampler


def __getattr__(name: str) -> Any:
    if name == "streaming":  # at first use: it needs modules that loaders do without
        return importlib.import_module("isograd.utils.data.streaming")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
