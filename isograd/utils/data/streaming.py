"""The names of `isograd.data.streaming`."""

from isograd.data.streaming import *  # noqa: F403
from isograd.data.streaming import __all__ as __all__
