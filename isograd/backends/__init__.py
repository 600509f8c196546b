"""``torch.backends``'s names: what computes, and the few switches it has.

``backends.cuda.matmul.allow_tf32`` does what it says. The others are hints that ask for what is so
in any case, or allow what is not made use of; each says which.
"""

from __future__ import annotations

from isograd.backends import cuda as cuda
from isograd.backends import cudnn as cudnn
from isograd.backends import mps as mps
