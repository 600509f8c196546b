"""``torch.utils.checkpoint``'s names: a face over `isograd.autograd.checkpoint`."""

from isograd.autograd.checkpoint import checkpoint as checkpoint
from isograd.autograd.checkpoint import checkpoint_sequential as checkpoint_sequential

__all__ = ["checkpoint", "checkpoint_sequential"]
